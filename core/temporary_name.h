#pragma once

#include <string>

namespace bitline {

/// The name of a file that must outlive neither this object nor a killed run (see remove_temporary_files in files.h).
/// Throws ConfigError where the name is too long.
class TemporaryName {
 public:
    explicit TemporaryName(const std::string& name);
    ~TemporaryName();
    TemporaryName(const TemporaryName&) = delete;
    TemporaryName& operator=(const TemporaryName&) = delete;
    const std::string& get() const { return name_; }

 private:
    struct Slot;
    friend struct TemporaryNames;
    std::string name_;
    Slot& slot_;
};

/// A name that no other file of this process, or of another one, has: ".STEM.tmp-PID-NUMBER".
std::string unused_name(const std::string& folder, const std::string& stem);

}  // namespace bitline
