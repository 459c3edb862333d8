// A vector of kLanes floats in plain C++, which stands before this is included: what tiles_vector.h asks of an
// instruction set, for processors without a set of their own and for tests. In namespaces of the file that includes it.

#include <cmath>

namespace bitline::training::products {
namespace {

struct Vector {
    float lane[kLanes];
};

inline Vector zero() { return {}; }
inline Vector load(const float* from) {
    Vector value;
    for (int i = 0; i < kLanes; ++i) value.lane[i] = from[i];
    return value;
}
inline Vector all(const float* from) {
    Vector value;
    for (float& lane : value.lane) lane = *from;
    return value;
}
inline void store(float* to, const Vector& value) {
    for (int i = 0; i < kLanes; ++i) to[i] = value.lane[i];
}
inline Vector plus(const Vector& a, const Vector& b) {
    Vector sum;
    for (int i = 0; i < kLanes; ++i) sum.lane[i] = a.lane[i] + b.lane[i];
    return sum;
}
inline Vector fused(const Vector& a, const Vector& b, const Vector& c) {
    Vector sum;
    for (int i = 0; i < kLanes; ++i) sum.lane[i] = std::fma(a.lane[i], b.lane[i], c.lane[i]);
    return sum;
}

void transpose(int64_t rows, int64_t cols, const float* from, int64_t from_stride, float* to, int64_t to_stride) {
    for (int64_t row = 0; row < rows; ++row) {
        for (int64_t col = 0; col < cols; ++col) to[col * to_stride + row] = from[row * from_stride + col];
    }
}

}  // namespace
}  // namespace bitline::training::products
