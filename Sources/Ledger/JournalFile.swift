internal import Foundation

/// The journal's directory and files: plain blocking I/O, called on the journal's own queue only.
///
/// `lock` is held by flock for the life of the process, so that one process writes; `identity` names the journal in
/// the database; `journal.jsonl` is only appended to, and replaced as a whole when much of it has been replayed.
struct JournalFile: ~Copyable {
    let identity: UUID
    private let directory: String
    private let lock: FileHandle
    private var handle: FileHandle
    /// Bytes of whole lines in the file.
    private(set) var bytes: Int
    /// Not so after a rename until a sync of the directory has succeeded: a loss of power may bring the old file back.
    private var isDirectorySynced = false
    private let directorySync: @Sendable (String) throws -> Void
    /// What an earlier process left, and how many lines of it could not be read.
    let found: (records: [JournalRecord], damaged: Int)

    /// Lines that could not be read, for people; no gateway reads it.
    static let damagedFile = "journal.damaged"

    private var path: String { Self.path(in: directory) }
    private static func path(in directory: String) -> String { directory + "/journal.jsonl" }

    /// Opens the journal and reads what an earlier process left. A torn last line is cut off; lines that are damaged
    /// in the middle are kept aside in `damagedFile` and counted.
    /// - Parameter directorySync: `syncDirectory`, or a test's, of a disk that fails.
    static func open(
        directory: String, directorySync: @escaping @Sendable (String) throws -> Void
    ) throws(LedgerError) -> JournalFile {
        do {
            try FileManager.default.createDirectory(
                atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            let lock = try openFile(directory + "/lock")
            guard flock(lock.fileDescriptor, LOCK_EX | LOCK_NB) == 0 else {
                throw LedgerError(.journal, "the journal in \(directory) is in use by another gateway")
            }
            let identity = try identity(in: directory)
            let (records, kept, damaged) = try read(path(in: directory))
            if !damaged.isEmpty { try append(damaged, to: "\(directory)/\(damagedFile)") }
            let handle = try openFile(path(in: directory))
            var file = JournalFile(
                identity: identity, directory: directory, lock: lock, handle: handle, bytes: kept,
                found: (records, damaged.count), directorySync: directorySync)
            if damaged.isEmpty { try file.cut() } else { try file.replace(with: records.map { try $0.line() }) }
            try file.syncDirectoryIfNeeded()
            return file
        } catch let error as LedgerError {
            throw error
        } catch {
            throw LedgerError(.journal, "cannot open the journal in \(directory): \(error.localizedDescription)")
        }
    }

    private init(
        identity: UUID, directory: String, lock: FileHandle, handle: FileHandle, bytes: Int,
        found: (records: [JournalRecord], damaged: Int), directorySync: @escaping @Sendable (String) throws -> Void
    ) {
        self.found = found
        self.identity = identity
        self.directory = directory
        self.lock = lock
        self.handle = handle
        self.bytes = bytes
        self.directorySync = directorySync
    }

    /// Writes lines and syncs them. After a failure the file is cut back to the lines it had.
    mutating func append(_ lines: [UInt8]) throws {
        // Lines in a file that may lose its name are not on disk.
        try syncDirectoryIfNeeded()
        do {
            try handle.seek(toOffset: UInt64(bytes))
            #if GBOOST_FAILPOINTS
            if Failpoint.midJournalAppend.isArmed {
                try handle.write(contentsOf: Data(lines.prefix(lines.count / 2)))
                try handle.synchronize()
                Failpoint.midJournalAppend.hit()
            }
            #endif
            try handle.write(contentsOf: Data(lines))
            try handle.synchronize()
            bytes += lines.count
        } catch {
            try? cut()
            throw error
        }
    }

    /// Replaces the file by one with these lines, in one step. It also throws where the new file is in place but may
    /// not be there after a loss of power: what was struck out would be replayed, and the next append syncs first.
    mutating func replace(with lines: [[UInt8]]) throws {
        let fresh = path + ".new"
        try? FileManager.default.removeItem(atPath: fresh)
        let new = try Self.openFile(fresh)
        let content = Data(lines.joined())
        try new.write(contentsOf: content)
        try new.synchronize()
        guard unsafe rename(fresh, path) == 0 else { throw CocoaError(.fileWriteUnknown) }
        // The old file has no name any more: whatever fails from here on, nothing may be written to it.
        try? handle.close()
        handle = new
        bytes = content.count
        isDirectorySynced = false
        try syncDirectoryIfNeeded()
    }

    /// Keeps a record aside that the database refuses for good.
    func quarantine(_ line: [UInt8]) throws { try Self.append([line], to: directory + "/journal.refused") }

    /// Unlocks by name: a child that is just being forked shares the lock's descriptor until it has become its program.
    func close() {
        _ = flock(lock.fileDescriptor, LOCK_UN)
        try? handle.close()
        try? lock.close()
    }

    // MARK: -

    private mutating func syncDirectoryIfNeeded() throws {
        guard !isDirectorySynced else { return }
        try directorySync(directory)
        isDirectorySynced = true
    }

    private mutating func cut() throws {
        try handle.truncate(atOffset: UInt64(bytes))
        try handle.synchronize()
    }

    private static func read(_ path: String) throws -> (records: [JournalRecord], bytes: Int, damaged: [[UInt8]]) {
        guard FileManager.default.fileExists(atPath: path) else { return ([], 0, []) }
        let content = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        guard let end = content.lastIndex(of: UInt8(ascii: "\n")) else { return ([], 0, []) }
        var records: [JournalRecord] = []
        var damaged: [[UInt8]] = []
        for line in content[..<end].split(separator: UInt8(ascii: "\n")) {
            if let record = JournalRecord(line: line) {
                records.append(record)
            } else {
                damaged.append(Array(line) + [UInt8(ascii: "\n")])
            }
        }
        return (records, end + 1, damaged)
    }

    private static func append(_ lines: [[UInt8]], to path: String) throws {
        let file = try openFile(path)
        let end = try file.seekToEnd()
        do {
            try file.write(contentsOf: Data(lines.joined()))
            try file.synchronize()
        } catch {
            // It is tried again, and a torn line would spoil the one after it.
            try? file.truncate(atOffset: end)
            throw error
        }
        try file.close()
    }

    private static func identity(in directory: String) throws -> UUID {
        let path = directory + "/identity"
        if let text = try? String(contentsOfFile: path, encoding: .utf8), let known = UUID(uuidString: text) {
            return known
        }
        let fresh = UUID()
        let file = try openFile(path + ".new")
        try file.write(contentsOf: Data(fresh.uuidString.utf8))
        try file.synchronize()
        try file.close()
        guard unsafe rename(path + ".new", path) == 0 else { throw CocoaError(.fileWriteUnknown) }
        return fresh
    }

    /// Opens for reading and writing, made with mode 0600 if need be.
    private static func openFile(_ path: String) throws -> FileHandle {
        let descriptor = unsafe Foundation.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw NSError(domain: NSPOSIXErrorDomain, code: Int(errno), userInfo: [NSFilePathErrorKey: path])
        }
        return FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    }

    /// Whether a process has the journal in a directory. It is asked for by a shared lock, given up at once: a gateway
    /// that starts in that very moment would be turned away.
    static func isLocked(_ directory: String) -> Bool {
        let descriptor = unsafe Foundation.open(directory + "/lock", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { Foundation.close(descriptor) }
        guard flock(descriptor, LOCK_SH | LOCK_NB) == 0 else { return errno == EWOULDBLOCK }
        _ = flock(descriptor, LOCK_UN)
        return false
    }

    /// Bytes that this user may still write in a directory's file system; nil: not known.
    static func freeBytes(_ directory: String) -> Int64? {
        var status = statvfs()
        guard unsafe statvfs(directory, &status) == 0 else { return nil }
        let (bytes, isHuge) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
        return isHuge ? .max : Int64(clamping: bytes)
    }

    /// Makes what was renamed in a directory last.
    static func syncDirectory(_ path: String) throws {
        let descriptor = unsafe Foundation.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw CocoaError(.fileReadUnknown) }
        defer { Foundation.close(descriptor) }
        guard fsync(descriptor) == 0 else { throw CocoaError(.fileWriteUnknown) }
    }
}
