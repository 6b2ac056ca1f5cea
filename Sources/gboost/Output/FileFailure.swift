internal import Foundation

/// What the file system has against a file, in a few words and without an error's dump.
enum FileFailure {
    /// Codes of `CocoaError` that are about files.
    private static let codes = 0..<1024
    private static let other = "the file system refuses it"

    /// The file, where the error names it, and why. Nil: it is no error of the file system's.
    static func text(_ error: any Error) -> String? {
        guard let why = reason(error), let error = error as? CocoaError else { return nil }
        return "\(error.filePath ?? error.url?.path ?? "a file"): \(why)"
    }

    /// Nil: it is no error of the file system's.
    static func reason(_ error: any Error) -> String? {
        guard let code = (error as? CocoaError)?.code, codes.contains(code.rawValue) else { return nil }
        switch code {
        case .fileWriteOutOfSpace: return "no space is left"
        case .fileReadNoPermission, .fileWriteNoPermission, .fileWriteVolumeReadOnly: return "permission denied"
        case .fileNoSuchFile, .fileReadNoSuchFile: return "no such file or directory"
        case .fileWriteFileExists: return "it is there already"
        case .fileReadInapplicableStringEncoding: return "it is not UTF-8"
        default: return other
        }
    }

    /// An error number of the system's, by the same words.
    static func reason(_ code: Int32) -> String {
        switch code {
        case ENOSPC, EDQUOT: "no space is left"
        case EACCES, EPERM, EROFS: "permission denied"
        case ENOENT: "no such file or directory"
        case EEXIST: "it is there already"
        case EISDIR: "it is a directory"
        case ENOTDIR: "what should be its directory is none"
        default: other
        }
    }

    /// Why a file that was tried in vain cannot be read, as far as it can be seen.
    static func unreadable(_ path: String) -> String {
        let files = FileManager.default
        guard files.fileExists(atPath: path) else { return "no such file" }
        guard !OutputFile.isDirectory(path) else { return "it is a directory" }
        return files.isReadableFile(atPath: path) ? other : "permission denied"
    }
}
