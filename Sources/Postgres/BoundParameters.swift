/// A statement's parameters laid out for libpq: one buffer, every value ended by a zero byte.
struct BoundParameters {
    /// The protocol counts parameters in 16 bits.
    static let limit = 65_535

    private var bytes: [UInt8] = []
    private var offsets: [Int?] = []
    private var lengths: [CInt] = []
    private var formats: [CInt] = []
    private(set) var types: [UInt32] = []

    init(_ binds: [PostgresBind]) throws(PostgresError) {
        guard binds.count <= Self.limit else { throw PostgresError(.encoding, "too many parameters") }
        offsets.reserveCapacity(binds.count)
        lengths.reserveCapacity(binds.count)
        formats.reserveCapacity(binds.count)
        types.reserveCapacity(binds.count)
        for (index, bind) in binds.enumerated() {
            types.append(bind.type)
            switch bind.value {
            case .null: add(offset: nil, length: 0, format: 0)
            case .text(let text):
                let start = bytes.count
                bytes.append(contentsOf: text.utf8)
                guard !text.hasZeroByte else {
                    throw PostgresError(.encoding, "parameter \(index + 1) contains a zero byte")
                }
                add(offset: start, length: bytes.count - start, format: 0)
                bytes.append(0)
            case .binary(let value):
                let start = bytes.count
                bytes.append(contentsOf: value)
                add(offset: start, length: value.count, format: 1)
                bytes.append(0)
            case .invalid(let reason):
                throw PostgresError(.encoding, "parameter \(index + 1): \(reason)")
            }
        }
    }

    private mutating func add(offset: Int?, length: Int, format: CInt) {
        offsets.append(offset)
        lengths.append(CInt(clamping: length))
        formats.append(format)
    }

    /// The arrays as libpq takes them: types, values, lengths, formats. All null when there are no parameters.
    typealias Arrays = (
        count: CInt, types: UnsafePointer<UInt32>?, values: UnsafePointer<UnsafePointer<CChar>?>?,
        lengths: UnsafePointer<CInt>?, formats: UnsafePointer<CInt>?
    )

    func withArrays<R>(_ body: (Arrays) -> R) -> R {
        bytes.withUnsafeBufferPointer { buffer in
            let start = UnsafeRawPointer(buffer.baseAddress)?.assumingMemoryBound(to: CChar.self)
            let values = offsets.map { offset in offset.flatMap { start?.advanced(by: $0) } }
            return values.withUnsafeBufferPointer { values in
                types.withUnsafeBufferPointer { types in
                    lengths.withUnsafeBufferPointer { lengths in
                        formats.withUnsafeBufferPointer { formats in
                            body(
                                (
                                    CInt(values.count), types.baseAddress, values.baseAddress, lengths.baseAddress,
                                    formats.baseAddress
                                ))
                        }
                    }
                }
            }
        }
    }
}
