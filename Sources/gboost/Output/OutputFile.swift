internal import Foundation

/// A file that a command will write, looked at before the work: hours of it shall not be lost for a missing directory.
/// Every failure names the option.
enum OutputFile {
    /// - Parameters:
    ///   - option: that names the path.
    ///   - isReplaced: a file that is there is replaced, not added to: that takes a right to the directory.
    static func check(_ path: String, option: String = "--out", isReplaced: Bool = true) throws(CommandFailure) {
        guard !isDirectory(path), !path.hasSuffix("/") else { throw refusal(path, option, "it is a directory") }
        let slash = path.utf8.lastIndex(of: UInt8(ascii: "/"))
        let directory = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        guard isDirectory(directory) else { throw refusal(path, option, "no such directory") }
        let files = FileManager.default
        let target = isReplaced || !files.fileExists(atPath: path) ? directory : path
        guard files.isWritableFile(atPath: target) else { throw refusal(path, option, "permission denied") }
    }

    /// Replaces the file as a whole.
    static func write(_ data: Data, to path: String, option: String = "--out") throws(CommandFailure) {
        do {
            try data.write(to: URL(filePath: path), options: .atomic)
        } catch {
            throw failure(error, of: path, option: option)
        }
    }

    /// Why a write failed in a few words, without the error's dump.
    static func failure(_ error: any Error, of path: String, option: String = "--out") -> CommandFailure {
        var failure = refusal(path, option, reason(error))
        failure.status = .failed
        return failure
    }

    private static func reason(_ error: any Error) -> String {
        // The file itself need not be there.
        let code = (error as? CocoaError)?.code
        if code == .fileNoSuchFile || code == .fileReadNoSuchFile { return "no such directory" }
        return FileFailure.reason(error) ?? "the file system refuses it"
    }

    /// A file that must not be there yet.
    static func checkNew(_ path: String, option: String) throws(CommandFailure) {
        try check(path, option: option)
        guard !FileManager.default.fileExists(atPath: path) else {
            throw refusal(path, option, "it is there already")
        }
    }

    /// Makes a directory that a command writes into, with those above it, unless it is there.
    static func makeDirectory(_ path: String, option: String) throws(CommandFailure) {
        if let obstacle = MachineChecks.obstacle(to: path, files: []) { throw refusal(path, option, obstacle) }
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        } catch {
            throw failure(error, of: path, option: option)
        }
    }

    static func refusal(_ path: String, _ option: String, _ why: String) -> CommandFailure {
        .usage(option, "\(path) cannot be written: \(why)")
    }

    /// Whether two paths are one file, by whichever links.
    static func isSame(_ one: String, _ other: String) -> Bool {
        guard let first = identity(one), let second = identity(other) else { return false }
        return first == second
    }

    static func isDirectory(_ path: String) -> Bool {
        var isDirectory: ObjCBool = false
        return unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) && isDirectory.boolValue
    }

    /// The numbers of its file system and of the file in it; nil: there is none.
    private static func identity(_ path: String) -> [UInt64]? {
        let target = URL(filePath: path).resolvingSymlinksInPath().path(percentEncoded: false)
        guard let found = try? FileManager.default.attributesOfItem(atPath: target),
            let system = found[.systemNumber] as? NSNumber, let file = found[.systemFileNumber] as? NSNumber
        else { return nil }
        return [system.uint64Value, file.uint64Value]
    }
}
