#include "core/named_options.h"

#include <gmock/gmock.h>

#include "core/error.h"
#include "core/quantize.h"

namespace bitline {
namespace {

using ::testing::HasSubstr;

template <class Action>
std::string message_of(Action action) {
    try {
        action();
    } catch (const ConfigError& error) {
        return error.what();
    }
    return "nothing was thrown";
}

/// For one test.
struct Keywords {
    Keywords() { set_option_style(OptionStyle::keywords); }
    ~Keywords() { set_option_style(OptionStyle::command_line); }
};

TEST(NamedOptions, AreWrittenAsTheUserWritesThem) {
    EXPECT_EQ(option_name("weight-bits"), "--weight-bits");
    EXPECT_EQ(option_with("hardware", "noise"), "--hardware noise");
    EXPECT_EQ(setting_name("adc.bits", "6"), "--set adc.bits=6");
    const Keywords here;
    EXPECT_EQ(option_name("weight-bits"), "weight_bits");
    EXPECT_EQ(option_with("hardware", "noise"), "hardware='noise'");
    EXPECT_EQ(setting_name("adc.bits", "6"), "adc.bits=6");
}

TEST(NamedOptions, NumbersAreStrict) {
    EXPECT_EQ(parse_whole("--epochs", "20", 1, 100), 20);
    EXPECT_DOUBLE_EQ(parse_number("--rate", "0.5", 0, 1, true), 0.5);
    for (const char* text : {"0", "101", "1.5", "x", ""})
        EXPECT_THROW(parse_whole("--epochs", text, 1, 100), ConfigError);
    for (const char* text : {"0", "1.1", "nan", "1e"})
        EXPECT_THROW(parse_number("--rate", text, 0, 1, true), ConfigError);
    EXPECT_THAT(message_of([] { parse_whole("--epochs", "0", 1, 100); }), HasSubstr("1 <= --epochs <= 100"));
}

TEST(QuantizeTexts, SayWhatIsWrong) {
    const QuantizeOptions options = parse_quantize_options({"4", {}, "percentile", "99.5"});
    EXPECT_EQ(options.weight_bits, 4);
    EXPECT_EQ(options.input_bits, 8);
    EXPECT_EQ(options.method, QuantizeOptions::Method::percentile);
    EXPECT_DOUBLE_EQ(options.percentile, 99.5);
    EXPECT_THAT(message_of([] {
                    parse_quantize_options({{}, {}, "mse", "99"});
                }),
                HasSubstr("--percentile has no effect without --method percentile"));
    EXPECT_THROW(parse_quantize_options({"1", {}, {}, {}}), ConfigError);
    const Keywords here;
    EXPECT_THAT(message_of([] {
                    parse_quantize_options({{}, {}, {}, "99"});
                }),
                HasSubstr("percentile has no effect without method='percentile'"));
}

}  // namespace
}  // namespace bitline
