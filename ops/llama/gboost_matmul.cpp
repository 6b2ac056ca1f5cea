// Products of Q4_1 weights, many columns at a time. llama.cpp has a kernel for these that takes one row and one column
// and unpacks the row anew for each; this one unpacks a row once, and has two columns (or two rows) in one register.
// Each element is the same sum in the same order as llama.cpp's own: equal to the last bit, whatever the batch is.
//
// ggml asks `llamafile_sgemm` first whether a product has a kernel of its own. ops/lib/llama.sh gives the one of
// llama.cpp another name, under which everything that is not Q4_1 goes on to it.

#include <cstddef>
#include <cstdint>
#include <ggml.h>

#include "gboost_matmul.h"

// What a kernel may know of a computation: which thread of how many it is. The rest is ggml's.
struct ggml_compute_params {
    int ith, nth;
};

extern "C" bool ggml_llamafile_sgemm(
    const ggml_compute_params *, int64_t, int64_t, int64_t, const void *, int64_t, const void *, int64_t, void *,
    int64_t, int, int, int);

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__) && \
    defined(__AVX512VNNI__) && defined(__F16C__) && defined(__FMA__)

#include <cstring>
#include <vector>

// GCC 12 takes the undefined registers of its own header for mistakes.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>

namespace {

constexpr int blockSize = 32;

struct WeightBlock { // Q4_1: weight = scale * nibble + minimum
    uint16_t scale, minimum;
    uint8_t nibbles[blockSize / 2]; // the first half of the block in the low ones
};

struct ActivationBlock { // Q8_1
    uint16_t scale, sum; // the sum of the values, times the scale
    int8_t values[blockSize];
};

static_assert(sizeof(WeightBlock) == 20 && sizeof(ActivationBlock) == 36, "ggml's layouts");

struct Product {
    int64_t rows, columns, blocks;
    const WeightBlock *weights;
    int64_t weightStride; // in blocks
    const ActivationBlock *activations;
    int64_t activationStride; // in blocks
    float *result;
    int64_t resultStride; // between columns, in floats

    const WeightBlock *row(int64_t index) const { return weights + index * weightStride; }
    const ActivationBlock *column(int64_t index) const { return activations + index * activationStride; }
};

// Scales as floats: the low half of `pair` first.
inline __m128 floats(uint32_t pair) { return _mm_cvtph_ps(_mm_cvtsi32_si128(static_cast<int>(pair))); }

inline uint32_t pair(const void *block) {
    uint32_t value;
    std::memcpy(&value, block, sizeof value);
    return value;
}

// The order in which ggml adds up the eight partial sums of an element.
inline float total(__m256 sums, float minima) {
    __m128 four = _mm_add_ps(_mm256_extractf128_ps(sums, 1), _mm256_castps256_ps128(sums));
    four = _mm_add_ps(four, _mm_movehl_ps(four, four));
    four = _mm_add_ss(four, _mm_movehdup_ps(four));
    return _mm_cvtss_f32(four) + minima;
}

// Many columns: two of them in a register, word by word in turn.

constexpr int rowsAtOnce = 4, pairsAtOnce = 4, columnsAtOnce = 2 * pairsAtOnce;
// Columns that are laid out together: what they take stays in the second-level cache.
constexpr int64_t panelColumns = 64;

// Columns of a panel, laid out for the kernel: by groups of `columnsAtOnce`, then by block.
struct ActivationGroup {
    int8_t values[pairsAtOnce][2 * blockSize];
    float scales[pairsAtOnce][2];
    float sums[columnsAtOnce];
};

// Rows, unpacked: by block.
struct WeightGroup {
    uint8_t values[rowsAtOnce][2 * blockSize];
    float scales[rowsAtOnce];
    float minima[rowsAtOnce];
};

struct Scratch {
    std::vector<ActivationGroup> activations;
    std::vector<WeightGroup> weights;
};

void layOut(const Product &product, int64_t first, int64_t count, std::vector<ActivationGroup> &groups) {
    const int64_t groupCount = (count + columnsAtOnce - 1) / columnsAtOnce;
    if (groups.size() < static_cast<size_t>(groupCount * product.blocks)) groups.resize(groupCount * product.blocks);
    for (int64_t group = 0; group < groupCount; group++) {
        ActivationGroup *target = &groups[group * product.blocks];
        for (int lane = 0; lane < columnsAtOnce; lane++) {
            const int64_t index = group * columnsAtOnce + lane;
            // Columns that are not there repeat the last one; nobody reads what comes of them.
            const ActivationBlock *source = product.column(first + (index < count ? index : count - 1));
            for (int64_t block = 0; block < product.blocks; block++) {
                ActivationGroup &to = target[block];
                int32_t words[blockSize / 4];
                std::memcpy(words, source[block].values, sizeof words);
                auto *interleaved = reinterpret_cast<int32_t *>(to.values[lane / 2]) + lane % 2;
                for (int word = 0; word < blockSize / 4; word++) interleaved[2 * word] = words[word];
                const __m128 both = floats(pair(&source[block]));
                to.scales[lane / 2][lane % 2] = _mm_cvtss_f32(both);
                to.sums[lane] = _mm_cvtss_f32(_mm_movehdup_ps(both));
            }
        }
    }
}

void unpack(const Product &product, int64_t first, int64_t count, std::vector<WeightGroup> &groups) {
    if (groups.size() < static_cast<size_t>(product.blocks)) groups.resize(product.blocks);
    const __m512i twice = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    for (int row = 0; row < rowsAtOnce; row++) {
        const WeightBlock *source = product.row(first + (row < count ? row : count - 1));
        for (int64_t block = 0; block < product.blocks; block++) {
            WeightGroup &to = groups[block];
            const __m128i packed = _mm_loadu_si128(reinterpret_cast<const __m128i *>(source[block].nibbles));
            const __m256i bytes = _mm256_and_si256(
                _mm256_inserti128_si256(_mm256_castsi128_si256(packed), _mm_srli_epi16(packed, 4), 1),
                _mm256_set1_epi8(15));
            _mm512_storeu_si512(to.values[row], _mm512_permutexvar_epi32(twice, _mm512_castsi256_si512(bytes)));
            const __m128 both = floats(pair(&source[block]));
            to.scales[row] = _mm_cvtss_f32(both);
            to.minima[row] = _mm_cvtss_f32(_mm_movehdup_ps(both));
        }
    }
}

// One group of rows with `pairs` pairs of one group of columns.
template <int pairs>
void multiply(
    const WeightGroup *weights, const ActivationGroup *activations, int64_t blocks,
    float (&result)[rowsAtOnce][columnsAtOnce]) {
    __m512 sums[rowsAtOnce][pairs];
    __m256 minima[rowsAtOnce];
    for (int row = 0; row < rowsAtOnce; row++) {
        minima[row] = _mm256_setzero_ps();
        for (int pair = 0; pair < pairs; pair++) sums[row][pair] = _mm512_setzero_ps();
    }
    for (int64_t block = 0; block < blocks; block++) {
        const WeightGroup &weight = weights[block];
        const ActivationGroup &activation = activations[block];
        __m512i values[rowsAtOnce];
        for (int row = 0; row < rowsAtOnce; row++) values[row] = _mm512_loadu_si512(weight.values[row]);
        for (int pair = 0; pair < pairs; pair++) {
            const __m512i column = _mm512_loadu_si512(activation.values[pair]);
            double both;
            std::memcpy(&both, activation.scales[pair], sizeof both);
            const __m512 scale = _mm512_castpd_ps(_mm512_set1_pd(both));
            for (int row = 0; row < rowsAtOnce; row++) {
                const __m512i dots = _mm512_dpbusd_epi32(_mm512_setzero_si512(), values[row], column);
                const __m512 scales = _mm512_mul_ps(_mm512_set1_ps(weight.scales[row]), scale);
                sums[row][pair] = _mm512_fmadd_ps(scales, _mm512_cvtepi32_ps(dots), sums[row][pair]);
            }
        }
        const __m256 columnSums = _mm256_loadu_ps(activation.sums);
        for (int row = 0; row < rowsAtOnce; row++)
            minima[row] = _mm256_fmadd_ps(_mm256_set1_ps(weight.minima[row]), columnSums, minima[row]);
    }
    const __m512i apart = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
    for (int row = 0; row < rowsAtOnce; row++) {
        float minimum[columnsAtOnce];
        _mm256_storeu_ps(minimum, minima[row]);
        for (int pair = 0; pair < pairs; pair++) {
            const __m512 split = _mm512_permutexvar_ps(apart, sums[row][pair]);
            result[row][2 * pair] = total(_mm512_castps512_ps256(split), minimum[2 * pair]);
            result[row][2 * pair + 1] = total(_mm512_extractf32x8_ps(split, 1), minimum[2 * pair + 1]);
        }
    }
}

// Threads share the rows.
void multiplyMany(const Product &product, int64_t firstRow, int64_t endRow) {
    static thread_local Scratch scratch;
    for (int64_t first = 0; first < product.columns; first += panelColumns) {
        const int64_t count = product.columns - first < panelColumns ? product.columns - first : panelColumns;
        layOut(product, first, count, scratch.activations);
        for (int64_t row = firstRow; row < endRow; row += rowsAtOnce) {
            const int64_t rows = endRow - row < rowsAtOnce ? endRow - row : rowsAtOnce;
            unpack(product, row, rows, scratch.weights);
            for (int64_t column = 0; column < count; column += columnsAtOnce) {
                const int64_t columns = count - column < columnsAtOnce ? count - column : columnsAtOnce;
                const ActivationGroup *group = &scratch.activations[column / columnsAtOnce * product.blocks];
                float result[rowsAtOnce][columnsAtOnce];
                switch ((columns + 1) / 2) {
                case 1: multiply<1>(scratch.weights.data(), group, product.blocks, result); break;
                case 2: multiply<2>(scratch.weights.data(), group, product.blocks, result); break;
                case 3: multiply<3>(scratch.weights.data(), group, product.blocks, result); break;
                default: multiply<4>(scratch.weights.data(), group, product.blocks, result);
                }
                for (int64_t c = 0; c < columns; c++) {
                    float *target = product.result + (first + column + c) * product.resultStride + row;
                    for (int64_t r = 0; r < rows; r++) target[r] = result[r][c];
                }
            }
        }
    }
}

// Few columns: two rows in a register, one in each half.

constexpr int fewColumns = 4;

inline __m512i unpacked(const WeightBlock &low, const WeightBlock &high) {
    const __m512i both = _mm512_mask_broadcast_i32x4(
        _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i *>(low.nibbles))), 0xFF00,
        _mm_loadu_si128(reinterpret_cast<const __m128i *>(high.nibbles)));
    const __m512i shifts = _mm512_setr_epi64(0, 0, 4, 4, 0, 0, 4, 4);
    return _mm512_and_si512(_mm512_srlv_epi64(both, shifts), _mm512_set1_epi8(15));
}

// Four rows, from `row` on, with all `columns`, whose scales and sums are floats already: pairs of them, by block.
template <int columns>
void fourRows(
    const Product &product, const double *columnScales, int64_t row, float (&result)[rowsAtOnce][fewColumns]) {
    const int64_t last = product.rows - 1;
    const WeightBlock *rows[rowsAtOnce];
    for (int index = 0; index < rowsAtOnce; index++)
        rows[index] = product.row(row + index < last ? row + index : last);
    const __m512i firstTwo = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 2, 2, 2, 2, 2, 2);
    const __m512i lastTwo = _mm512_setr_epi32(4, 4, 4, 4, 4, 4, 4, 4, 6, 6, 6, 6, 6, 6, 6, 6);
    __m512 low[columns], high[columns];
    __m256 minima[columns]; // of row r in lane 2r + 1
    for (int column = 0; column < columns; column++) {
        low[column] = high[column] = _mm512_setzero_ps();
        minima[column] = _mm256_setzero_ps();
    }
    for (int64_t block = 0; block < product.blocks; block++) {
        const __m512i lowValues = unpacked(rows[0][block], rows[1][block]);
        const __m512i highValues = unpacked(rows[2][block], rows[3][block]);
        const __m256 own = _mm256_cvtph_ps(_mm_setr_epi32(
            static_cast<int>(pair(rows[0] + block)), static_cast<int>(pair(rows[1] + block)),
            static_cast<int>(pair(rows[2] + block)), static_cast<int>(pair(rows[3] + block))));
        for (int column = 0; column < columns; column++) {
            const __m512i values = _mm512_broadcast_i64x4(
                _mm256_loadu_si256(reinterpret_cast<const __m256i *>(product.column(column)[block].values)));
            const __m256 others =
                _mm256_castpd_ps(_mm256_broadcast_sd(columnScales + column * product.blocks + block));
            const __m512 scales = _mm512_castps256_ps512(_mm256_mul_ps(own, others));
            minima[column] = _mm256_fmadd_ps(own, others, minima[column]);
            const __m512i zero = _mm512_setzero_si512();
            const __m512 lowDots = _mm512_cvtepi32_ps(_mm512_dpbusd_epi32(zero, lowValues, values));
            const __m512 highDots = _mm512_cvtepi32_ps(_mm512_dpbusd_epi32(zero, highValues, values));
            low[column] = _mm512_fmadd_ps(_mm512_permutexvar_ps(firstTwo, scales), lowDots, low[column]);
            high[column] = _mm512_fmadd_ps(_mm512_permutexvar_ps(lastTwo, scales), highDots, high[column]);
        }
    }
    for (int column = 0; column < columns; column++) {
        float minimum[2 * rowsAtOnce];
        _mm256_storeu_ps(minimum, minima[column]);
        result[0][column] = total(_mm512_castps512_ps256(low[column]), minimum[1]);
        result[1][column] = total(_mm512_extractf32x8_ps(low[column], 1), minimum[3]);
        result[2][column] = total(_mm512_castps512_ps256(high[column]), minimum[5]);
        result[3][column] = total(_mm512_extractf32x8_ps(high[column], 1), minimum[7]);
    }
}

void multiplyFew(const Product &product, int64_t firstRow, int64_t endRow) {
    static thread_local std::vector<double> scales; // two floats each
    const size_t needed = static_cast<size_t>(product.columns * product.blocks);
    if (scales.size() < needed) scales.resize(needed);
    for (int64_t column = 0; column < product.columns; column++)
        for (int64_t block = 0; block < product.blocks; block++)
            scales[column * product.blocks + block] =
                _mm_cvtsd_f64(_mm_castps_pd(floats(pair(product.column(column) + block))));
    for (int64_t row = firstRow; row < endRow; row += rowsAtOnce) {
        float result[rowsAtOnce][fewColumns];
        switch (product.columns) {
        case 1: fourRows<1>(product, scales.data(), row, result); break;
        case 2: fourRows<2>(product, scales.data(), row, result); break;
        case 3: fourRows<3>(product, scales.data(), row, result); break;
        default: fourRows<4>(product, scales.data(), row, result);
        }
        for (int64_t column = 0; column < product.columns; column++)
            for (int64_t r = 0; r < rowsAtOnce && row + r < endRow; r++)
                product.result[column * product.resultStride + row + r] = result[r][column];
    }
}

} // namespace

extern "C" bool llamafile_sgemm(
    const ggml_compute_params *params, int64_t m, int64_t n, int64_t k, const void *a, int64_t lda, const void *b,
    int64_t ldb, void *c, int64_t ldc, int aType, int bType, int cType) {
    if (aType != GGML_TYPE_Q4_1 || bType != GGML_TYPE_Q8_1 || cType != GGML_TYPE_F32 || m < 1 || n < 1)
        return ggml_llamafile_sgemm(params, m, n, k, a, lda, b, ldb, c, ldc, aType, bType, cType);
    const Product product = {
        m, n, k, static_cast<const WeightBlock *>(a), lda, static_cast<const ActivationBlock *>(b), ldb,
        static_cast<float *>(c), ldc};
    // Groups of rows, as even as they go.
    const int64_t groups = (m + rowsAtOnce - 1) / rowsAtOnce;
    const int64_t first = groups * params->ith / params->nth * rowsAtOnce;
    const int64_t next = groups * (params->ith + 1) / params->nth * rowsAtOnce;
    const int64_t end = next < m ? next : m;
    if (first >= end) return true;
    if (n <= fewColumns) multiplyFew(product, first, end);
    else multiplyMany(product, first, end);
    return true;
}

int gboost_multiplies_q4_1(void) { return 1; }

#else

extern "C" bool llamafile_sgemm(
    const ggml_compute_params *params, int64_t m, int64_t n, int64_t k, const void *a, int64_t lda, const void *b,
    int64_t ldb, void *c, int64_t ldc, int aType, int bType, int cType) {
    return ggml_llamafile_sgemm(params, m, n, k, a, lda, b, ldb, c, ldc, aType, bType, cType);
}

int gboost_multiplies_q4_1(void) { return 0; }

#endif
