// Kernels: whatever the block, its digits and its converters, every kernel gives the bits of the scalar one, in one
// call and in two. A problem follows from its number.

#include <cmath>
#include <cstdlib>
#include <limits>
#include <sstream>
#include <stdexcept>

#include "core/kernels/kernels.h"
#include "tests/fuzz/mutate.h"

namespace {

using namespace bitline::kernels;

/// Numbers that follow from the problem's own.
class Source {
 public:
    explicit Source(uint64_t number) : random_(number) {}
    int64_t integer(int64_t lo, int64_t hi) { return lo + int64_t(random_.next() % uint64_t(hi - lo + 1)); }
    double real(double lo, double hi) { return lo + (hi - lo) * double(random_.next() >> 11) * 0x1p-53; }
    bool once_in(int n) { return random_.below(size_t(n)) == 0; }
    template <class T>
    T one_of(std::initializer_list<T> choices) {
        return choices.begin()[random_.below(choices.size())];
    }
    /// 1 .. largest, small ones as often as large ones.
    int size(int largest) { return int(std::exp2(real(0, std::log2(largest + 0.99)))); }

 private:
    bitline::fuzz::Random random_;
};

struct Shape {
    int rows = 1, cols = 1, vectors = 1, cycles = 1;
    bool bits = false;
    int smallest_digit = 0, largest_digit = 1;
    int32_t largest_g = 1, factor = 1;
    int adc_bits = 8;
    bool one_bit = false, wide = false;
    bool cell_noise = false, converter_noise = false;
    bool at_thresholds = false;
};

struct Problem {
    Shape shape;
    Block block;
    Converter converter;
    Readout readout;
    std::vector<int16_t> digits;
    std::vector<uint64_t> bits;
    std::vector<int64_t> cycle_weight;
    std::vector<uint32_t> sample, position;
    Drive drive;
    Noise noise;
};

// ------------------------------------------------------------------------------------------------ problems

Shape make_shape(Source& source) {
    constexpr double kMostProducts = 300000;
    Shape shape;
    shape.rows = source.once_in(12) ? source.one_of({2000, 2047, 2048, 2049, 5000}) : source.size(400);
    shape.cols = source.size(source.once_in(8) ? 300 : 40);
    shape.cycles = source.once_in(3) ? source.one_of({1, 2, 4, 8}) : source.size(17);
    const bool large = source.once_in(8);  // more tables than the cache holds
    if (large) shape.rows = int(source.integer(300, 2048)), shape.cols = int(source.integer(12, 60));
    shape.vectors = source.once_in(4) ? source.one_of({16, 17, 31, 32, 33, 63, 64, 65, 128}) : source.size(200);
    const double products = double(shape.rows) * shape.cols * shape.cycles;
    shape.vectors = int(std::clamp(kMostProducts / products, 1.0, double(shape.vectors)));
    shape.bits = large || source.once_in(2);
    if (!shape.bits) {
        shape.largest_digit = source.one_of({0, 1, 1, 3, 15, 16, 255});
        shape.smallest_digit = source.once_in(2) ? -shape.largest_digit : 0;
    }
    // Around the ends of planes, limbs and float32.
    shape.largest_g = source.one_of(
        {1,     3,     8,     15,      16,      100,           512,     1023,    1024,          16383,   32767,
         32768, 65535, 65536, 1 << 19, 1 << 21, (1 << 22) - 1, 1 << 22, 1 << 23, (1 << 30) - 1, 1 << 30, 0x7FFFFFFF});
    if (source.once_in(4)) shape.factor = source.one_of({2, 3, 1000, 4096});
    if (int64_t{shape.largest_g} * shape.factor > 0x7FFFFFFF) shape.factor = 1;
    const int64_t largest_sum = int64_t{shape.largest_g} * shape.factor * shape.rows * std::max(1, shape.largest_digit);
    shape.adc_bits = int(source.integer(1, 16));
    shape.one_bit = source.once_in(6);
    shape.wide = largest_sum >= 1 << 24 || shape.adc_bits > 12 || source.once_in(4);
    shape.cell_noise = source.once_in(large ? 1 : 3);
    shape.converter_noise = source.once_in(3);
    shape.at_thresholds = !shape.one_bit && source.once_in(3);
    return shape;
}

enum class Values { any, all_largest, all_least, extremes, sparse, zeros, count };

/// Numbers from `lo` to `hi`.
template <class T>
std::vector<T> values(Source& source, size_t count, int64_t lo, int64_t hi) {
    const auto kind = source.once_in(2) ? Values::any : Values(source.integer(0, int64_t(Values::count) - 1));
    std::vector<T> out(count);
    for (T& value : out) {
        if (kind == Values::any || (kind == Values::sparse && source.once_in(20))) value = T(source.integer(lo, hi));
        if (kind == Values::all_largest || (kind == Values::extremes && source.once_in(2))) {
            value = T(hi);
        } else if (kind == Values::all_least || kind == Values::extremes) {
            value = T(lo);
        }
    }
    return out;
}

void make_block(Source& source, Problem& problem) {
    const Shape& shape = problem.shape;
    Block& block = problem.block;
    block.rows = shape.rows;
    block.cols = shape.cols;
    block.one_bit_digits = shape.bits;
    block.at_thresholds = shape.at_thresholds && !source.once_in(8);
    block.compact = source.once_in(3);
    const size_t cells = size_t(shape.rows) * size_t(shape.cols);
    block.g = values<int32_t>(source, cells, source.once_in(4) ? 0 : -shape.largest_g, shape.largest_g);
    for (int32_t& g : block.g) g *= shape.factor;
    if (source.once_in(2)) block.g[size_t(source.integer(0, int64_t(cells) - 1))] = 1;  // no common factor
    if (!shape.cell_noise) return;
    block.variance = values<int32_t>(source, cells, 0, source.one_of({1, 15, 1000, 32767}));
    block.variance_unit = std::exp2(source.real(-30, 20));
}

/// Thresholds of some converters: near those of equal steps, anywhere, in heaps, or on codes and halves of them.
void make_transfer(Source& source, Problem& problem) {
    Converter& converter = problem.converter;
    Transfer& transfer = converter.transfer;
    const int codes = converter.hi - converter.lo + 1;
    const int most = std::max(1, (1 << 16) / codes), converters = int(source.integer(1, std::min(most, 6)));
    const double spread = source.one_of({0.0, 0.01, 0.3, 2.0, double(codes)});
    const double room = problem.shape.wide ? 1e6 : kLargestNarrowCode;
    for (int i = 0; i < converters; ++i) {
        std::vector<double> row;
        const double grid = source.one_of({0x1p-30, 0.5, 0.5, 3.0});
        for (int code = 0; code <= codes; ++code) {
            const double at = converter.lo + code - 0.5 + spread * source.real(-1, 1);
            row.push_back(std::clamp(std::round(at / grid) * grid, -room, room));
        }
        std::sort(row.begin(), row.end());
        row.front() = std::max(std::min(row.front(), row.back() - 1), -room);
        row.back() = std::max(row.back(), row.front() + 1);
        transfer.threshold.insert(transfer.threshold.end(), row.begin(), row.end());
    }
    for (int col = 0; col < problem.shape.cols; ++col) {
        transfer.converter.push_back(int32_t(source.integer(0, converters - 1)));
    }
    if (source.once_in(2)) return;
    const int64_t largest = source.one_of({7, 1000, 32767, 32768, 1 << 20});
    for (int code = 0; code < codes; ++code) transfer.value.push_back(int32_t(source.integer(-largest, largest)));
}

/// Conversions between saturated ones and ones that hardly move, often with ties.
void make_converter(Source& source, Problem& problem) {
    const Shape& shape = problem.shape;
    Converter& converter = problem.converter;
    const int64_t codes = int64_t{1} << shape.adc_bits;
    converter.lo = int32_t(source.one_of({int64_t{0}, -codes / 2, 1 - codes / 2, -codes + 1, 1 - codes}));
    converter.hi = int32_t(converter.lo + codes - 1);
    if (!shape.wide) converter.hi = std::min(converter.hi, kLargestNarrowCode);
    converter.one_bit = shape.one_bit;
    converter.wide = shape.wide;
    const double typical =
        std::sqrt(double(shape.rows)) * shape.largest_g * shape.factor * std::max(1, shape.largest_digit);
    const double range = source.once_in(4) ? std::exp2(source.real(-12, 20)) : std::exp2(source.real(-2, 2));
    const bool ties = source.once_in(2);
    for (int col = 0; col < shape.cols; ++col) {
        double step = double(codes) / typical * range * source.real(0.5, 1);
        if (ties) step = std::exp2(std::floor(std::log2(step)));
        if (source.once_in(50)) step = 0;
        converter.inv_step.push_back(source.once_in(20) ? -step : step);
        converter.offset.push_back(ties ? 0.5 * double(source.integer(-6, 6)) : source.real(-5, 5));
        if (!shape.converter_noise) continue;
        const double spread = typical * std::exp2(source.real(-15, 2));
        converter.deviation.push_back(source.once_in(10) ? 0 : spread);
    }
    if (!shape.at_thresholds) return;
    make_transfer(source, problem);
    lay_out(converter);
}

int64_t sum_of_sizes(const std::vector<int64_t>& weights) {
    int64_t sum = 0;
    for (const int64_t weight : weights) sum += std::abs(weight);
    return sum;
}

void make_weights(Source& source, Problem& problem) {
    const Shape& shape = problem.shape;
    const int kind = int(source.integer(0, 5));
    for (int cycle = 0; cycle < shape.cycles; ++cycle) {
        int64_t weight = int64_t{1} << cycle;                          // bits of a number
        if (kind == 1 && cycle == shape.cycles - 1) weight = -weight;  // of a signed one
        if (kind == 2) weight = source.integer(-65536, 65534);
        if (kind == 3) weight = source.one_of<int64_t>({0, 1, -1, 65534, -65536, 32767, -32768, 32768});
        if (kind == 4) weight = source.one_of<int64_t>({1, 65535, -65537, 1 << 20});
        if (kind == 5) weight = source.once_in(8) ? int64_t{1} << 33 : 1;
        problem.cycle_weight.push_back(weight);
    }
    Readout& readout = problem.readout;
    readout.outputs = source.size(shape.cols);
    const int run = source.size(12);
    const bool shared = source.once_in(2), far = source.once_in(6);
    for (int col = 0; col < shape.cols; ++col) {
        readout.column_output.push_back(shared ? col / run % readout.outputs
                                               : int32_t(source.integer(0, readout.outputs - 1)));
        const int64_t power = int64_t{1} << (far ? source.integer(0, 40) : col % run);
        readout.column_weight.push_back(source.once_in(10) ? 0 : source.once_in(2) ? power : -power);
    }
    // The totals must fit in 64 bits.
    const double largest = std::exp2(shape.at_thresholds ? 21 : shape.adc_bits) *
                           double(sum_of_sizes(problem.cycle_weight)) * double(sum_of_sizes(readout.column_weight));
    if (largest > 0x1p62) readout.column_weight.assign(size_t(shape.cols), -1);
}

void make_drive(Source& source, Problem& problem) {
    const Shape& shape = problem.shape;
    const size_t digit_rows = size_t(shape.vectors) * size_t(shape.cycles), rows = size_t(shape.rows);
    problem.digits = values<int16_t>(source, digit_rows * rows, shape.smallest_digit, shape.largest_digit);
    for (int vector = 0; vector < shape.vectors; ++vector) {
        problem.sample.push_back(uint32_t(source.integer(0, 0xFFFFFFFF)));
        problem.position.push_back(uint32_t(source.integer(0, 1000)));
    }
    const auto words = size_t(words_of(shape.rows));
    problem.bits.resize(digit_rows * words);
    for (size_t i = 0; shape.bits && i < digit_rows * rows; ++i) {
        problem.bits[i / rows * words + i % rows / 64] |= uint64_t(problem.digits[i]) << (i % rows % 64);
    }
    problem.drive = {shape.bits ? problem.bits.data() : nullptr,
                     shape.bits ? nullptr : problem.digits.data(),
                     shape.vectors,
                     shape.cycles,
                     problem.cycle_weight.data(),
                     problem.sample.data(),
                     problem.position.data()};
    problem.noise = {{uint32_t(source.integer(0, 0xFFFFFFFF)), uint32_t(source.integer(0, 0xFFFFFFFF))},
                     uint32_t(source.integer(0, 100000))};
}

// ------------------------------------------------------------------------------------------------ comparison

struct Result {
    std::vector<int64_t> sums, acc;
    int64_t clipped = 0;
};

/// In one call, or in two where `split` vectors are the first.
Result compute(const Kernel& kernel, Problem& problem, int split) {
    const Shape& shape = problem.shape;
    kernel.pack(problem.block);
    Result result;
    result.sums.assign(size_t(shape.vectors) * size_t(shape.cycles) * size_t(shape.cols), -1);
    result.acc.assign(size_t(shape.vectors) * size_t(problem.readout.outputs), 7);
    for (int first = 0, last = split; first < shape.vectors; first = last, last = shape.vectors) {
        if (last == 0) continue;
        Drive part = problem.drive;
        part.vectors = last - first;
        const int64_t digit_row = int64_t{first} * shape.cycles;
        if (part.bits) part.bits += digit_row * words_of(shape.rows);
        if (part.digits) part.digits += digit_row * shape.rows;
        part.sample += first;
        part.position += first;
        kernel.sums(problem.block, part, result.sums.data() + digit_row * shape.cols);
        result.clipped += kernel.convert(problem.block, problem.converter, problem.readout, part, &problem.noise,
                                         result.acc.data() + int64_t{first} * problem.readout.outputs);
    }
    return result;
}

[[noreturn]] void report(const char* what, const Kernel& kernel, const Shape& shape, int split) {
    std::ostringstream text;
    text << what << " of " << kernel.name << " differ from scalar's: " << shape.rows << " rows, " << shape.cols
         << " columns, " << shape.vectors << " vectors (" << split << " in the first call), " << shape.cycles
         << " cycles, " << (shape.bits ? "bits" : "digits") << ' ' << shape.smallest_digit << " .. "
         << shape.largest_digit << ", |g| <= " << shape.largest_g << " * " << shape.factor << ", " << shape.adc_bits
         << "-bit " << (shape.one_bit ? "sense amplifier" : "converter") << (shape.wide ? ", wide" : ", narrow")
         << (shape.at_thresholds ? ", at thresholds" : "") << (shape.cell_noise ? ", noise of cells" : "")
         << (shape.converter_noise ? ", noise of converters" : "");
    throw std::runtime_error(text.str());
}

void check(uint64_t number) {
    Source source(number);
    Problem problem;
    problem.shape = make_shape(source);
    make_block(source, problem);
    make_converter(source, problem);
    make_weights(source, problem);
    make_drive(source, problem);
    const Result expected = compute(*all().back(), problem, 0);
    for (const Kernel* kernel : all()) {
        if (!kernel->available() || kernel == all().back()) continue;
        for (const int split : {0, int(source.integer(0, problem.shape.vectors - 1))}) {
            const Result result = compute(*kernel, problem, split);
            if (result.sums != expected.sums) report("sums", *kernel, problem.shape, split);
            if (result.acc != expected.acc) report("outputs", *kernel, problem.shape, split);
            if (result.clipped != expected.clipped) report("counts of clipped codes", *kernel, problem.shape, split);
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    uint64_t number = 0;
    std::memcpy(&number, data, std::min(size, sizeof number));
    check(number);
    return 0;
}

#ifndef BITLINE_LIBFUZZER
int main(int argc, char** argv) {
    return bitline::fuzz::run_numbers("fuzz_kernels", 4000, argc, argv, check, "every kernel gives the same bits");
}
#endif
