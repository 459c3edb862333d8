#include "mapping/cell_files.h"

#include <algorithm>
#include <array>

#include "core/files.h"
#include "devices/conductance_map.h"
#include "devices/fault_map.h"
#include "devices/user_table.h"

namespace bitline {

namespace {

/// A key that names a file, and where its name is kept.
struct FileKey {
    const char* path;
    std::string& (*name)(CellOptions&);
};

constexpr std::array kFileKeys{
    FileKey{"cell.stuck_at.map", [](CellOptions& cell) -> std::string& { return cell.stuck_at.map; }},
    FileKey{"cell.data", [](CellOptions& cell) -> std::string& { return cell.measured.data; }},
    FileKey{"cell.conductance_map", [](CellOptions& cell) -> std::string& { return cell.measured.conductance_map; }},
};

}  // namespace

void resolve_files(std::vector<OptionText>& options, const std::filesystem::path& folder) {
    for (OptionText& option : options) {
        const auto names_file = [&](const FileKey& key) { return option.path == key.path; };
        const bool has_text = option.kind == OptionText::Kind::plain || option.kind == OptionText::Kind::quoted;
        if (has_text && !option.value.empty() && std::any_of(kFileKeys.begin(), kFileKeys.end(), names_file))
            option.value = (folder / option.value).string();
    }
}

void load_files(CellOptions& cell) {
    if (!cell.stuck_at.map.empty())
        cell.stuck_at.known = std::make_shared<const FaultMap>(read_fault_map(cell.stuck_at.map));
    MeasurementOptions& measured = cell.measured;
    if (!measured.data.empty()) measured.table = std::make_shared<const UserTable>(read_user_table(measured.data));
    if (!measured.conductance_map.empty())
        measured.cells = std::make_shared<const ConductanceMap>(read_conductance_map(measured.conductance_map));
}

Architecture with_contents(Architecture architecture) {
    for (const FileKey& key : kFileKeys) {
        std::string& name = key.name(architecture.cell);
        if (!name.empty()) name = "sha256:" + sha256_file(name);
    }
    return architecture;
}

std::vector<std::string> files_of(const CellOptions& cell) {
    std::vector<std::string> files;
    CellOptions names = cell;
    for (const FileKey& key : kFileKeys)
        if (const std::string& name = key.name(names); !name.empty()) files.push_back(name);
    return files;
}

}  // namespace bitline
