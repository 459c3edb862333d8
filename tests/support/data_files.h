#pragma once

// Data files of each format, built byte by byte from their specifications, independently of the code that reads them.

#include <lzma.h>
#include <zip.h>
#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace bitline::testing {

/// The bytes of numbers, little endian or big endian.
template <class T>
std::string packed(const std::vector<T>& values, bool big_endian = false) {
    std::string bytes;
    for (const T value : values) {
        char raw[sizeof(T)];
        std::memcpy(raw, &value, sizeof(T));
        if (big_endian) std::reverse(raw, raw + sizeof(T));
        bytes.append(raw, sizeof(T));
    }
    return bytes;
}

/// Two zero bytes, type, rank, big-endian sizes, then `numbers` (big endian already).
inline std::string idx_file(int type, const std::vector<uint32_t>& sizes, const std::string& numbers) {
    std::string bytes{'\0', '\0', char(type), char(sizes.size())};
    return bytes + packed(sizes, true) + numbers;
}

inline std::string gzip(const std::string& content) {
    z_stream state{};
    if (deflateInit2(&state, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK) throw std::bad_alloc();
    std::string out(deflateBound(&state, content.size()) + 64, '\0');
    state.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
    state.avail_in = uInt(content.size());
    state.next_out = reinterpret_cast<Bytef*>(out.data());
    state.avail_out = uInt(out.size());
    if (deflate(&state, Z_FINISH) != Z_STREAM_END) throw std::runtime_error("gzip");
    out.resize(state.total_out);
    deflateEnd(&state);
    return out;
}

inline std::string xz(const std::string& content) {
    std::string out(lzma_stream_buffer_bound(content.size()), '\0');
    size_t size = 0;
    if (lzma_easy_buffer_encode(1, LZMA_CHECK_CRC64, nullptr, reinterpret_cast<const uint8_t*>(content.data()),
                                content.size(), reinterpret_cast<uint8_t*>(out.data()), &size, out.size()) != LZMA_OK) {
        throw std::runtime_error("xz");
    }
    out.resize(size);
    return out;
}

/// An .npy array of format version 1, 2 or 3.
inline std::string npy(const std::string& dictionary, const std::string& numbers, int version = 1) {
    std::string header = dictionary;
    const size_t fixed = version == 1 ? 10 : 12;
    while ((fixed + header.size() + 1) % 64 != 0) header += ' ';
    header += '\n';
    std::string bytes = "\x93NUMPY";
    bytes += char(version);
    bytes += '\0';
    return bytes +
           (version == 1 ? packed<uint16_t>({uint16_t(header.size())}) : packed<uint32_t>({uint32_t(header.size())})) +
           header + numbers;
}

inline std::string npy_header(const std::string& type, const std::string& shape, bool fortran = false) {
    return "{'descr': '" + type + "', 'fortran_order': " + (fortran ? "True" : "False") + ", 'shape': " + shape + ", }";
}

inline void write_zip(const std::string& path, const std::vector<std::pair<std::string, std::string>>& members,
                      bool deflated) {
    int error = 0;
    zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &error);
    if (!archive) throw std::runtime_error("zip_open");
    for (const auto& [name, content] : members) {
        zip_source_t* source = zip_source_buffer(archive, content.data(), content.size(), 0);
        const zip_int64_t index = zip_file_add(archive, name.c_str(), source, 0);
        zip_set_file_compression(archive, zip_uint64_t(index), deflated ? ZIP_CM_DEFLATE : ZIP_CM_STORE, 0);
        zip_file_set_dostime(archive, zip_uint64_t(index), 0, 0, 0);
    }
    if (zip_close(archive) != 0) throw std::runtime_error("zip_close");
}

/// 0, 1, 2, ... as T.
template <class T>
std::vector<T> counting(size_t count) {
    std::vector<T> values(count);
    for (size_t i = 0; i < count; ++i) values[i] = T(i);
    return values;
}

}  // namespace bitline::testing
