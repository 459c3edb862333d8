// Architecture files and settings: whatever the bytes, an Architecture or an InputError. What was read is valid, and
// its canonical text reads back as itself.

#include <stdexcept>

#include "core/error.h"
#include "mapping/architecture.h"
#include "tests/fuzz/mutate.h"

namespace {

using bitline::fuzz::Corpus;

[[maybe_unused]] Corpus corpus() {
    Corpus corpus;
    for (const auto& preset : bitline::list_architectures()) {
        corpus.seeds.push_back(bitline::architecture_text(preset.name));
        corpus.seeds.push_back(bitline::to_yaml(bitline::read_architecture(preset.name)));
    }
    for (const char* text : {"", "adc.bits=6", "weights.encoding=xnor", "base: default\nadc: {bits: 4, range: fixed}\n",
                             "base: ideal\nadc.range: fixed\nadc.full_scale: 50 %\n", "? adc\n: bits: 8\n", "[a, b]",
                             "--- {adc: {}}\n...\n--- 3\n", "a: &x [*x]\nb: !!int 3\n", "name: \"\\u00b5 \\x41\"\n",
                             "description: >-\n  folded\n  text\n", "%YAML 1.2\n---\ncell: {g_max: 50 uS}\n"}) {
        corpus.seeds.emplace_back(text);
    }
    corpus.pieces = {
        "base: ",     "<<: *a\n", "&a ",  "*a",     "!!str ", "!2",      "!<tag:x>", "---\n",   "...\n",
        "%TAG ! !\n", "? ",       ": ",   "- ",     "|\n ",   ">-2\n",   "[[[[",     "{{{{",    "\xEF\xBB\xBF",
        "\xFF\xFE",   "1e999",    ".inf", "010",    "0x1F",   "1e-6 uS", "-0",       "~",       "null",
        "adc:\n  ",   "\r\n",     "\t",   "\"\\x0", "'",      "\x04",    "\\uD800",  "lossless"};
    for (const auto& key : bitline::describe_keys()) corpus.pieces.push_back("\n" + key.path + ": ");
    return corpus;
}

void check_round_trip(const bitline::Architecture& architecture) {
    bitline::validate(architecture);
    const std::string text = bitline::to_yaml(architecture);
    const bitline::Architecture again = bitline::parse_architecture(text, "canonical");
    if (bitline::to_yaml(again) != text || again.hash != architecture.hash) {
        throw std::logic_error("canonical text reads back differently:\n" + text);
    }
}

/// `read` returns an Architecture or throws InputError.
template <class Read>
void check(Read read) {
    bitline::Architecture architecture;
    try {
        architecture = read();
    } catch (const bitline::InputError&) {
        return;
    }
    check_round_trip(architecture);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    check([&] { return bitline::parse_architecture(text, "fuzz.yaml"); });
    check([&] { return bitline::read_architecture("default", {bitline::parse_setting(text)}); });
    return 0;
}

#ifndef BITLINE_LIBFUZZER
int main(int argc, char** argv) { return bitline::fuzz::run("fuzz_yaml", corpus(), 20000, argc, argv); }
#endif
