// Arithmetic on constants, with broadcasting. Real numbers in float32, whole numbers checked for overflow.

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <optional>

#include "core/onnx/reader_operators.h"

namespace bitline::reader {

namespace {

Dims broadcast_dims(const NodeView& node, const Tensor& first, const Tensor& second) {
    const Dims &a = first.dims, &b = second.dims;
    Dims out(std::max(a.size(), b.size()), 1);
    for (size_t i = 0; i < out.size(); ++i) {
        const int64_t size_a = i < a.size() ? a[a.size() - 1 - i] : 1;
        const int64_t size_b = i < b.size() ? b[b.size() - 1 - i] : 1;
        if (size_a != size_b && size_a != 1 && size_b != 1)
            node.fail("shapes {} and {} do not broadcast", dims_text(a), dims_text(b));
        out[out.size() - 1 - i] = std::max(size_a, size_b);
    }
    checked_count(out, std::max({kMaxFoldedElements, first.count(), second.count()}), node.label());
    return out;
}

/// For each entry of a tensor of shape `out`, the entry of one of shape `dims` that broadcasts to it.
std::vector<size_t> broadcast_index(const Dims& dims, const Dims& out) {
    std::vector<size_t> index{0};
    for (size_t a = 0; a < out.size(); ++a) {
        const size_t missing = out.size() - dims.size();
        const auto own = static_cast<size_t>(a < missing ? 1 : dims[a - missing]);
        std::vector<size_t> longer;
        longer.reserve(index.size() * size_t(out[a]));
        for (const size_t base : index)
            for (size_t i = 0; i < size_t(out[a]); ++i) longer.push_back(base * own + (own == 1 ? 0 : i));
        index = std::move(longer);
    }
    return index;
}

std::optional<int64_t> checked_divide(int64_t a, int64_t b) {
    if (b == 0 || b == -1) return b == 0 || a == INT64_MIN ? std::nullopt : std::optional(-a);
    return a / b;
}

template <auto Overflows>
std::optional<int64_t> checked(int64_t a, int64_t b) {
    int64_t result = 0;
    if (Overflows(a, b, &result)) return std::nullopt;
    return result;
}
bool add_overflows(int64_t a, int64_t b, int64_t* out) { return __builtin_add_overflow(a, b, out); }
bool subtract_overflows(int64_t a, int64_t b, int64_t* out) { return __builtin_sub_overflow(a, b, out); }
bool multiply_overflows(int64_t a, int64_t b, int64_t* out) { return __builtin_mul_overflow(a, b, out); }

/// Whole exponents by multiplication, one half by a square root: correctly rounded steps, the same on every machine.
float power(const NodeView& node, float x, float y) {
    if (y == 0.5F) return std::sqrt(x);
    if (y == -0.5F) return 1.0F / std::sqrt(x);
    if (std::nearbyint(y) != y || std::abs(y) > 16)
        node.fail("raises a constant to the power {}; whole numbers up to 16, 0.5 and -0.5 are folded", y);
    float result = 1;
    for (int i = 0; i < static_cast<int>(std::abs(y)); ++i) result *= x;
    return y < 0 ? 1.0F / result : result;
}

struct Binary {
    float (*real)(const NodeView&, float, float);
    std::optional<int64_t> (*whole)(int64_t, int64_t);
};

const std::map<std::string, Binary>& binaries() {
    static const std::map<std::string, Binary> table = {
        {"Add", {[](const NodeView&, float a, float b) { return a + b; }, checked<add_overflows>}},
        {"Sub", {[](const NodeView&, float a, float b) { return a - b; }, checked<subtract_overflows>}},
        {"Mul", {[](const NodeView&, float a, float b) { return a * b; }, checked<multiply_overflows>}},
        {"Div", {[](const NodeView&, float a, float b) { return a / b; }, checked_divide}},
        {"Max",
         {[](const NodeView&, float a, float b) { return std::max(a, b); },
          [](int64_t a, int64_t b) { return std::optional(std::max(a, b)); }}},
        {"Min",
         {[](const NodeView&, float a, float b) { return std::min(a, b); },
          [](int64_t a, int64_t b) { return std::optional(std::min(a, b)); }}},
        {"Pow", {power, nullptr}},
    };
    return table;
}

const std::map<std::string, float (*)(float)>& unaries() {
    static const std::map<std::string, float (*)(float)> table = {
        {"Abs", [](float x) { return std::abs(x); }},
        {"Ceil", [](float x) { return std::ceil(x); }},
        {"Floor", [](float x) { return std::floor(x); }},
        {"Neg", [](float x) { return -x; }},
        {"Reciprocal", [](float x) { return 1.0F / x; }},
        {"Relu", [](float x) { return std::max(x, 0.0F); }},
        {"Round", [](float x) { return std::nearbyint(x); }},
        {"Sign", [](float x) { return x > 0   ? 1.0F
                                      : x < 0 ? -1.0F
                                              : 0.0F; }},
        {"Sqrt", [](float x) { return std::sqrt(x); }},
    };
    return table;
}

void fold_binary(Importer& state, const NodeView& node, const Binary& op) {
    const Tensor& a = constant_input(state, node, 0, "operand");
    const Tensor& b = constant_input(state, node, 1, "operand");
    if (node.input_count() > 2) node.fail("has {} inputs; two are folded", node.input_count());
    if (a.has_batch() || b.has_batch()) node.fail("computes with the batch size");
    // Pow is the one operator whose operands may differ in type; it computes in that of the base.
    const bool whole = is_integer(a.type) && is_integer(b.type) && op.whole != nullptr;
    if (!whole && is_integer(a.type) != is_integer(b.type) && node.type() != "Pow")
        node.fail("'{}' and '{}' have different types", a.name, b.name);
    Tensor out;
    out.type = whole ? a.type : ElementType::float32;
    out.dims = broadcast_dims(node, a, b);
    const auto index_a = broadcast_index(a.dims, out.dims), index_b = broadcast_index(b.dims, out.dims);
    const auto real = [](const Tensor& t, size_t i) {
        return is_integer(t.type) ? static_cast<float>(t.whole[i]) : t.real[i];
    };
    for (size_t i = 0; i < index_a.size(); ++i) {
        if (!whole) {
            out.real.push_back(op.real(node, real(a, index_a[i]), real(b, index_b[i])));
            continue;
        }
        const auto result = op.whole(a.whole[index_a[i]], b.whole[index_b[i]]);
        const TypeRange range = range_of(out.type);
        if (!result || *result < range.low || *result > range.high)
            node.fail("{} and {} overflow", a.whole[index_a[i]], b.whole[index_b[i]]);
        out.whole.push_back(*result);
    }
    set_constant(state, node, std::move(out));
}

void fold_unary(Importer& state, const NodeView& node, float (*op)(float)) {
    const Tensor& x = constant_input(state, node, 0, "operand");
    if (is_integer(x.type)) node.fail("'{}' is an integer tensor; {} of real constants is folded", x.name, node.type());
    Tensor out;
    out.dims = x.dims;
    out.real.resize(x.real.size());
    std::transform(x.real.begin(), x.real.end(), out.real.begin(), op);
    set_constant(state, node, std::move(out));
}

}  // namespace

bool fold_arithmetic(Importer& state, const NodeView& node) {
    if (const auto binary = binaries().find(node.type()); binary != binaries().end()) {
        fold_binary(state, node, binary->second);
        return true;
    }
    if (const auto unary = unaries().find(node.type()); unary != unaries().end()) {
        fold_unary(state, node, unary->second);
        return true;
    }
    return false;
}

}  // namespace bitline::reader
