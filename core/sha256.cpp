#include "core/sha256.h"

#include <openssl/evp.h>

#include <vector>

#include "core/descriptor.h"
#include "core/error.h"

namespace bitline {

struct Sha256::Context {
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> evp{EVP_MD_CTX_new(), &EVP_MD_CTX_free};
};

namespace {
void require(bool ok) {
    if (!ok) throw RunError("OpenSSL cannot compute SHA-256 (out of memory, or its configuration forbids it)");
}
}  // namespace

Sha256::Sha256() : context_(std::make_unique<Context>()) {
    require(context_->evp && EVP_DigestInit_ex(context_->evp.get(), EVP_sha256(), nullptr) == 1);
}

Sha256::~Sha256() = default;

void Sha256::update(const void* data, size_t size) { require(EVP_DigestUpdate(context_->evp.get(), data, size) == 1); }

uint64_t Sha256::update_file(const std::string& path, uint64_t offset) {
    const Descriptor file = open_for_reading(path, "file");
    std::vector<char> buffer(size_t(1) << 20);
    uint64_t total = 0;
    while (const size_t count = read_at(file, path, offset + total, buffer.data(), buffer.size())) {
        update(buffer.data(), count);
        total += count;
    }
    return total;
}

std::array<uint8_t, 32> Sha256::finish() {
    std::array<uint8_t, 32> digest{};
    require(EVP_DigestFinal_ex(context_->evp.get(), digest.data(), nullptr) == 1);
    return digest;
}

std::string to_hex(const std::array<uint8_t, 32>& digest) {
    static constexpr char kDigits[] = "0123456789abcdef";
    std::string text;
    for (const uint8_t byte : digest) {
        text += kDigits[byte >> 4];
        text += kDigits[byte & 15];
    }
    return text;
}

}  // namespace bitline
