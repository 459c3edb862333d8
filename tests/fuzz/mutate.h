#pragma once

// A short deterministic fuzz run: every input follows from its number, so that a failing one can be run alone.
// With libFuzzer, build the target with -DBITLINE_LIBFUZZER -fsanitize=fuzzer instead.

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace bitline::fuzz {

/// SplitMix64 (Steele, Lea, Flood 2014).
class Random {
 public:
    explicit Random(uint64_t seed) : state_(seed) {}
    uint64_t next() {
        uint64_t z = state_ += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
    size_t below(size_t n) { return n == 0 ? 0 : next() % n; }

 private:
    uint64_t state_;
};

/// Seeds to start from and pieces that are worth inserting.
struct Corpus {
    std::vector<std::string> seeds, pieces;
    /// Keeps to the format, for three inputs in four; none: bytes are changed blindly.
    void (*mutate_format)(std::string& text, const Corpus& corpus, Random& random) = nullptr;
};

enum class Mutation { flip_bit, set_byte, insert_byte, erase, repeat, copy, splice, truncate, insert_piece, count };

inline std::string chunk_of(const std::string& text, Random& random, size_t longest) {
    const size_t start = random.below(text.size());
    return text.substr(start, 1 + random.below(longest));
}

inline void repeat_chunk(std::string& text, Random& random) {
    const std::string chunk = chunk_of(text, random, 24);
    const size_t at = random.below(text.size() + 1), times = 1 + random.below(random.below(8) == 0 ? 400 : 8);
    std::string repeated;
    for (size_t i = 0; i < times; ++i) repeated += chunk;
    text.insert(at, repeated);
}

inline void mutate_once(std::string& text, const Corpus& corpus, Random& random) {
    using namespace std::literals;
    constexpr std::string_view kTelling = "\x00\x01\x7F\x80\xFF\n\t\"'[{]}:-&*!|>#%@ "sv;  // limits, YAML's indicators
    if (text.empty()) text = corpus.seeds[random.below(corpus.seeds.size())];
    if (text.empty()) text.push_back('a');
    const size_t at = random.below(text.size());
    switch (static_cast<Mutation>(random.below(static_cast<size_t>(Mutation::count)))) {
        case Mutation::flip_bit:
            text[at] = static_cast<char>(text[at] ^ (1 << random.below(8)));
            break;
        case Mutation::set_byte:
            text[at] = kTelling[random.below(kTelling.size())];
            break;
        case Mutation::insert_byte:
            text.insert(at, 1, kTelling[random.below(kTelling.size())]);
            break;
        case Mutation::erase:
            text.erase(at, 1 + random.below(16));
            break;
        case Mutation::repeat:
            repeat_chunk(text, random);
            break;
        case Mutation::copy:
            text.insert(at, chunk_of(text, random, 64));
            break;
        case Mutation::splice: {
            const std::string& other = corpus.seeds[random.below(corpus.seeds.size())];
            text = text.substr(0, at) + other.substr(random.below(other.size() + 1));
            break;
        }
        case Mutation::truncate:
            text.resize(at);
            break;
        case Mutation::insert_piece:
            if (!corpus.pieces.empty()) text.insert(at, corpus.pieces[random.below(corpus.pieces.size())]);
            break;
        case Mutation::count:
            break;
    }
}

/// Input number `index`: the seeds themselves first, then mutations of them.
inline std::string make_input(const Corpus& corpus, uint64_t index) {
    constexpr size_t kLargest = size_t(1) << 16;
    if (index < corpus.seeds.size()) return corpus.seeds[index];
    Random random(index);
    std::string text = corpus.seeds[random.below(corpus.seeds.size())];
    const bool keeps_format = corpus.mutate_format && random.below(4) != 0;
    if (keeps_format) corpus.mutate_format(text, corpus, random);
    const size_t times = keeps_format ? 0 : 1 + random.below(6);
    for (size_t i = 0; i < times; ++i) mutate_once(text, corpus, random);
    if (text.size() > kLargest) text.resize(kLargest);
    return text;
}

/// check(number) for many inputs. Arguments: [number of inputs] [first input]. Returns 1 after the first that throws.
template <class Check>
int run_numbers(const char* name, uint64_t default_count, int argc, char** argv, const Check& check,
                const char* verdict = "no crash") {
    uint64_t count = default_count, first = 0;
    if (argc > 1) std::from_chars(argv[1], argv[1] + std::strlen(argv[1]), count);
    if (argc > 2) std::from_chars(argv[2], argv[2] + std::strlen(argv[2]), first);
    for (uint64_t i = first; i < first + count; ++i) {
        try {
            check(i);
        } catch (const std::exception& error) {
            std::fprintf(stderr, "%s: input %llu: %s; again with: %s 1 %llu\n", name,
                         static_cast<unsigned long long>(i), error.what(), name, static_cast<unsigned long long>(i));
            return 1;
        }
    }
    std::printf("%s: %llu inputs, %s\n", name, static_cast<unsigned long long>(count), verdict);
    return 0;
}

/// The target on inputs made from a corpus.
inline int run(const char* name, const Corpus& corpus, uint64_t default_count, int argc, char** argv) {
    return run_numbers(name, default_count, argc, argv, [&](uint64_t number) {
        const std::string input = make_input(corpus, number);
        LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
    });
}

}  // namespace bitline::fuzz
