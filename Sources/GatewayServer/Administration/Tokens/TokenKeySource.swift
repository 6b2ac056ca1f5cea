internal import Foundation

/// Where a JWKS document comes from.
package enum TokenKeySource: Sendable {
    /// A file, which may be replaced at any time.
    case file(String)
    /// Another server: each call is one request to it, without following it elsewhere.
    case address(@Sendable () async throws -> [UInt8])

    /// What is wrong with a file as such a source; nil: it can be used.
    package static func problem(ofFile path: String) -> TokenKeyFailure? {
        do throws(TokenKeyFailure) {
            _ = try TokenKeySet(document(ofFile: path))
            return nil
        } catch {
            return error
        }
    }

    static func document(ofFile path: String) throws(TokenKeyFailure) -> [UInt8] {
        guard let stamp = TokenKeyFile(path) else { throw TokenKeyFailure("\(path) is not a file, or is not there") }
        guard stamp.size <= TokenKeySet.maxBytes else {
            throw TokenKeyFailure("\(path) is longer than \(TokenKeySet.maxBytes) bytes")
        }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw TokenKeyFailure("\(path) cannot be read")
        }
        return Array(data)
    }
}

/// What tells one version of a file from another.
struct TokenKeyFile: Hashable, Sendable {
    /// Behind all links: an orchestrator replaces a directory that a link leads through.
    var path: String
    var modified: Date?
    var inode: UInt64?
    var size: Int

    /// Nil: there is no such file, or it is none that could be read to its end.
    init?(_ path: String) {
        let resolved = URL(filePath: path).resolvingSymlinksInPath().path(percentEncoded: false)
        guard let attributes = try? FileManager.default.attributesOfItem(atPath: resolved),
            attributes[.type] as? FileAttributeType == .typeRegular
        else { return nil }
        self.path = resolved
        modified = attributes[.modificationDate] as? Date
        inode = (attributes[.systemFileNumber] as? any BinaryInteger).map { UInt64(clamping: $0) }
        size = (attributes[.size] as? any BinaryInteger).map { Int(clamping: $0) } ?? 0
    }
}
