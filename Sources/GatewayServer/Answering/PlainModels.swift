internal import GatewayCore
internal import Synchronization

/// Models that refused a question for its `temperature` or its `stop`: from then on they are asked without either.
///
/// For names that say nothing of the model, as a deployment's. A gateway forgets them when it ends; to learn one anew
/// costs a refused call, which no provider charges for.
final class PlainModels: Sendable {
    /// Of more than these the oldest is forgotten.
    static let most = 256
    private let models = Mutex<[ModelReference]>([])

    func contains(_ model: ModelReference) -> Bool { models.withLock { $0.contains(model) } }

    /// False: it is known already.
    func add(_ model: ModelReference) -> Bool {
        models.withLock { models in
            guard !models.contains(model) else { return false }
            if models.count == Self.most { models.removeFirst() }
            models.append(model)
            return true
        }
    }
}

extension ProviderError {
    /// Statuses by which a provider says that a field is at fault.
    private static let fieldFaults: Set<Int> = [400, 422]
    /// `temperature` and `stop` in the words of the known formats.
    private static let wishes: Set<String> = ["temperature", "stop", "stop_sequences", "stopsequences"]

    /// The request was refused, and `temperature` or `stop` is named as the reason.
    var namesWish: Bool {
        guard code == .status, let status, Self.fieldFaults.contains(status) else { return false }
        let text = "\(parameter ?? "") \(message)".lowercased()
        let words = text.split(whereSeparator: { !$0.isLetter && $0 != "_" })
        return words.contains { Self.wishes.contains(String($0)) }
    }
}
