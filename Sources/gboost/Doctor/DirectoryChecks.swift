internal import Foundation

/// The doctor's look at the directories that a gateway writes into. Nothing is made in them, and nothing locked: one
/// that serves may have them.
extension MachineChecks {
    func directories() -> [Finding] {
        let journal = directory(
            "journal", configuration.ledger.journal, setting: "ledger.journal",
            files: ["lock", "journal.jsonl", "journal.damaged", "journal.refused"])
        guard let path = configuration.audit.checkpointDirectory else { return [journal] }
        let files = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        let checkpoints = directory(
            "checkpoints", path, setting: "audit.checkpoint_directory",
            files: files.filter { $0.hasSuffix(".checkpoints") })
        return [journal, checkpoints]
    }

    /// - Parameter files: what is opened for reading and writing there, where it exists.
    private func directory(_ check: String, _ path: String, setting: String, files: [String]) -> Finding {
        guard let obstacle = Self.obstacle(to: path, files: files) else { return .ok(check, "\(path) can be written") }
        return .problem(
            check, "\(path) cannot be used: \(obstacle)",
            remedy: "let the user that the gateway runs as write there, or set \(setting) to another directory")
    }

    /// Why a directory cannot be made, or be written where it is; nil where it can, as far as its rights tell.
    static func obstacle(to path: String, files: [String]) -> String? {
        let manager = FileManager.default
        let whole = path.hasPrefix("/") ? path : "\(manager.currentDirectoryPath)/\(path)"
        var place = whole[...]
        // The nearest that is seen: one that may not be looked into lets nothing be made either.
        while !place.isEmpty, !manager.fileExists(atPath: String(place)) {
            place = place[..<(place.lastIndex(of: "/") ?? place.startIndex)]
        }
        let nearest = place.isEmpty ? "/" : String(place)
        var isDirectory: ObjCBool = false
        guard unsafe manager.fileExists(atPath: nearest, isDirectory: &isDirectory), isDirectory.boolValue else {
            return "\(nearest) is not a directory"
        }
        let isThere = nearest == whole
        // Its entries are synced through a descriptor that reads.
        guard manager.isWritableFile(atPath: nearest), manager.isExecutableFile(atPath: nearest),
            !isThere || manager.isReadableFile(atPath: nearest)
        else { return "\(nearest) may not be written by this user" }
        guard isThere else { return nil }
        let refused = files.map { "\(nearest)/\($0)" }.first { file in
            guard manager.fileExists(atPath: file) else { return false }
            return !manager.isReadableFile(atPath: file) || !manager.isWritableFile(atPath: file)
        }
        return refused.map { "\($0) may not be written by this user" }
    }
}
