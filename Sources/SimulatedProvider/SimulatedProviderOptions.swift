package import Foundation

/// Everything that `gboost simulate-provider` may set.
package struct SimulatedProviderOptions: Sendable {
    package var host = "127.0.0.1"
    /// Every wire format that is spoken, for help texts.
    package static let wires = [
        "OpenAI's chat completions, responses, completions and embeddings", "Anthropic's messages",
        "Google's generateContent", "Amazon Bedrock's Converse",
    ]

    /// 0: any free port; ask `SimulatedProviderServer.boundPort()`.
    package var port = 0
    /// nil: any key, or none, is accepted.
    package var apiKey: String?
    /// Share of questions answered right, multiplied with each model's own.
    package var accuracy = 1.0
    /// Of the coins that decide which questions are answered wrong, and how.
    package var seed: UInt64 = 1
    package var models = SimulatedModel.all
    /// nil: nothing is written; `/sim/calls` still counts.
    package var billFile: URL?
    package var faults: [SimulatedFault] = []
    package var maxBodyBytes = 16 << 20
    /// Further calls are refused with 503.
    package var maxConcurrentCalls = 1_024

    package init() {}

    /// Why options cannot be used; nil: they can.
    package var problem: String? {
        if !(0...1).contains(accuracy) { return "accuracy must be between 0 and 1" }
        if !(0...65_535).contains(port) { return "port must be between 0 and 65535" }
        if models.isEmpty { return "at least one model is needed" }
        if Set(models.map(\.name)).count != models.count { return "two models have the same name" }
        if models.contains(where: { $0.inputPicoPerToken < 0 || $0.outputPicoPerToken < 0 }) {
            return "prices must not be negative"
        }
        if faults.count > FaultPlan.maxFaults { return "more than \(FaultPlan.maxFaults) faults" }
        return nil
    }
}
