internal import GatewayCore
internal import Outbox
internal import Synchronization
internal import WireFormat

/// How many copies of requests are under way in a gateway; further ones are not sent.
package final class MirrorAllowance: Sendable {
    /// Each keeps a request in memory until its answer has ended.
    static let most = 32
    /// A larger request is not copied, which bounds what all of them together keep.
    static let maxBodyBytes = 1 << 20
    private let running = Mutex(0)

    package init() {}

    /// Takes a place; false where there is none.
    func take() -> Bool {
        running.withLock { count in
            guard count < Self.most else { return false }
            count += 1
            return true
        }
    }

    func giveBack() { running.withLock { $0 -= 1 } }
}

/// A copy of an answered request, asked of another model so that the two can be compared before anybody moves.
///
/// It is a paid call like any other: held, priced, settled and recorded under the request's id, as its step 1. It comes
/// after the client has its answer, is tried once, and whatever becomes of it changes nothing for the client.
struct MirroredCall: Sendable {
    /// The request's own call is step 0.
    static let step: Int16 = 1

    /// How it ended, for the metric.
    private enum Outcome: String {
        case answered
        case failed
        /// By a budget or a limit, or there is no price.
        case refused
        /// The model's format cannot say what the request says.
        case unsuitable
        /// Too many others were under way, or the request is too large.
        case dropped
    }

    let job: AnswerJob
    /// What answered the client.
    let served: ModelReference
    let model: ModelReference

    /// Sends a copy where the model's group asks for one and chance says it is this request's turn.
    /// - Parameters:
    ///   - named: the model that the request was for.
    ///   - served: the deployment that answered it.
    static func begin(for job: AnswerJob, named: ModelReference, served: ModelReference) {
        guard let mirror = job.services.deployments.mirror(of: named), mirror.model != served else { return }
        let call = MirroredCall(job: job, served: served, model: mirror.model)
        // So that the first copy is seen as such: a counter that begins with 1 did not rise.
        call.count(.answered, 0)
        // A bound that the client has set is for what the client asked for.
        guard job.options.maxCost == nil, Double.random(in: 0..<1) < mirror.share else { return }
        guard job.request.body.count <= MirrorAllowance.maxBodyBytes, job.services.mirrors.take() else {
            return call.count(.dropped)
        }
        job.services.activity.trail {
            let outcome = await call.run()
            call.job.services.mirrors.giveBack()
            call.count(outcome)
        }
    }

    private func count(_ outcome: Outcome, _ number: Double = 1) {
        job.services.metrics.registry.add(
            "gboost_mirrored_calls_total", number, [model.provider, outcome.rawValue])
    }

    private func run() async -> Outcome {
        var hop = job.hop
        // Nobody asked for this call: that it was refused is no news.
        hop.notices = NoNotices()
        hop.refused = RefusedCalls()
        let direct = DirectAnswer(job: job, model: model, route: nil, reason: "mirror of \(served)")
        do {
            var offer = try direct.offer(model)
            offer.plan.id = HoldID(request: job.requestID, step: Self.step, attempt: 0)
            let (held, _, exchange) = try await hop.attempt(offer.plan, record: offer.record, make: offer.make)
            return await finish(held, exchange, direct, hop)
        } catch let refusal as PaidRefusal {
            guard case .provider(let failure, _) = refusal, !failure.isLeftAlone else { return .refused }
            return .failed
        } catch {
            return .unsuitable
        }
    }

    /// Reads the answer to its end, for its usage.
    private func finish(
        _ held: HeldCall, _ exchange: any PaidExchange, _ direct: DirectAnswer, _ hop: PaidHop
    ) async -> Outcome {
        var answer = HashedAnswer(job)
        var failure: ProviderError?
        do {
            while let chunk = try await exchange.next() { answer.add(chunk.text) }
        } catch {
            failure = PaidHop.providerError(error)
        }
        await hop.settle(
            held, result: await exchange.result, failure: failure,
            escalation: direct.escalation(answerHash: answer.hash))
        job.capture(held.plan.id, prompt: job.request.body, answer: answer.text)
        return failure == nil ? .answered : .failed
    }
}
