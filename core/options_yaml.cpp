// YAML as a list of (path, scalar). yaml-cpp's events are read instead of its nodes: they carry every line, keep
// duplicate keys apart, leave scalars as text, and let nesting be refused before the parser recurses.

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <optional>
#include <sstream>

#include "core/options.h"

namespace bitline {

namespace {

/// Length of the UTF-8 character at `at`; 0 where the bytes are none (RFC 3629: shortest form, no surrogates).
size_t character_length(const std::string& text, size_t at) {
    const auto byte = [&](size_t i) { return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0; };
    const unsigned lead = byte(0);
    if (lead < 0x80) return 1;
    const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4) return 0;
    for (size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xC0) != 0x80) return 0;
    }
    const unsigned second = byte(1);
    const bool overlong = (lead == 0xE0 && second < 0xA0) || (lead == 0xF0 && second < 0x90);
    const bool outside = (lead == 0xED && second >= 0xA0) || (lead == 0xF4 && second >= 0x90);
    return overlong || outside ? 0 : length;
}

/// Position of the first byte that is no plain text; npos where there is none.
size_t find_not_plain(const std::string& text, bool carriage_return_allowed) {
    for (size_t at = 0; at < text.size();) {
        const auto c = static_cast<unsigned char>(text[at]);
        const bool control =
            (c < 0x20 && c != '\n' && c != '\t' && !(c == '\r' && carriage_return_allowed)) || c == 0x7F;
        const size_t length = control ? 0 : character_length(text, at);
        if (length == 0) return at;
        at += length;
    }
    return std::string::npos;
}

class Collector : public YAML::EventHandler {
 public:
    explicit Collector(const std::string& origin) : origin_(origin) {}

    std::vector<OptionText> options;

    void OnDocumentStart(const YAML::Mark& mark) override {
        if (++documents_ > 1) throw ConfigError(where(mark) + ": a second document; only one is read");
    }
    void OnDocumentEnd() override {}

    void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { take_scalar(mark, "", OptionText::Kind::null); }
    void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
        throw ConfigError(where(mark) + ": aliases (*name) are not read; write the value");
    }
    void OnAnchor(const YAML::Mark& mark, const std::string& name) override {
        throw ConfigError(where(mark) + ": anchors (&" + printable(name) + ") are not read; write each value");
    }
    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t, const std::string& value) override {
        refuse_tag(mark, tag);
        take_scalar(mark, value, tag == "!" ? OptionText::Kind::quoted : OptionText::Kind::plain);
    }
    void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                         YAML::EmitterStyle::value) override {
        refuse_tag(mark, tag);
        if (sections_.empty() || !sections_.back().key || list_) {
            throw ConfigError(fmt::format("{}: a list, where {} is expected", where(mark),
                                          sections_.empty() ? "a map of keys"
                                          : list_           ? "a number"
                                                            : "a key or its value"));
        }
        list_ = List{where(mark), ""};
    }
    void OnSequenceEnd() override {
        Section& section = sections_.back();
        options.push_back(
            {OptionText::Kind::list, section.prefix + *section.key, "[" + list_->items + "]", list_->where, false});
        section.key.reset();
        list_.reset();
    }

    void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                    YAML::EmitterStyle::value) override {
        constexpr size_t kDeepest = 16;  // no key is nested as deep; bounds the parser's recursion
        refuse_tag(mark, tag);
        if (list_) throw ConfigError(where(mark) + ": a section inside a list, where a number is expected");
        if (sections_.size() >= kDeepest) throw FormatError(where(mark) + ": nested too deeply");
        if (sections_.empty()) {
            sections_.push_back({"", std::nullopt, 0});
            return;
        }
        Section& parent = sections_.back();
        if (!parent.key) throw ConfigError(where(mark) + ": a section, where the name of a key is expected");
        sections_.push_back({parent.prefix + *parent.key + ".", std::nullopt, options.size()});
    }

    void OnMapEnd() override {
        const Section ended = sections_.back();
        sections_.pop_back();
        if (sections_.empty()) return;
        if (options.size() == ended.first_option) {  // an empty section: kept, since its name may be wrong
            OptionText option;
            option.kind = OptionText::Kind::section;
            option.path = ended.prefix.substr(0, ended.prefix.size() - 1);
            option.where = where_of(option.path);
            options.push_back(option);
        }
        sections_.back().key.reset();
    }

 private:
    struct Section {
        std::string prefix;              // "adc."
        std::optional<std::string> key;  // read, and its value not yet
        size_t first_option = 0;         // index of the first option inside
    };

    struct List {
        std::string where;
        std::string items;  // "1, 2"
    };

    std::string where(const YAML::Mark& mark) const { return fmt::format("{}:{}", origin_, mark.line + 1); }

    std::string where_of(const std::string& path) const { return fmt::format("{}:{}", origin_, lines_.at(path)); }

    void refuse_tag(const YAML::Mark& mark, const std::string& tag) const {
        if (tag.empty() || tag == "?" || tag == "!") return;
        throw ConfigError(where(mark) + ": tags (" + printable(tag) + ") are not read; write the plain value");
    }

    void take_scalar(const YAML::Mark& mark, const std::string& value, OptionText::Kind kind) {
        if (sections_.empty()) {
            if (kind == OptionText::Kind::null)
                throw FormatError(origin_ + ": holds no keys; expected YAML such as adc: {bits: 8}");
            throw FormatError(where(mark) + ": expected a map of keys, such as adc.bits or adc: {bits: 8}");
        }
        Section& section = sections_.back();
        if (list_) {
            if (kind != OptionText::Kind::plain || value.find(',') != std::string::npos)
                throw ConfigError(where(mark) + ": expected a number in the list, written without quotes");
            list_->items += (list_->items.empty() ? "" : ", ") + value;
            return;
        }
        if (section.key) {
            const std::string path = section.prefix + *section.key;
            // The mark of a missing value is that of the next token: the key's line is meant.
            const bool missing = kind == OptionText::Kind::null;
            options.push_back({kind, path, value, missing ? where_of(path) : where(mark), false});
            section.key.reset();
            return;
        }
        if (kind == OptionText::Kind::null || value.empty()) throw ConfigError(where(mark) + ": a key without a name");
        const std::string path = section.prefix + value;
        const auto [earlier, is_new] = lines_.emplace(path, mark.line + 1);
        if (!is_new) {
            throw ConfigError(fmt::format("{}: {} stands twice; the other is in line {}", where(mark), printable(path),
                                          earlier->second));
        }
        section.key = value;
    }

    std::string origin_;
    int documents_ = 0;
    std::vector<Section> sections_;
    std::optional<List> list_;          // open: the value of the innermost section's key
    std::map<std::string, int> lines_;  // line of every key and section, by path
};

void require_plain_text(const std::string& yaml, const std::string& origin) {
    constexpr size_t kLargest = size_t(1) << 20;
    if (yaml.size() > kLargest) throw FormatError(origin + ": larger than 1 MiB, which no such file is");
    const size_t at = find_not_plain(yaml, true);
    if (at == std::string::npos) return;
    const auto line = std::count(yaml.begin(), yaml.begin() + static_cast<std::ptrdiff_t>(at), '\n') + 1;
    throw FormatError(fmt::format("{}:{}: byte 0x{:02x} is no UTF-8 text; expected a YAML file", origin, line,
                                  static_cast<unsigned char>(yaml[at])));
}

}  // namespace

bool is_plain_text(const std::string& text) { return find_not_plain(text, false) == std::string::npos; }

std::vector<OptionText> read_yaml_options(const std::string& yaml, const std::string& origin) {
    require_plain_text(yaml, origin);
    Collector collector(origin);
    try {
        // Without its blank end: yaml-cpp takes a quote that is never closed for complete where a newline follows.
        std::istringstream stream(yaml.substr(0, yaml.find_last_not_of(" \t\r\n") + 1));
        YAML::Parser parser(stream);
        while (parser.HandleNextDocument(collector)) {
        }
    } catch (const YAML::Exception& error) {
        throw FormatError(fmt::format("{}:{}: {}", origin, error.mark.line + 1, printable(error.msg)));
    }
    if (collector.options.empty()) throw FormatError(origin + ": holds no keys; expected YAML such as adc: {bits: 8}");
    return collector.options;
}

}  // namespace bitline
