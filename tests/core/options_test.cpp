#include "core/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace bitline {
namespace {

using testing::HasSubstr;

template <class Action>
std::string message_of(Action action) {
    try {
        action();
    } catch (const InputError& error) {
        return error.what();
    }
    return "nothing thrown";
}

OptionText plain(const std::string& value) { return {OptionText::Kind::plain, "a.b", value, "f.yaml:3", false}; }

std::string yaml_error(const std::string& yaml) {
    return message_of([&] { read_yaml_options(yaml, "f.yaml"); });
}

TEST(OptionsYaml, ListsScalarsWithPathAndLine) {
    const auto options = read_yaml_options("# a comment\na:\n  b: 010\n  c: {d: \"x y\", e: ~}\nf: {}\n", "f.yaml");
    ASSERT_EQ(options.size(), 4U);
    EXPECT_EQ(options[0].path, "a.b");
    EXPECT_EQ(options[0].value, "010");  // text, not the number 8
    EXPECT_EQ(options[0].where, "f.yaml:3");
    EXPECT_EQ(options[1].path, "a.c.d");
    EXPECT_EQ(options[1].value, "x y");
    EXPECT_EQ(options[1].kind, OptionText::Kind::quoted);
    EXPECT_EQ(options[2].kind, OptionText::Kind::null);
    EXPECT_EQ(options[3].path, "f");
    EXPECT_EQ(options[3].kind, OptionText::Kind::section);
    EXPECT_EQ(options[3].where, "f.yaml:5");
}

TEST(OptionsYaml, AcceptsWindowsLineEndsByteOrderMarkAndDottedPaths) {
    const auto options = read_yaml_options(
        "\xEF\xBB\xBF"
        "a.b: 1\r\nc: \xC2\xB5\r\n",
        "f.yaml");
    ASSERT_EQ(options.size(), 2U);
    EXPECT_EQ(options[0].path, "a.b");
    EXPECT_EQ(options[0].value, "1");
    EXPECT_EQ(options[1].value, "\xC2\xB5");
    EXPECT_EQ(options[1].where, "f.yaml:2");
}

TEST(OptionsYaml, RefusesDuplicatesWithBothLines) {
    EXPECT_EQ(yaml_error("a:\n  b: 1\n  c: 2\n  b: 1\n"), "f.yaml:4: a.b stands twice; the other is in line 2");
    EXPECT_EQ(yaml_error("a: {b: 1}\n\na: {c: 1}\n"), "f.yaml:3: a stands twice; the other is in line 1");
    EXPECT_EQ(yaml_error("a: {b: 1}\na.b: 2\n"), "f.yaml:2: a.b stands twice; the other is in line 1");
}

TEST(OptionsYaml, RefusesWhatIsNoMapOfScalars) {
    const std::vector<std::pair<std::string, std::string>> cases{
        {"", "f.yaml: holds no keys"},
        {"# only a comment\n", "f.yaml: holds no keys"},
        {"---\n", "f.yaml: holds no keys"},
        {"{}", "f.yaml: holds no keys"},
        {"just text\n", "f.yaml:1: expected a map of keys"},
        {"- a\n- b\n", "f.yaml:1: a list, where a map of keys is expected"},
        {"? [1, 2]\n: 2\n", "f.yaml:1: a list, where a key or its value is expected"},
        {"a: 1\nb: [1, [2]]\n", "f.yaml:2: a list, where a number is expected"},
        {"a: 1\nb: [1, {c: 2}]\n", "f.yaml:2: a section inside a list"},
        {"a:\n- 1\n- '2'\n", "f.yaml:3: expected a number in the list"},
        {"a: [1, ]\nb: [,]", "f.yaml:2: expected a number in the list"},
        {"a: 1\n---\nb: 2\n", "a second document"},
        {"a: &x 1\nb: *x\n", "f.yaml:1: anchors (&x) are not read"},
        {"a: !!int 1\n", "f.yaml:1: tags"},
        {"? {a: 1}\n: 2\n", "a section, where the name of a key is expected"},
        {": 2\n", "a key without a name"},
        {"a:\n\tb: 1\n", "f.yaml:2:"},
        {"a: {b: 1\n", "f.yaml:"},
        {"a: \"text", "f.yaml:1:"},
        {"a: \"text\nb: 2\n\n", "f.yaml:"},
        {"a: 'text\nb: 2\n", "f.yaml:"},
    };
    for (const auto& [yaml, expected] : cases) EXPECT_THAT(yaml_error(yaml), HasSubstr(expected)) << yaml;
}

TEST(OptionsYaml, RefusesBytesThatAreNoText) {
    const std::vector<std::string> cases{std::string("\0", 1), "\x04",         "\x1B[2J",      "\x80",
                                         "\xC0\x80",           "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80",
                                         "\xE2\x82",           "\x7F"};
    for (const std::string& bytes : cases) {
        EXPECT_THAT(yaml_error("a: 1\nb: " + bytes + "\n"), HasSubstr("f.yaml:2: byte 0x"))
            << testing::PrintToString(bytes);
    }
    EXPECT_THAT(yaml_error("\xFF\xFE"
                           "a"),
                HasSubstr("f.yaml:1: byte 0xff"));
    EXPECT_THAT(yaml_error(std::string((1 << 20) + 1, ' ')), HasSubstr("larger than 1 MiB"));
}

TEST(OptionsYaml, SurvivesDeepNesting) {
    for (const char* opening : {"[", "{", "{a: ", "- ", "? ", "a: {", "!", "&a "}) {
        std::string yaml;
        for (int i = 0; i < 100000; ++i) yaml += opening;
        EXPECT_NE(yaml_error(yaml), "nothing thrown") << opening;
    }
    std::string yaml;
    for (int i = 0; i < 20; ++i) yaml += std::string(static_cast<size_t>(i), ' ') + "a:\n";
    EXPECT_EQ(yaml_error(yaml), "f.yaml:17: nested too deeply");
}

TEST(OptionsYaml, ListsOfNumbersAreValues) {
    const auto options = read_yaml_options("a: [1, 2 uS]\nb: {c: []}\nd:\n- 3\n- -4e-5\ne: 5\n", "f.yaml");
    ASSERT_EQ(options.size(), 4u);
    const auto numbers = [](const OptionText& option) {
        std::vector<double> values;
        for (const OptionText& item : parse_list(option)) values.push_back(parse_real(item, kSiemens));
        return values;
    };
    EXPECT_EQ(numbers(options[0]), (std::vector<double>{1, 2e-6}));
    EXPECT_EQ(numbers(options[1]), std::vector<double>());
    EXPECT_EQ(numbers(options[2]), (std::vector<double>{3, -4e-5}));
    EXPECT_EQ(options[2].where, "f.yaml:4");
    EXPECT_EQ(numbers(options[3]), std::vector<double>{5});
    EXPECT_EQ(numbers(setting_option("a", "1, 2")), (std::vector<double>{1, 2}));
    EXPECT_EQ(numbers(setting_option("a", " [1,2] ")), (std::vector<double>{1, 2}));
    EXPECT_EQ(message_of([&] { parse_real(options[0], kSiemens); }), "f.yaml:1: a takes one value, not a list");
    EXPECT_THAT(message_of([&] { numbers(setting_option("a", "1, x")); }), HasSubstr("a[1] = x is not a finite"));
    EXPECT_THAT(message_of([&] { numbers(setting_option("a", "1,,2")); }), HasSubstr("a[1] has no value"));
}

TEST(OptionsNumbers, IntegersAreDecimal) {
    EXPECT_EQ(parse_integer(plain("0")), 0);
    EXPECT_EQ(parse_integer(plain("-12")), -12);
    EXPECT_EQ(parse_integer(plain("+12")), 12);
    EXPECT_EQ(parse_integer(plain("9223372036854775807")), std::numeric_limits<int64_t>::max());
    EXPECT_EQ(parse_integer(plain("9223372036854775808")), std::numeric_limits<int64_t>::max());
    EXPECT_EQ(message_of([] { parse_integer(plain("010")); }), "f.yaml:3: a.b = 010 has a leading zero: write 10");
    EXPECT_EQ(message_of([] { parse_integer(plain("-00")); }), "f.yaml:3: a.b = -00 has a leading zero: write -0");
    for (const char* text : {"0x10", "1e3", "8.0", "1_000", "ten", "0b1", "0o7", "1 2", "--1", "-", "190:20:30"}) {
        EXPECT_THAT(message_of([&] { parse_integer(plain(text)); }), HasSubstr("is not a whole number")) << text;
    }
    EXPECT_THAT(message_of([] {
                    parse_integer({OptionText::Kind::quoted, "a.b", "8", "", false});
                }),
                HasSubstr("write it without quotes"));
    EXPECT_THAT(message_of([] {
                    parse_integer({OptionText::Kind::null, "a.b", "", "", false});
                }),
                HasSubstr("has no value"));
}

TEST(OptionsNumbers, RealsAreFiniteDecimalsInTheirUnit) {
    EXPECT_EQ(parse_real(plain("1e-6"), kSiemens), 1e-6);
    EXPECT_EQ(parse_real(plain(".5"), kPureNumber), 0.5);
    EXPECT_EQ(parse_real(plain("5."), kPureNumber), 5.0);
    EXPECT_EQ(parse_real(plain("-2.5E+3"), kPureNumber), -2500.0);
    EXPECT_FALSE(std::signbit(parse_real(plain("-0"), kPureNumber)));
    // The unit is part of the number: the nearest double of the product, not the product of the nearest doubles.
    EXPECT_EQ(parse_real(plain("100 uS"), kSiemens), 1e-4);
    EXPECT_EQ(parse_real(plain("0.3uS"), kSiemens), 0.3e-6);
    EXPECT_EQ(parse_real(plain("1.7 \xC2\xB5S"), kSiemens), 1.7e-6);
    EXPECT_EQ(parse_real(plain("1e2 nS"), kSiemens), 1e-7);
    EXPECT_EQ(parse_real(plain("0.7 %"), kShare), 0.007);
    EXPECT_EQ(parse_real(plain("99.9 %"), kPercent), 99.9);
    for (const char* text : {"nan", ".nan", "inf", "-.inf", "NaN", "0x1p3", "1e", "", "1,5", "1 %%", "e5", ".", "-"}) {
        EXPECT_NE(message_of([&] { parse_real(plain(text), kShare); }), "nothing thrown") << text;
    }
    EXPECT_THAT(message_of([] { parse_real(plain("1 V"), kSiemens); }),
                HasSubstr("one of the units S, mS, uS, nS, pS"));
    EXPECT_THAT(message_of([] { parse_real(plain("1e999"), kShare); }), HasSubstr("too large or too small"));
    EXPECT_THAT(message_of([] { parse_real(plain("00.5"), kShare); }), HasSubstr("leading zero"));
}

TEST(OptionsNumbers, RealTextReadsBack) {
    for (const double value : {0.0, 1.0, 1e-6, 0.1, 1.0 / 3, 5e-324, 1.7976931348623157e308, -2.5, 1e22}) {
        EXPECT_EQ(parse_real(plain(real_text(value)), kPureNumber), value);
    }
}

TEST(OptionsScalars, BooleansAreTrueAndFalse) {
    EXPECT_TRUE(parse_bool(plain("true")));
    EXPECT_FALSE(parse_bool(plain("false")));
    for (const char* text : {"yes", "on", "True", "1"}) {
        EXPECT_THAT(message_of([&] { parse_bool(plain(text)); }), HasSubstr("is no boolean: write true")) << text;
    }
    for (const char* text : {"no", "off", "FALSE", "0"}) {
        EXPECT_THAT(message_of([&] { parse_bool(plain(text)); }), HasSubstr("is no boolean: write false")) << text;
    }
    EXPECT_THAT(message_of([] { parse_bool(plain("maybe")); }), HasSubstr("write true or false"));
}

TEST(OptionsScalars, ChoicesNameTheNearest) {
    EXPECT_EQ(parse_choice(plain("fixed"), {"lossless", "fixed", "calibrated"}), 1U);
    EXPECT_EQ(message_of([] {
                  parse_choice(plain("calibrate"), {"lossless", "fixed", "calibrated"});
              }),
              "f.yaml:3: a.b = calibrate is none of lossless, fixed, calibrated; nearest is calibrated");
}

TEST(OptionsNames, NearestByEditsOrByLastPart) {
    const std::vector<std::string> paths{"array.rows", "cell.bits", "adc.bits", "adc.range", "cell.read_noise.sigma"};
    EXPECT_EQ(nearest_name("adc.bitz", paths), "adc.bits");
    EXPECT_EQ(nearest_name("adc.bist", paths), "adc.bits");
    EXPECT_EQ(nearest_name("adcc.bits", paths), "adc.bits");
    EXPECT_EQ(nearest_name("ADC.BITS", paths), "adc.bits");
    EXPECT_EQ(nearest_name("rows", paths), "array.rows");
    EXPECT_EQ(nearest_name("adc.sigma", paths), "cell.read_noise.sigma");
    EXPECT_EQ(nearest_name(std::string(1 << 20, 'x'), paths).empty(),
              false);  // long names cost no more than short ones
    EXPECT_EQ(nearest_name("x", {}), "");
}

TEST(OptionsText, WritesWhatItReads) {
    const std::string text = "a \"b\" \\ c\n\td \xC2\xB5: # {x}";
    const auto options =
        read_yaml_options(nested_yaml({{"s.one", quoted_yaml(text)}, {"s.t.two", "2"}, {"u", "3"}}), "f");
    ASSERT_EQ(options.size(), 3U);
    EXPECT_EQ(options[0].path, "s.one");
    EXPECT_EQ(options[0].value, text);
    EXPECT_EQ(options[1].path, "s.t.two");
    EXPECT_EQ(options[2].path, "u");
    EXPECT_EQ(printable("a\x1B[2J\n"), "a\\x1b[2J\\x0a");
    EXPECT_LT(printable(std::string(1000, 'x')).size(), 100U);
}

TEST(OptionsText, SettingsAreText) {
    EXPECT_EQ(setting_option("a.b", "3").where, "--set a.b=3");
    EXPECT_THROW(setting_option("a", "\x1B[2J"), ConfigError);
    EXPECT_THROW(setting_option("\xFF", "1"), ConfigError);
}

// A struct of its own, so that the layer is tested apart from what uses it.
struct Lamp {
    int watts = 10;
    double dim = 1;
    bool dimmable = false;
    std::vector<double> scenes;
};

const OptionCondition<Lamp> kDimmable{"dimmable = true", {"dimmable"}, [](const Lamp& lamp) { return lamp.dimmable; }};

const OptionFields<Lamp>& lamp_keys() {
    static const OptionFields<Lamp> keys{
        integer_field<Lamp>("watts", member_of(&Lamp::watts), {1, 100}, "power", "off", 0),
        bool_field<Lamp>("dimmable", member_of(&Lamp::dimmable), "has a dimmer"),
        real_field<Lamp>("dim", member_of(&Lamp::dim), {0, 1, true}, kShare, "setting").only_with(kDimmable),
        list_field<Lamp>("scenes", member_of(&Lamp::scenes), {0, 1}, kShare, 3, "stored settings"),
    };
    return keys;
}

/// Each text is one layer.
Lamp read_lamp(const std::vector<std::string>& layers) {
    Lamp lamp;
    OptionOrigins origins;
    for (size_t i = 0; i < layers.size(); ++i) {
        const std::string origin = "layer" + std::to_string(i + 1);
        apply_layer(lamp_keys(), lamp, read_yaml_options(layers[i], origin), static_cast<int>(i) + 1, origins);
    }
    settle_effects(lamp_keys(), lamp, origins);
    return lamp;
}

TEST(OptionsLayers, LaterLayersWin) {
    EXPECT_EQ(read_lamp({"watts: 5", "watts: 7"}).watts, 7);
    EXPECT_EQ(read_lamp({"watts: off"}).watts, 0);
    EXPECT_EQ(message_of([] { read_lamp({"watts: 0"}); }), "layer1:1: watts = 0 violates 1 <= watts <= 100 (or off)");
    EXPECT_EQ(message_of([] { read_lamp({"wats: 1"}); }), "layer1:1: wats: no such key; nearest is watts");
}

TEST(OptionsLayers, ListsAreCheckedNumberByNumberAndWrittenBack) {
    EXPECT_EQ(read_lamp({"scenes: [0.5, 10 %]"}).scenes, (std::vector<double>{0.5, 0.1}));
    EXPECT_EQ(read_lamp({"scenes: [0.5]", "scenes: []"}).scenes, std::vector<double>());
    EXPECT_THAT(write_options(lamp_keys(), read_lamp({"scenes: [0.5, 10 %]"})), HasSubstr("scenes: [0.5, 0.1]\n"));
    EXPECT_EQ(message_of([] { read_lamp({"scenes: [0.5, 2]"}); }), "layer1:1: scenes: 2 violates 0 <= scenes <= 1");
    EXPECT_EQ(message_of([] { read_lamp({"scenes: [0, 0, 0, 0]"}); }),
              "layer1:1: scenes has 4 values, and at most 3 are read");
    EXPECT_EQ(message_of([] { read_lamp({"dim: [0.5]"}); }), "layer1:1: dim takes one value, not a list");
}

TEST(OptionsLayers, KeysWithoutEffectAreRefusedUnlessInherited) {
    EXPECT_EQ(read_lamp({"{dimmable: true, dim: 50 %}"}).dim, 0.5);
    EXPECT_EQ(read_lamp({"{dimmable: true, dim: 0.5}", "dimmable: false"}).dim, 1);
    const std::string expected = "dim has no effect: it needs dimmable = true, and here dimmable = false";
    EXPECT_EQ(message_of([] { read_lamp({"dim: 0.5"}); }), "layer1:1: " + expected);
    EXPECT_EQ(message_of([] { read_lamp({"{dimmable: false, dim: 0.5}"}); }), "layer1:1: " + expected);
    EXPECT_EQ(message_of([] { read_lamp({"dimmable: false", "dim: 0.5"}); }), "layer2:1: " + expected);
}

TEST(OptionsLayers, ViolationsOfAStructFilledByHand) {
    EXPECT_EQ(find_field_violation(lamp_keys(), Lamp{}).text, "");
    EXPECT_EQ(find_field_violation(lamp_keys(), Lamp{101, 1, false, {}}).text,
              "watts = 101 violates 1 <= watts <= 100 (or off)");
    EXPECT_EQ(find_field_violation(lamp_keys(), Lamp{1, std::numeric_limits<double>::quiet_NaN(), true, {}}).text,
              "dim = nan violates 0 < dim <= 1");
    EXPECT_EQ(find_field_violation(lamp_keys(), Lamp{1, 0.5, false, {}}).text,
              "dim = 0.5 has no effect: it needs dimmable = true");
}

}  // namespace
}  // namespace bitline
