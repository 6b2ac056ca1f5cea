import CLlama
import Foundation
import Testing

/// ops/llama/gboost_matmul.cpp, through ggml as a model calls it, against ggml's own kernel for one row and column.
@Suite("Products of Q4_1 weights")
struct MatrixProductTests {
    struct Shape {
        /// Rows of weights, columns of activations, and the length of both.
        var rows, columns, width: Int
    }

    init() {
        // The tables that ggml's own kernel reads halves by: else the first computation of the process makes them.
        ggml_cpu_init()
    }

    @Test("The kernel is there where the processor has what it needs")
    func kernelIsThere() throws {
        let needed = ["avx2", "f16c", "fma"]
        let cpu = try String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)
        let flags = cpu.split(separator: "\n").first { $0.hasPrefix("flags") }?.split(separator: " ") ?? []
        let isAble = needed.allSatisfy { flags.contains(Substring($0)) }
        #expect(gboost_multiplies_q4_1() == (isAble ? 1 : 0))
    }

    /// Shapes around what the kernel takes at once: 4 rows, up to 4 columns, groups of 8, panels of 64.
    @Test(
        "Every element equals ggml's own to the last bit, by one thread and by three",
        arguments: [
            (1, 1, 32), (3, 1, 96), (64, 1, 576), (5, 2, 64), (7, 3, 160), (6, 4, 1536), (33, 5, 32), (9, 8, 576),
            (10, 9, 96), (35, 63, 64), (4, 64, 128), (3, 65, 32), (66, 71, 576), (2, 130, 1536),
        ])
    func equalsOwnKernel(rows: Int, columns: Int, width: Int) throws {
        let shape = Shape(rows: rows, columns: columns, width: width)
        var random = SystemRandomNumberGenerator()
        let weights = quantized(floats(rows * width, from: -1.5...1.5, &random), shape)
        let activations = floats(columns * width, from: -40...40, &random)
        let expected = try reference(weights, activations, shape)
        for threads: Int32 in [1, 3] {
            let found = try product(weights, activations, shape, threads: threads)
            #expect(found.map(\.bitPattern) == expected.map(\.bitPattern))
        }
    }

    private func floats(
        _ count: Int, from range: ClosedRange<Float>, _ random: inout SystemRandomNumberGenerator
    ) -> [Float] {
        // A tenth of them zero, and whole blocks that are small.
        (0..<count).map { index in
            let value = Float.random(in: range, using: &random)
            return index % 10 == 3 ? 0 : index / 32 % 5 == 0 ? value / 1000 : value
        }
    }

    private func quantized(_ values: [Float], _ shape: Shape) -> [UInt8] {
        let bytes = ggml_row_size(GGML_TYPE_Q4_1, Int64(shape.width)) * shape.rows
        return [UInt8](unsafeUninitializedCapacity: bytes) { buffer, count in
            count = ggml_quantize_chunk(
                GGML_TYPE_Q4_1, values, buffer.baseAddress, 0, Int64(shape.rows), Int64(shape.width), nil)
        }
    }

    /// Column by column, as ggml lays results out.
    private func product(
        _ weights: [UInt8], _ activations: [Float], _ shape: Shape, threads: Int32
    ) throws -> [Float] {
        let context = try #require(
            ggml_init(ggml_init_params(mem_size: 32 << 20, mem_buffer: nil, no_alloc: false)))
        defer { ggml_free(context) }
        let a = try #require(ggml_new_tensor_2d(context, GGML_TYPE_Q4_1, Int64(shape.width), Int64(shape.rows)))
        let b = try #require(ggml_new_tensor_2d(context, GGML_TYPE_F32, Int64(shape.width), Int64(shape.columns)))
        weights.withUnsafeBytes { a.pointee.data.copyMemory(from: $0) }
        activations.withUnsafeBytes { b.pointee.data.copyMemory(from: $0) }
        let c = try #require(ggml_mul_mat(context, a, b))
        let graph = try #require(ggml_new_graph(context))
        ggml_build_forward_expand(graph, c)
        try #require(ggml_graph_compute_with_ctx(context, graph, threads) == GGML_STATUS_SUCCESS)
        let start = c.pointee.data.assumingMemoryBound(to: Float.self)
        return Array(UnsafeBufferPointer(start: start, count: shape.rows * shape.columns))
    }

    private func reference(_ weights: [UInt8], _ activations: [Float], _ shape: Shape) throws -> [Float] {
        let dot = try #require(ggml_get_type_traits_cpu(GGML_TYPE_Q4_1).pointee.vec_dot)
        let quantize = try #require(ggml_get_type_traits_cpu(GGML_TYPE_Q8_1).pointee.from_float)
        let stride = weights.count / shape.rows
        var column = [UInt8](repeating: 0, count: ggml_row_size(GGML_TYPE_Q8_1, Int64(shape.width)))
        var values: [Float] = []
        for index in 0..<shape.columns {
            let source = Array(activations[(index * shape.width)..<((index + 1) * shape.width)])
            quantize(source, &column, Int64(shape.width))
            for row in 0..<shape.rows {
                var value: Float = 0
                weights.withUnsafeBytes { bytes in
                    dot(Int32(shape.width), &value, 0, bytes.baseAddress.map { $0 + row * stride }, 0, column, 0, 1)
                }
                values.append(value)
            }
        }
        return values
    }
}

extension UnsafeMutableRawPointer {
    fileprivate func copyMemory(from source: UnsafeRawBufferPointer) {
        source.baseAddress.map { copyMemory(from: $0, byteCount: source.count) }
    }
}
