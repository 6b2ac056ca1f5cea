// Registers for the matrix kernel (gboost_matmul.cpp): as wide as the processor has them, in parts of 256 bits. ggml
// forms each sum in the eight floats of one part, and so does every part here: two of them in a register with AVX-512,
// one with AVX2. Not part of the shim's interface.
#ifndef GBOOST_SIMD_H
#define GBOOST_SIMD_H

#include <cstdint>
#include <cstring>

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__) && \
    defined(__AVX512VNNI__) && defined(__F16C__) && defined(__FMA__)
#define GBOOST_PARTS 2
#elif defined(__AVX2__) && defined(__F16C__) && defined(__FMA__)
#define GBOOST_PARTS 1
#endif

#ifdef GBOOST_PARTS

// GCC 12 takes the undefined registers of its own header for mistakes.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>

namespace simd {

constexpr int blockSize = 32;
constexpr int parts = GBOOST_PARTS;

// The nibbles of a block as bytes: the low ones first.
inline __m256i bytes(const uint8_t *nibbles) {
    const __m128i packed = _mm_loadu_si128(reinterpret_cast<const __m128i *>(nibbles));
    return _mm256_and_si256(
        _mm256_inserti128_si256(_mm256_castsi128_si256(packed), _mm_srli_epi16(packed, 4), 1), _mm256_set1_epi8(15));
}

#if GBOOST_PARTS == 2

using Bytes = __m512i;
using Floats = __m512;

inline Bytes load(const void *source) { return _mm512_loadu_si512(source); }
inline void store(void *target, Bytes value) { _mm512_storeu_si512(target, value); }
inline Floats zero() { return _mm512_setzero_ps(); }
// One factor for all.
inline Floats times(float factor, Floats value) { return _mm512_mul_ps(_mm512_set1_ps(factor), value); }
inline Floats add(Floats factor, Floats other, Floats sum) { return _mm512_fmadd_ps(factor, other, sum); }

// Four products of an unsigned and a signed byte in each float.
inline Floats dots(Bytes weights, Bytes values) {
    return _mm512_cvtepi32_ps(_mm512_dpbusd_epi32(_mm512_setzero_si512(), weights, values));
}

// One float for each column of four registers.
using Minima = __m256;
inline Minima noMinima() { return _mm256_setzero_ps(); }
inline Minima add(float factor, const float *others, Minima sum) {
    return _mm256_fmadd_ps(_mm256_set1_ps(factor), _mm256_loadu_ps(others), sum);
}
inline void store(float *target, Minima value) { _mm256_storeu_ps(target, value); }

// Word by word in turn: the same ones in both parts, or a factor for each.
inline Bytes alternating(__m256i value) {
    return _mm512_permutexvar_epi32(
        _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7), _mm512_castsi256_si512(value));
}
inline Floats alternating(const float *factors) {
    double both;
    std::memcpy(&both, factors, sizeof both);
    return _mm512_castpd_ps(_mm512_set1_pd(both));
}
inline void split(Floats value, __m256 (&apart)[parts]) {
    const __m512 sorted = _mm512_permutexvar_ps(
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15), value);
    apart[0] = _mm512_castps512_ps256(sorted);
    apart[1] = _mm512_extractf32x8_ps(sorted, 1);
}

// Half by half: the same block in both, the blocks of two rows, or a factor for each out of eight.
inline Bytes halves(__m256i value) { return _mm512_broadcast_i64x4(value); }
inline Bytes halves(const uint8_t *const *nibbles) {
    const __m512i both = _mm512_mask_broadcast_i32x4(
        _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i *>(nibbles[0]))), 0xFF00,
        _mm_loadu_si128(reinterpret_cast<const __m128i *>(nibbles[1])));
    const __m512i shifts = _mm512_setr_epi64(0, 0, 4, 4, 0, 0, 4, 4);
    return _mm512_and_si512(_mm512_srlv_epi64(both, shifts), _mm512_set1_epi8(15));
}
// Of rows `row` and `row + 1`, whose factors are at twice their numbers.
inline Floats halves(__m256 factors, int row) {
    const __m512i places = _mm512_inserti64x4(_mm512_set1_epi32(2 * row), _mm256_set1_epi32(2 * row + 2), 1);
    return _mm512_permutexvar_ps(places, _mm512_castps256_ps512(factors));
}
inline void halved(Floats value, __m256 (&apart)[parts]) {
    apart[0] = _mm512_castps512_ps256(value);
    apart[1] = _mm512_extractf32x8_ps(value, 1);
}

#else

using Bytes = __m256i;
using Floats = __m256;

inline Bytes load(const void *source) { return _mm256_loadu_si256(static_cast<const __m256i *>(source)); }
inline void store(void *target, Bytes value) { _mm256_storeu_si256(static_cast<__m256i *>(target), value); }
inline Floats zero() { return _mm256_setzero_ps(); }
inline Floats times(float factor, Floats value) { return _mm256_mul_ps(_mm256_set1_ps(factor), value); }
inline Floats add(Floats factor, Floats other, Floats sum) { return _mm256_fmadd_ps(factor, other, sum); }

// Two products of at most 15 and 127 fit 16 bits, so that nothing is cut.
inline Floats dots(Bytes weights, Bytes values) {
    return _mm256_cvtepi32_ps(_mm256_madd_epi16(_mm256_set1_epi16(1), _mm256_maddubs_epi16(weights, values)));
}

// Of two registers.
using Minima = __m128;
inline Minima noMinima() { return _mm_setzero_ps(); }
inline Minima add(float factor, const float *others, Minima sum) {
    double both;
    std::memcpy(&both, others, sizeof both);
    return _mm_fmadd_ps(_mm_set1_ps(factor), _mm_castpd_ps(_mm_set_sd(both)), sum);
}
inline void store(float *target, Minima value) { _mm_storel_pi(reinterpret_cast<__m64 *>(target), value); }

inline Bytes alternating(__m256i value) { return value; }
inline Floats alternating(const float *factors) { return _mm256_set1_ps(*factors); }
inline void split(Floats value, __m256 (&apart)[parts]) { apart[0] = value; }

inline Bytes halves(__m256i value) { return value; }
inline Bytes halves(const uint8_t *const *nibbles) { return bytes(nibbles[0]); }
inline Floats halves(__m256 factors, int row) {
    return _mm256_permutevar8x32_ps(factors, _mm256_set1_epi32(2 * row));
}
inline void halved(Floats value, __m256 (&apart)[parts]) { apart[0] = value; }

#endif

} // namespace simd

#endif
#endif
