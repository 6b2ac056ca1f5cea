internal import GatewayCore
internal import Logging
internal import WireFormat

/// A call as one candidate would get it, ready to be held for.
struct PaidOffer: Sendable {
    var plan: PaidPlan
    /// The request as the candidate takes it.
    var sent: WireRequest
    /// What is recorded of a try that comes to nothing.
    var record: EscalationRecord
    /// It is a question of the gateway's own with `temperature`, `stop` or `reasoning_effort`, and can do without.
    var hasWishes = false
    /// The call for what was held.
    var make: @Sendable (HeldCall) throws(WireFormatError) -> PaidCall
}

/// A held call whose answer has begun.
struct OpenedCall: Sendable {
    var held: HeldCall
    var call: PaidCall
    var exchange: any PaidExchange
    var sent: WireRequest
}

/// Sends a call to the first candidate that answers: each try with a hold of its own. Whom to ask, and whether again,
/// is `FallbackSequence`'s and `RetryPolicy`'s to say.
struct PaidAttempts: Sendable {
    let hop: PaidHop
    let deployments: Deployments
    let tenantID: Int64

    /// - Parameters:
    ///   - isWanted: asked before another try; false once the client has left.
    ///   - prepare: the call as a candidate takes it, or why it cannot.
    func run(
        _ model: ModelReference, isWanted: @autoclosure () -> Bool,
        prepare: (ModelReference) throws -> PaidOffer
    ) async throws -> OpenedCall {
        var sequence = FallbackSequence(
            deployments.candidates(for: model, guards: hop.guards, tenantID: tenantID))
        var action = sequence.first
        var attempt: Int16 = 0
        var failure: (any Error)?
        while true {
            let candidate: ModelReference
            switch action {
            case .call(let next), .retry(let next): candidate = next
            case .deliver, .giveUp: throw failure ?? PaidRefusal.priceUnknown(model)
            }
            do {
                var offer = try prepare(candidate)
                offer.plan.id.attempt = attempt
                let opened = try await open(offer)
                _ = sequence.handle(.answering)
                return opened
            } catch {
                // What a provider said is worth more than why another was not even asked; where none was, what stands
                // in the way of the first: the request is meant for that one.
                if failure == nil || Self.isOfProvider(error) { failure = error }
                if Self.wasHeld(error) { attempt += 1 }
                action = sequence.handle(isWanted() ? Self.event(error, of: candidate) : .clientLeft)
                try await wait(before: action, tries: sequence.tries, error: error, prepare: prepare)
                if case .call = action {
                    hop.metrics.registry.add("gboost_provider_fallbacks_total", 1, [candidate.provider])
                }
            }
        }
    }

    /// Waits before the same candidate is asked again, where the policy allows that; else throws the failure.
    private func wait(
        before action: FallbackSequence.Action, tries: Int, error: any Error,
        prepare: (ModelReference) throws -> PaidOffer
    ) async throws {
        guard case .retry(let model) = action else { return }
        guard case .provider(let failure, _)? = error as? PaidRefusal,
            let wait = hop.guards.retry(
                failure, of: model.provider, attempt: tries - 1, patience: try prepare(model).plan.patience)
        else { throw error }
        hop.metrics.registry.add("gboost_provider_retries_total", 1, [model.provider])
        try await Task.sleep(for: wait)
    }

    private func open(_ offer: PaidOffer) async throws -> OpenedCall {
        let model = offer.plan.model
        let began = ContinuousClock.now
        deployments.began(model)
        do {
            let (held, call, exchange) = try await hop.attempt(offer.plan, record: offer.record, make: offer.make)
            deployments.ended(model, after: .now - began)
            return OpenedCall(held: held, call: call, exchange: exchange, sent: offer.sent)
        } catch {
            if offer.hasWishes { note(error, of: model) }
            if case .failed = Self.event(error, of: model) {
                deployments.ended(model, after: nil)
            } else {
                deployments.withdrawn(model)
            }
            throw error
        }
    }

    /// Learns from a refusal which models are to be asked without `temperature`, `stop` and `reasoning_effort`.
    private func note(_ error: any Error, of model: ModelReference) {
        guard case .provider(let failure, _)? = error as? PaidRefusal, failure.namesWish,
            hop.guards.samplingRefusals.add(model)
        else { return }
        hop.logger.notice(
            "a model refused a question's temperature, stop or effort: it is asked without them for an hour",
            metadata: ["model": "\(model)"])
    }

    /// Whether the try has used up its number: a hold was taken.
    private static func wasHeld(_ error: any Error) -> Bool {
        // The latter: the body could not be made for what was held.
        isOfProvider(error) || error is WireFormatError
    }

    /// Whether a provider was asked and this is what came of it.
    private static func isOfProvider(_ error: any Error) -> Bool {
        guard case .provider(let failure, _)? = error as? PaidRefusal else { return false }
        return !failure.isLeftAlone
    }

    private static func event(_ error: any Error, of model: ModelReference) -> FallbackSequence.Event {
        switch error as? PaidRefusal {
        case .provider(let failure, _)?: failure.isLeftAlone ? .unavailable : .failed(failure)
        case .priceUnknown?, nil: .unavailable
        case .ledger?, .budget?, .limited?, .noBudget?, .ceiling?, .callerRejected?: .refused
        }
    }
}
