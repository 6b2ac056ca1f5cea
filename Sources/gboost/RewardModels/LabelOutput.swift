internal import Foundation

/// The file that labelled rows are added to.
enum LabelOutput {
    /// How the encoder, which sorts keys, begins every row.
    private static let beginning = Data(#"{"answer":""#.utf8)

    /// Opens the file at its end, and says which rows it has. Nothing of it is changed before all of it is known to be
    /// labelled rows; then a line that was cut short at the end is dropped.
    ///
    /// - Throws: `LabelledRowFailure` or `CommandFailure` that names the file, which stays as it is.
    static func opened(_ path: String) throws -> (file: FileHandle, done: [LabelledRow]) {
        try OutputFile.check(path, isReplaced: false)
        let files = FileManager.default
        if !files.fileExists(atPath: path), !files.createFile(atPath: path, contents: nil) {
            throw OutputFile.refusal(path, "--out", "the file system refuses it")
        }
        guard let data = files.contents(atPath: path) else {
            throw LabelledRowFailure("\(path) cannot be read: \(FileFailure.unreadable(path))")
        }
        guard data.count <= LabelledRow.maxFileBytes else { throw LabelledRowFailure("\(path) is larger than 256 MiB") }
        let found = try rows(in: data, of: path)
        guard let file = FileHandle(forWritingAtPath: path) else {
            throw OutputFile.refusal(path, "--out", "permission denied")
        }
        do {
            if found.end < data.count { try file.truncate(atOffset: UInt64(found.end)) }
            try file.seekToEnd()
            if found.lacksLineBreak { try file.write(contentsOf: Data([0x0a])) }
        } catch {
            throw OutputFile.failure(error, of: path)
        }
        return (file, found.done)
    }

    /// The rows of the file, how many of its bytes they are, and whether the last of them has no line break.
    private static func rows(
        in data: Data, of path: String
    ) throws -> (done: [LabelledRow], end: Int, lacksLineBreak: Bool) {
        let start = data.lastIndex(of: 0x0a).map { $0 + 1 } ?? data.startIndex
        let tail = data[start...]
        let isCut = isTorn(tail)
        let done = try LabelledRow.rows(in: isCut ? data[..<start] : data, of: path)
        guard done.allSatisfy({ $0.slm.correct != nil || $0.slm.stepLabels != nil }) else {
            throw LabelledRowFailure(
                "\(path) has rows without labels: it is no output of `gboost prm label`, and stays as it is")
        }
        let end = isCut ? start : data.endIndex
        return (done, end - data.startIndex, !isCut && !JSONLines.isBlank(tail))
    }

    /// Whether bytes behind the last line break are the beginning of a row, and no more than that.
    private static func isTorn(_ tail: Data) -> Bool {
        guard !tail.isEmpty, tail.prefix(beginning.count) == beginning.prefix(tail.count) else { return false }
        return (try? JSONSerialization.jsonObject(with: Data(tail))) == nil
    }
}
