/// The directions in which vectors differ most, by iterating on a few at a time; deterministic for a seed.
package struct PrincipalComponents: Sendable {
    private static let iterations = 12

    private let mean: [Double]
    private let directions: [[Double]]

    package init(_ vectors: [[Float]], count: Int, seed: UInt64) {
        let width = vectors.first?.count ?? 0
        let rows = Double(max(1, vectors.count))
        var mean = [Double](repeating: 0, count: width)
        for vector in vectors { for column in 0..<width { mean[column] += Double(vector[column]) / rows } }
        let centered = vectors.map { vector in (0..<width).map { Double(vector[$0]) - mean[$0] } }
        var random = SplitMix(state: seed)
        var basis = (0..<min(count, width)).map { _ in
            (0..<width).map { _ in Double.random(in: -1...1, using: &random) }
        }
        Self.orthonormalize(&basis)
        for _ in 0..<Self.iterations {
            var next = basis.map { $0.map { _ in 0.0 } }
            for vector in centered {
                for (index, direction) in basis.enumerated() {
                    let length = Self.dot(vector, direction)
                    for column in 0..<width { next[index][column] += length * vector[column] }
                }
            }
            basis = next
            Self.orthonormalize(&basis)
        }
        self.mean = mean
        directions = basis
    }

    /// A vector's lengths along the directions, the longest first.
    package func project(_ vector: [Float]) -> [Double] {
        let centered = zip(vector, mean).map { Double($0) - $1 }
        return directions.map { Self.dot(centered, $0) }
    }

    private static func dot(_ a: [Double], _ b: [Double]) -> Double {
        var sum = 0.0
        for index in 0..<min(a.count, b.count) { sum += a[index] * b[index] }
        return sum
    }

    private static func orthonormalize(_ basis: inout [[Double]]) {
        for index in basis.indices {
            for other in 0..<index {
                let overlap = dot(basis[index], basis[other])
                for column in basis[index].indices { basis[index][column] -= overlap * basis[other][column] }
            }
            let length = dot(basis[index], basis[index]).squareRoot()
            // What is left of a direction that the others span already is noise.
            let scale = length > 1e-9 ? 1 / length : 0
            for column in basis[index].indices { basis[index][column] *= scale }
        }
    }
}
