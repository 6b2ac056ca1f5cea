internal import Foundation
internal import Ledger

/// The doctor's look at the directories that a gateway writes into. Nothing is made in them, and nothing kept locked:
/// one that serves may have them.
extension MachineChecks {
    /// What was found of a journal's directory.
    struct JournalPlace {
        var path: String
        /// Why it cannot be used; nil: it can.
        var obstacle: String?
        /// A process has it.
        var isInUse = false
        /// A process listens on the gateway's port: most likely it is that gateway.
        var isServing = false
        /// nil: not known.
        var freeBytes: Int64?
    }

    func directories() -> [Finding] {
        let place = configuration.ledger.journal
        let journal = Self.journal(
            JournalPlace(
                path: place,
                obstacle: Self.obstacle(
                    to: place, files: ["lock", "journal.jsonl", "journal.damaged", "journal.refused"]),
                isInUse: SettlementJournal.isInUse(place), isServing: isPortInUse, freeBytes: Self.freeBytes(place)))
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
        return Self.unusable(check, path, obstacle, setting: setting)
    }

    private static func unusable(_ check: String, _ path: String, _ obstacle: String, setting: String) -> Finding {
        .problem(
            check, "\(path) cannot be used: \(obstacle)",
            remedy: "let the user that the gateway runs as write there, or set \(setting) to another directory")
    }

    static func journal(_ place: JournalPlace) -> Finding {
        let (check, path) = ("journal", place.path)
        if let obstacle = place.obstacle { return unusable(check, path, obstacle, setting: "ledger.journal") }
        if let free = place.freeBytes, free < SettlementJournal.leastFreeBytes {
            return .problem(
                check, "\(path) has no room, \(free >> 10) KiB free: no new hold is taken, and no paid call made",
                remedy: "make room, at least \(SettlementJournal.leastFreeBytes >> 10) KiB")
        }
        guard place.isInUse else { return .ok(check, "\(path) can be written") }
        guard place.isServing else {
            return .problem(
                check, "\(path) is in use by another gateway, and none serves on this one's port",
                remedy: "set ledger.journal to a directory of this gateway's own; if it is just starting or stopping, "
                    + "ask again")
        }
        return .ok(check, "\(path) is in use by a running gateway; a second one would be refused it")
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
