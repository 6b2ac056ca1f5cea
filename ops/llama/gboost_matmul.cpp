// Products of Q4_1 weights, many columns at a time. llama.cpp has a kernel for these that takes one row and one column
// and unpacks the row anew for each; this one unpacks a row once, and has two columns (or two rows) in one register.
// Each element is the same sum in the same order as llama.cpp's own: equal to the last bit, whatever the batch is.
//
// ggml asks `llamafile_sgemm` first whether a product has a kernel of its own. ops/lib/llama.sh gives the one of
// llama.cpp another name, under which everything that is not Q4_1 goes on to it.

#include <cstddef>
#include <cstdint>
#include <ggml.h>

#include "gboost_simd.h"
#include "gboost_matmul.h"

// What a kernel may know of a computation: which thread of how many it is. The rest is ggml's.
struct ggml_compute_params {
    int ith, nth;
};

extern "C" bool ggml_llamafile_sgemm(
    const ggml_compute_params *, int64_t, int64_t, int64_t, const void *, int64_t, const void *, int64_t, void *,
    int64_t, int, int, int);

#ifdef GBOOST_PARTS

#include <cstring>
#include <vector>

namespace {

using simd::blockSize;

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

constexpr int rowsAtOnce = 4;

inline int pair(const void *block) {
    int value;
    std::memcpy(&value, block, sizeof value);
    return value;
}

// Scale and minimum of a block of weights, or scale and sum of one of activations.
inline void read(const void *block, float &scale, float &other) {
    const __m128 both = _mm_cvtph_ps(_mm_cvtsi32_si128(pair(block)));
    scale = _mm_cvtss_f32(both);
    other = _mm_cvtss_f32(_mm_movehdup_ps(both));
}

// The order in which ggml adds up the eight partial sums of an element.
inline float total(__m256 sums, float minima) {
    __m128 four = _mm_add_ps(_mm256_extractf128_ps(sums, 1), _mm256_castps256_ps128(sums));
    four = _mm_add_ps(four, _mm_movehl_ps(four, four));
    four = _mm_add_ss(four, _mm_movehdup_ps(four));
    return _mm_cvtss_f32(four) + minima;
}

// Many columns: where there are two in a register, word by word in turn.

constexpr int registersAtOnce = 2 * simd::parts, columnsAtOnce = registersAtOnce * simd::parts;
// Columns that are laid out together: what they take stays in the second-level cache.
constexpr int64_t panelColumns = 64;

// Columns of a panel, laid out for the kernel: by groups of `columnsAtOnce`, then by block.
struct ActivationGroup {
    int8_t values[registersAtOnce][simd::parts * blockSize];
    float scales[registersAtOnce][simd::parts];
    float sums[columnsAtOnce];
};

// Rows, unpacked: by block.
struct WeightGroup {
    uint8_t values[rowsAtOnce][simd::parts * blockSize];
    float scales[rowsAtOnce];
    float minima[rowsAtOnce];
};

void layOut(const Product &product, int64_t first, int64_t count, std::vector<ActivationGroup> &groups) {
    const int64_t groupCount = (count + columnsAtOnce - 1) / columnsAtOnce;
    if (groups.size() < static_cast<size_t>(groupCount * product.blocks)) groups.resize(groupCount * product.blocks);
    for (int64_t group = 0; group < groupCount; group++) {
        ActivationGroup *target = &groups[group * product.blocks];
        for (int column = 0; column < columnsAtOnce; column++) {
            const int64_t index = group * columnsAtOnce + column;
            const int place = column / simd::parts, part = column % simd::parts;
            // Columns that are not there repeat the last one; nobody reads what comes of them.
            const ActivationBlock *source = product.column(first + (index < count ? index : count - 1));
            for (int64_t block = 0; block < product.blocks; block++) {
                ActivationGroup &to = target[block];
                int32_t words[blockSize / 4];
                std::memcpy(words, source[block].values, sizeof words);
                auto *alternating = reinterpret_cast<int32_t *>(to.values[place]) + part;
                for (int word = 0; word < blockSize / 4; word++) alternating[simd::parts * word] = words[word];
                read(&source[block], to.scales[place][part], to.sums[column]);
            }
        }
    }
}

void unpack(const Product &product, int64_t first, int64_t count, std::vector<WeightGroup> &groups) {
    if (groups.size() < static_cast<size_t>(product.blocks)) groups.resize(product.blocks);
    for (int row = 0; row < rowsAtOnce; row++) {
        const WeightBlock *source = product.row(first + (row < count ? row : count - 1));
        for (int64_t block = 0; block < product.blocks; block++) {
            WeightGroup &to = groups[block];
            simd::store(to.values[row], simd::alternating(simd::bytes(source[block].nibbles)));
            read(&source[block], to.scales[row], to.minima[row]);
        }
    }
}

// One group of rows with so many registers of one group of columns.
template <int registers>
void multiply(
    const WeightGroup *weights, const ActivationGroup *activations, int64_t blocks,
    float (&result)[rowsAtOnce][columnsAtOnce]) {
    simd::Floats sums[rowsAtOnce][registers];
    simd::Minima minima[rowsAtOnce];
    for (int row = 0; row < rowsAtOnce; row++) {
        minima[row] = simd::noMinima();
        for (int index = 0; index < registers; index++) sums[row][index] = simd::zero();
    }
    for (int64_t block = 0; block < blocks; block++) {
        const WeightGroup &weight = weights[block];
        const ActivationGroup &activation = activations[block];
        simd::Bytes values[rowsAtOnce];
        for (int row = 0; row < rowsAtOnce; row++) values[row] = simd::load(weight.values[row]);
        for (int index = 0; index < registers; index++) {
            const simd::Bytes columns = simd::load(activation.values[index]);
            const simd::Floats scales = simd::alternating(activation.scales[index]);
            for (int row = 0; row < rowsAtOnce; row++)
                sums[row][index] = simd::add(
                    simd::times(weight.scales[row], scales), simd::dots(values[row], columns), sums[row][index]);
        }
        for (int row = 0; row < rowsAtOnce; row++)
            minima[row] = simd::add(weight.minima[row], activation.sums, minima[row]);
    }
    for (int row = 0; row < rowsAtOnce; row++) {
        float minimum[columnsAtOnce];
        simd::store(minimum, minima[row]);
        for (int index = 0; index < registers; index++) {
            __m256 apart[simd::parts];
            simd::split(sums[row][index], apart);
            for (int part = 0; part < simd::parts; part++) {
                const int column = simd::parts * index + part;
                result[row][column] = total(apart[part], minimum[column]);
            }
        }
    }
}

// As few registers as the columns need.
template <int registers>
void multiply(
    int needed, const WeightGroup *weights, const ActivationGroup *activations, int64_t blocks,
    float (&result)[rowsAtOnce][columnsAtOnce]) {
    if constexpr (registers > 1)
        if (needed < registers) return multiply<registers - 1>(needed, weights, activations, blocks, result);
    multiply<registers>(weights, activations, blocks, result);
}

void multiplyMany(const Product &product, int64_t firstRow, int64_t endRow) {
    static thread_local std::vector<ActivationGroup> activations;
    static thread_local std::vector<WeightGroup> weights;
    for (int64_t first = 0; first < product.columns; first += panelColumns) {
        const int64_t count = product.columns - first < panelColumns ? product.columns - first : panelColumns;
        layOut(product, first, count, activations);
        for (int64_t row = firstRow; row < endRow; row += rowsAtOnce) {
            const int64_t rows = endRow - row < rowsAtOnce ? endRow - row : rowsAtOnce;
            unpack(product, row, rows, weights);
            for (int64_t column = 0; column < count; column += columnsAtOnce) {
                const int64_t columns = count - column < columnsAtOnce ? count - column : columnsAtOnce;
                float result[rowsAtOnce][columnsAtOnce];
                multiply<registersAtOnce>(
                    static_cast<int>((columns + simd::parts - 1) / simd::parts), weights.data(),
                    &activations[column / columnsAtOnce * product.blocks], product.blocks, result);
                for (int64_t c = 0; c < columns; c++) {
                    float *target = product.result + (first + column + c) * product.resultStride + row;
                    for (int64_t r = 0; r < rows; r++) target[r] = result[r][c];
                }
            }
        }
    }
}

// Few columns: where there are two rows in a register, one in each half.

constexpr int fewColumns = 4;
constexpr int rowRegisters = rowsAtOnce / simd::parts;

// Four rows, from `row` on, with all `columns`, whose scales and sums are floats already: pairs of them, by block.
template <int columns>
void fourRows(
    const Product &product, const double *columnScales, int64_t row, float (&result)[rowsAtOnce][fewColumns]) {
    const int64_t last = product.rows - 1;
    const WeightBlock *rows[rowsAtOnce];
    for (int index = 0; index < rowsAtOnce; index++)
        rows[index] = product.row(row + index < last ? row + index : last);
    simd::Floats sums[columns][rowRegisters];
    __m256 minima[columns]; // of row r in lane 2r + 1
    for (int column = 0; column < columns; column++) {
        for (int index = 0; index < rowRegisters; index++) sums[column][index] = simd::zero();
        minima[column] = _mm256_setzero_ps();
    }
    for (int64_t block = 0; block < product.blocks; block++) {
        simd::Bytes weights[rowRegisters];
        for (int index = 0; index < rowRegisters; index++) {
            const uint8_t *nibbles[simd::parts];
            for (int part = 0; part < simd::parts; part++)
                nibbles[part] = rows[simd::parts * index + part][block].nibbles;
            weights[index] = simd::halves(nibbles);
        }
        const __m256 own = _mm256_cvtph_ps(_mm_setr_epi32(
            pair(rows[0] + block), pair(rows[1] + block), pair(rows[2] + block), pair(rows[3] + block)));
        for (int column = 0; column < columns; column++) {
            const simd::Bytes values = simd::halves(
                _mm256_loadu_si256(reinterpret_cast<const __m256i *>(product.column(column)[block].values)));
            const __m256 others =
                _mm256_castpd_ps(_mm256_broadcast_sd(columnScales + column * product.blocks + block));
            const __m256 scales = _mm256_mul_ps(own, others);
            minima[column] = _mm256_fmadd_ps(own, others, minima[column]);
            for (int index = 0; index < rowRegisters; index++)
                sums[column][index] = simd::add(
                    simd::halves(scales, simd::parts * index), simd::dots(weights[index], values),
                    sums[column][index]);
        }
    }
    for (int column = 0; column < columns; column++) {
        float minimum[2 * rowsAtOnce];
        _mm256_storeu_ps(minimum, minima[column]);
        for (int index = 0; index < rowRegisters; index++) {
            __m256 apart[simd::parts];
            simd::halved(sums[column][index], apart);
            for (int part = 0; part < simd::parts; part++) {
                const int r = simd::parts * index + part;
                result[r][column] = total(apart[part], minimum[2 * r + 1]);
            }
        }
    }
}

void multiplyFew(const Product &product, int64_t firstRow, int64_t endRow) {
    static thread_local std::vector<double> scales; // two floats each
    const size_t needed = static_cast<size_t>(product.columns * product.blocks);
    if (scales.size() < needed) scales.resize(needed);
    for (int64_t column = 0; column < product.columns; column++)
        for (int64_t block = 0; block < product.blocks; block++)
            scales[column * product.blocks + block] = _mm_cvtsd_f64(
                _mm_castps_pd(_mm_cvtph_ps(_mm_cvtsi32_si128(pair(product.column(column) + block)))));
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
