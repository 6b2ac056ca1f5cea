internal import GatewayCore
internal import WireFormat

/// The beginning that a client of Anthropic's wrote for the answer. To the SLM it is the answer so far, to the PRM and
/// to an LLM a step before all others; to the client it is nothing that it would have to be told again.
extension BoostedAnswer {
    /// nil: there is none, or nothing in it.
    var opening: String? { chat.opening.flatMap { $0.isEmpty ? nil : $0 } }

    /// The steps of the answer, as those read them who go on from them.
    func begun(_ texts: [String]) -> [String] {
        guard let opening else { return texts }
        return [opening] + texts
    }

    /// The same for the SLM.
    func begun(_ answer: [AnswerSegment]) -> [AnswerSegment] {
        guard let opening else { return answer }
        return [.text(opening)] + answer
    }
}
