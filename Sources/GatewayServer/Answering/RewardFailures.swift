internal import FoundationEssentials
internal import GatewayCore
internal import Synchronization

/// PRMs that fail. The SLM's answer goes on without a score, and is not escalated: only the log says why, and says it
/// once for each model and file.
final class RewardFailures: Sendable {
    /// Of more than these the oldest is forgotten.
    static let most = 256

    /// A failure of a model with a file, by its kind: what says why may be another text each time.
    private struct Known: Hashable {
        var tenantID: Int64
        var model: String
        var file: String
        var sha256: String
        var settingsSHA256: String?
        var kind: Int
    }
    private let known = Mutex<[Known]>([])

    /// Whether an operator is to hear of it: not where it passes by itself, nor twice.
    func isNews(_ error: any Error, of record: ModelRecord) -> Bool {
        let kind =
            switch error as? LocalModelError {
            case .overloaded?, .deadlineExceeded?: 0
            case .unavailable?: 1
            case .interrupted?: 2
            case .contextExceeded?: 3
            case .invalid?: 4
            case .unusablePattern?: 5
            case nil: error is CancellationError ? 0 : 6
            }
        guard kind > 0 else { return false }
        let failure = Known(
            tenantID: record.tenantID, model: record.name, file: record.file, sha256: record.sha256,
            settingsSHA256: record.settingsSHA256, kind: kind)
        return known.withLock { known in
            guard !known.contains(failure) else { return false }
            if known.count == Self.most { known.removeFirst() }
            known.append(failure)
            return true
        }
    }
}

/// A PRM whose failures are heard of.
struct HeardRewardModel: ProcessRewardModel {
    let inner: any ProcessRewardModel
    let hear: @Sendable (any Error) -> Void
    var needsHidden: Bool { inner.needsHidden }

    func score(
        session: UUID, messages: [ChatMessage], answer: [String], draft: StepDraft
    ) async throws -> ProcessReward {
        do {
            return try await inner.score(session: session, messages: messages, answer: answer, draft: draft)
        } catch {
            hear(error)
            throw error
        }
    }

    func score(
        session: UUID, messages: [ChatMessage], answer: [String], candidates: [StepDraft]
    ) async throws -> [ProcessReward] {
        do {
            return try await inner.score(
                session: session, messages: messages, answer: answer, candidates: candidates)
        } catch {
            hear(error)
            throw error
        }
    }
}
