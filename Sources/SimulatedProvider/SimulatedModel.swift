/// A model that the simulated provider sells.
package struct SimulatedModel: Hashable, Sendable {
    package var name: String
    /// Pico-dollars per token: $1 per million tokens is 1,000,000.
    package var inputPicoPerToken: Int64
    package var outputPicoPerToken: Int64
    /// Share of questions answered right, before the server's own `accuracy` is multiplied in.
    package var accuracy: Double

    package init(name: String, inputPicoPerToken: Int64, outputPicoPerToken: Int64, accuracy: Double) {
        self.name = name
        self.inputPicoPerToken = inputPicoPerToken
        self.outputPicoPerToken = outputPicoPerToken
        self.accuracy = accuracy
    }

    /// $10 and $30 per million tokens in and out; right as often as the server's accuracy says.
    package static let large = SimulatedModel(
        name: "sim-large", inputPicoPerToken: 10_000_000, outputPicoPerToken: 30_000_000, accuracy: 1)
    /// $2.50 and $10; nine in ten.
    package static let medium = SimulatedModel(
        name: "sim-medium", inputPicoPerToken: 2_500_000, outputPicoPerToken: 10_000_000, accuracy: 0.9)
    /// $0.15 and $0.60; seven in ten.
    package static let small = SimulatedModel(
        name: "sim-small", inputPicoPerToken: 150_000, outputPicoPerToken: 600_000, accuracy: 0.7)
    /// $1.25 and $10, as general LLMs of 2025 were listed; right as often as the server's accuracy says.
    package static let frontier = SimulatedModel(
        name: "sim-frontier", inputPicoPerToken: 1_250_000, outputPicoPerToken: 10_000_000, accuracy: 1)
    package static let all = [large, medium, small, frontier]

    /// Tokens that a text of this many UTF-8 bytes counts: a quarter, rounded up. A prompt counts one at least. So a
    /// count is never above the number of bytes, the bound that a gateway without this tokenizer must assume.
    package static func tokens(utf8Bytes: Int) -> Int { (max(0, utf8Bytes) + bytesPerToken - 1) / bytesPerToken }
    package static let bytesPerToken = 4

    /// The charge in nano-dollars, rounded up once; nil if it does not fit.
    ///
    /// Counted in 128 bits, and on purpose not with the gateway's own price arithmetic: a bill that shares its
    /// subject's code would share its mistakes.
    package func nanoUSD(inputTokens: Int, outputTokens: Int) -> Int64? {
        nanoUSD(SimulatedUsage(input: inputTokens, output: outputTokens))
    }

    /// A token from the cache costs a tenth of one of input, one written to it five quarters, and for an hour two.
    func nanoUSD(_ usage: SimulatedUsage) -> Int64? {
        let plain = usage.input - usage.cached - usage.cacheWrite5m - usage.cacheWrite1h
        let hundredths =
            Int128(plain) * 100 + Int128(usage.cached) * 10 + Int128(usage.cacheWrite5m) * 125
            + Int128(usage.cacheWrite1h) * 200
        let pico = hundredths * Int128(inputPicoPerToken) / 100 + Int128(usage.output) * Int128(outputPicoPerToken)
        return Int64(exactly: (pico + 999) / 1000)
    }
}
