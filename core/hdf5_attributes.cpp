#include <fmt/format.h>

#include "core/hdf5_objects.h"

namespace bitline::hdf5 {

namespace {

constexpr size_t kLongestText = size_t(64) << 20;  // bytes

struct Attribute {
    Handle object, id, type;
    std::string where;  // "object: attribute name"
};

Attribute open_attribute(const File& file, const std::string& object, const std::string& name) {
    if (!has_attribute(file, object, name)) fail(file, object, fmt::format("its attribute '{}' is missing", name));
    const char* path = object.empty() ? "/" : object.c_str();
    Attribute attribute{Handle(H5Oopen(file.id.get(), path, H5P_DEFAULT), H5Oclose), {}, {}, {}};
    attribute.where = fmt::format("{}: attribute '{}'", path, name);
    attribute.id = Handle(H5Aopen(attribute.object.get(), name.c_str(), H5P_DEFAULT), H5Aclose);
    if (!attribute.id) fail(file, attribute.where, "cannot be opened");
    attribute.type = Handle(H5Aget_type(attribute.id.get()), H5Tclose);
    const Handle space(H5Aget_space(attribute.id.get()), H5Sclose);
    if (H5Sget_simple_extent_npoints(space.get()) != 1) fail(file, attribute.where, "is not a single value");
    return attribute;
}

void require_read(const File& file, const Attribute& attribute, herr_t status) {
    if (status < 0) fail(file, attribute.where, "cannot be read: it is corrupted");
}

std::string read_variable_text(const File& file, const Attribute& attribute) {
    const Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
    H5Tset_size(type.get(), H5T_VARIABLE);
    H5Tset_cset(type.get(), H5Tget_cset(attribute.type.get()));
    char* text = nullptr;
    require_read(file, attribute, H5Aread(attribute.id.get(), type.get(), &text));
    const std::string result = text != nullptr ? text : "";
    H5free_memory(text);
    return result;
}

std::string read_fixed_text(const File& file, const Attribute& attribute) {
    const size_t size = H5Tget_size(attribute.type.get());
    if (size > kLongestText) fail(file, attribute.where, "is absurdly long");
    std::string text(size, '\0');
    const Handle type(H5Tcopy(attribute.type.get()), H5Tclose);
    require_read(file, attribute, H5Aread(attribute.id.get(), type.get(), text.data()));
    switch (H5Tget_strpad(type.get())) {
        case H5T_STR_SPACEPAD:
            return text.substr(0, text.find_last_not_of(' ') + 1);
        case H5T_STR_NULLPAD:
            return text.substr(0, text.find_last_not_of('\0') + 1);
        default:
            return text.substr(0, text.find('\0'));
    }
}

/// Text with zero bytes inside, which HDF5's strings cannot hold, is kept as bytes (see write_text).
std::string read_bytes(const File& file, const Attribute& attribute) {
    const Handle type(H5Tvlen_create(H5T_NATIVE_UINT8), H5Tclose);
    hvl_t bytes{};
    require_read(file, attribute, H5Aread(attribute.id.get(), type.get(), &bytes));
    const std::string result(static_cast<const char*>(bytes.p), bytes.len);
    H5free_memory(bytes.p);
    return result;
}

bool is_bytes(hid_t type) {
    if (H5Tget_class(type) != H5T_VLEN) return false;
    const Handle element(H5Tget_super(type), H5Tclose);
    return H5Tget_class(element.get()) == H5T_INTEGER && H5Tget_size(element.get()) == 1;
}

AttributeKind kind_of_type(hid_t type) {
    switch (H5Tget_class(type)) {
        case H5T_INTEGER:
            return AttributeKind::integer;
        case H5T_FLOAT:
            return AttributeKind::real;
        case H5T_STRING:
            return AttributeKind::text;
        default:
            return is_bytes(type) ? AttributeKind::text : AttributeKind::other;
    }
}

}  // namespace

AttributeKind attribute_kind(const File& file, const std::string& object, const std::string& attribute) {
    return kind_of_type(open_attribute(file, object, attribute).type.get());
}

std::string read_string(const File& file, const std::string& object, const std::string& attribute) {
    const Attribute opened = open_attribute(file, object, attribute);
    if (is_bytes(opened.type.get())) return read_bytes(file, opened);
    if (H5Tget_class(opened.type.get()) != H5T_STRING) fail(file, opened.where, "is not a text");
    return H5Tis_variable_str(opened.type.get()) > 0 ? read_variable_text(file, opened) : read_fixed_text(file, opened);
}

int64_t read_int(const File& file, const std::string& object, const std::string& attribute) {
    const Attribute opened = open_attribute(file, object, attribute);
    if (kind_of_type(opened.type.get()) != AttributeKind::integer) fail(file, opened.where, "is not an integer");
    int64_t value = 0;
    require_read(file, opened, H5Aread(opened.id.get(), H5T_NATIVE_INT64, &value));
    return value;
}

double read_double(const File& file, const std::string& object, const std::string& attribute) {
    const Attribute opened = open_attribute(file, object, attribute);
    const AttributeKind kind = kind_of_type(opened.type.get());
    if (kind != AttributeKind::integer && kind != AttributeKind::real) fail(file, opened.where, "is not a number");
    double value = 0;
    require_read(file, opened, H5Aread(opened.id.get(), H5T_NATIVE_DOUBLE, &value));
    return value;
}

bool write_attribute(hid_t file, const std::string& object, const std::string& name, hid_t type, const void* value) {
    const Handle owner(H5Oopen(file, object.empty() ? "/" : object.c_str(), H5P_DEFAULT), H5Oclose);
    if (!owner) return false;
    if (H5Aexists(owner.get(), name.c_str()) > 0) H5Adelete(owner.get(), name.c_str());
    const Handle space(H5Screate(H5S_SCALAR), H5Sclose);
    const Handle attribute(H5Acreate2(owner.get(), name.c_str(), type, space.get(), H5P_DEFAULT, H5P_DEFAULT),
                           H5Aclose);
    return attribute && H5Awrite(attribute.get(), type, value) >= 0;
}

bool write_text(hid_t file, const std::string& object, const std::string& name, const std::string& text) {
    if (text.find('\0') != std::string::npos) {  // HDF5's strings end at the first zero byte
        const Handle bytes(H5Tvlen_create(H5T_STD_U8LE), H5Tclose);
        const hvl_t sequence{text.size(), const_cast<char*>(text.data())};
        return write_attribute(file, object, name, bytes.get(), &sequence);
    }
    const Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
    H5Tset_size(type.get(), H5T_VARIABLE);
    H5Tset_cset(type.get(), H5T_CSET_UTF8);
    const char* pointer = text.c_str();
    return write_attribute(file, object, name, type.get(), &pointer);
}

}  // namespace bitline::hdf5
