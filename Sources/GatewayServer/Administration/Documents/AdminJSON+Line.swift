internal import Foundation

extension AdminJSON {
    /// The same as a text, for a line or a cell of something longer.
    package static func line(_ value: some Encodable) throws -> String {
        String(decoding: try bytes(value), as: UTF8.self)
    }
}
