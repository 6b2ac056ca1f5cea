internal import Foundation
internal import Glibc

/// A head file of either format: the file says which.
package enum RewardHeadFile: Hashable, Sendable {
    /// A head on one hidden state, `GBHEAD1`.
    case state(RewardHead)
    /// A head on a whole answer, `GBHEAD2`.
    case answer(AnswerHead)

    /// Reads a head file and checks every field.
    package init(contentsOf path: String) throws(RewardHeadFailure) {
        let data = try Self.data(of: path)
        do throws(RewardHeadFailure) {
            self =
                AnswerHead.isMeant(by: data) ? .answer(try AnswerHead(data: data)) : .state(try RewardHead(data: data))
        } catch {
            throw RewardHeadFailure("reward head \(path): \(error.description)")
        }
    }

    static func data(of path: String) throws(RewardHeadFailure) -> Data {
        var status = stat()
        guard stat(path, &status) == 0 else {
            throw RewardHeadFailure("reward head \(path): \(String(cString: strerror(errno)))")
        }
        // A pipe or a device could be read for ever.
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw RewardHeadFailure("reward head \(path): it is not a regular file")
        }
        guard status.st_size <= RewardHead.maxFileBytes else {
            throw RewardHeadFailure("reward head \(path): larger than \(RewardHead.maxFileBytes) bytes")
        }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw RewardHeadFailure("reward head \(path) cannot be read")
        }
        return data
    }
}
