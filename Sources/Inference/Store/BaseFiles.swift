internal import Crypto
internal import Foundation
internal import GatewayCore

/// The files of a model that a head may belong to: a model's own, or one with an adapter over it.
package struct BaseFiles: Hashable, Sendable {
    /// One file, as it was registered.
    package struct File: Hashable, Sendable {
        package var path: String
        /// Lower-case hex, as registered; nil: any file will do.
        package var sha256: String?
        package init(path: String, sha256: String? = nil) {
            self.path = path
            self.sha256 = sha256
        }
    }

    var model: File
    var adapter: File?

    init(model: File, adapter: File?) {
        self.model = model
        self.adapter = adapter
    }

    /// - Parameter below: the model that an adapter is laid over; of another model: not looked at.
    init(_ record: ModelRecord, below: ModelRecord?) throws(LocalModelError) {
        let file = File(path: record.file, sha256: record.sha256)
        guard record.kind == .adapter else {
            self.init(model: file, adapter: nil)
            return
        }
        guard let below else { throw .unavailable("\(record.name): an adapter needs its base model") }
        self.init(model: File(path: below.file, sha256: below.sha256), adapter: file)
    }

    /// What a head is bound to.
    var identity: String {
        Self.identity(model: model.sha256?.lowercased() ?? "", adapter: adapter?.sha256?.lowercased())
    }

    /// A model is known by the SHA-256 of its file; with an adapter over it, by that of both digests in hex, joined by
    /// a plus: the same adapter over another model is another model.
    package static func identity(model: String, adapter: String?) -> String {
        guard let adapter else { return model }
        return SHA256.hash(data: Data("\(model)+\(adapter)".utf8)).hexadecimal
    }
}
