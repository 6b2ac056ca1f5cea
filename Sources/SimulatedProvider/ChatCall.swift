internal import Hummingbird
internal import Logging
internal import NIOCore

/// One accepted call: writes the answer the way the faults want it, and sees to it that the bill has its line before
/// the caller has the end.
struct ChatCall: Sendable {
    /// The connection is cut on purpose, by failing the response's body.
    struct Cut: Error {}

    var number: Int
    /// The caller's `x-request-id`.
    var requestID: String
    var request: ChatRequest
    var model: SimulatedModel
    var faults: CallFaults
    var reply: SimulatedReply
    var json: any WireJSON
    var wire: SimulatedWire
    var bill: SimulatedBill
    var logger: Logger

    var input: Int { request.inputTokens }
    /// What the whole answer counts, and so is reported and charged.
    var output: Int {
        if wire == .embeddings { return 0 }
        return faults.overcharge.map { max(request.maxTokens, reply.outputTokens) + $0 } ?? reply.outputTokens
    }

    /// What was read from the cache and written to it is never more than the input.
    private func counts(output: Int) -> SimulatedUsage {
        var usage = SimulatedUsage(input: input, output: output, thinking: min(output, reply.thinkingTokens))
        var left = input
        let (short, long) = wire.tellsCacheWrites ? (faults.cacheWrite5m, faults.cacheWrite1h) : (0, 0)
        for (path, wanted) in [
            (\SimulatedUsage.cached, faults.cached), (\.cacheWrite5m, short), (\.cacheWrite1h, long),
        ] {
            usage[keyPath: path] = min(left, wanted)
            left -= min(left, wanted)
        }
        return usage
    }

    /// The usage that the answer reports at its end.
    private var reported: SimulatedUsage? {
        switch faults.usage {
        case .missing: nil
        case .zero: SimulatedUsage()
        case .normal, .twice, .withChoices: counts(output: output)
        }
    }

    func charge(output: Int, finished: Bool) async throws {
        let usage = counts(output: output)
        guard let amount = model.nanoUSD(usage) else {
            logger.error("a charge does not fit", metadata: ["call": "\(number)"])
            throw Cut()
        }
        do {
            try await bill.charge(
                .init(
                    requestID: requestID, call: number, model: model.name, inputTokens: input, outputTokens: output,
                    nanoUSD: amount, finished: finished, cachedTokens: usage.cached > 0 ? usage.cached : nil,
                    cacheWriteTokens: usage.cacheWrite5m > 0 ? usage.cacheWrite5m : nil,
                    cacheWrite1hTokens: usage.cacheWrite1h > 0 ? usage.cacheWrite1h : nil))
        } catch {
            logger.error("the bill cannot be written", metadata: ["call": "\(number)", "error": "\(error)"])
            throw error
        }
    }

    /// The answer, from the head on.
    func body() -> ResponseBody {
        ResponseBody { writer in
            if faults.isHeadOnly {
                try await charge(output: 0, finished: false)
                throw Cut()
            }
            if faults.firstByte > 0 { try await pause(faults.firstByte, generated: 0) }
            if request.isStream {
                try await stream(&writer)
            } else {
                try await whole(&writer)
            }
            try await writer.finish(nil)
        }
    }

    /// Waits; a caller or a server that goes away meanwhile ends the call, charged for what was generated.
    private func pause(_ milliseconds: Int, generated: Int) async throws {
        do {
            try await Task.sleep(for: .milliseconds(milliseconds))
        } catch {
            try await charge(output: generated, finished: false)
            throw error
        }
    }

    @concurrent private func whole(_ writer: inout any ResponseBodyWriter) async throws {
        if faults.trickle > 0 { try await pause(faults.trickle * reply.pieces.count, generated: 0) }
        let text = faults.isGarbage ? "{\"id\": nonsense" : json.whole(reply, usage: reported)
        if let chunks = faults.dropAfter, chunks < max(1, reply.pieces.count) {
            try await charge(output: reply.outputTokens(chunks: chunks), finished: false)
            try await writer.write(ByteBuffer(string: String(text.prefix(text.count / 2))))
            throw Cut()
        }
        try await charge(output: output, finished: true)
        try await writer.write(ByteBuffer(string: text))
    }

    @concurrent private func stream(_ writer: inout any ResponseBodyWriter) async throws {
        var sent = 0
        do {
            let start = json.first(reported, isStale: faults.isStale)
            try await writer.write(json.encoded(start))
            for event in json.events(reply.pieces) {
                if faults.dropAfter == sent { break }
                if faults.trickle > 0 { try await Task.sleep(for: .milliseconds(faults.trickle)) }
                if sent == reply.pieces.count / 2 { try await writeMidway(&writer, sent: sent) }
                // Generated, whether or not it arrives.
                sent += 1
                try await writer.write(json.encoded(event))
            }
        } catch {
            // The caller left.
            try await charge(output: reply.outputTokens(chunks: sent), finished: false)
            throw error
        }
        if let limit = faults.dropAfter, limit == sent {
            try await charge(output: reply.outputTokens(chunks: sent), finished: false)
            throw Cut()
        }
        try await charge(output: output, finished: true)
        let usage = request.includesUsage ? reported : nil
        let end = json.end(reply, usage: usage, isInChoices: faults.usage == .withChoices)
        try await writer.write(json.encoded(end))
    }

    @concurrent private func writeMidway(_ writer: inout any ResponseBodyWriter, sent: Int) async throws {
        if faults.isGarbage { try await writer.write(json.encoded(json.garbage)) }
        if faults.usage == .twice, request.includesUsage {
            let usage = counts(output: reply.outputTokens(chunks: sent))
            try await writer.write(json.encoded(json.midway(usage)))
        }
    }
}
