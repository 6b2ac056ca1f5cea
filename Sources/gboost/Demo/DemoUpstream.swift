internal import GatewayCore

/// The paid API that the demo escalates to: OpenAI's or Anthropic's where a key for it is in the environment, else the
/// simulated one.
struct DemoUpstream: Sendable {
    enum API: Hashable, Sendable { case simulated, openAI, anthropic }

    let simulatedPort: Int
    let api: API

    init(simulatedPort: Int, environment: [String: String], isCheck: Bool) {
        func has(_ name: String) -> Bool { environment[name]?.isEmpty == false }
        self.simulatedPort = simulatedPort
        // A check spends nobody's money.
        api =
            isCheck
            ? .simulated : has("OPENAI_API_KEY") ? .openAI : has("ANTHROPIC_API_KEY") ? .anthropic : .simulated
    }

    /// Models that take the temperature which the demo's questions have.
    var llm: ModelReference {
        switch api {
        case .simulated: ModelReference(provider: "sim", model: "sim-large")
        case .openAI: ModelReference(provider: "openai", model: "gpt-4o")
        case .anthropic: ModelReference(provider: "claude", model: "claude-sonnet-4-6")
        }
    }

    /// USD per million tokens in and out, of `llm`, as the vendors' lists had it in November 2026.
    var price: (input: String, output: String) {
        switch api {
        case .simulated: ("10", "30")
        case .openAI: ("2.50", "10.00")
        case .anthropic: ("3.00", "15.00")
        }
    }

    /// The company and the variable with its key; nil: no money is real.
    var vendor: (name: String, variable: String)? {
        switch api {
        case .simulated: nil
        case .openAI: ("OpenAI", "OPENAI_API_KEY")
        case .anthropic: ("Anthropic", "ANTHROPIC_API_KEY")
        }
    }

    /// The configuration's list.
    var providers: String {
        let simulated = "  - { name: sim, kind: openai, base_url: \"http://127.0.0.1:\(simulatedPort)/v1\" }"
        guard let vendor else { return simulated }
        let kind = api == .anthropic ? "anthropic" : "openai"
        return simulated
            + "\n  - { name: \(llm.provider), kind: \(kind), api_key: \"env:\(vendor.variable)\" }"
    }

    var notice: String {
        guard let vendor else {
            return "==> escalations go to the simulated provider on port \(simulatedPort): they cost nothing real"
        }
        return "==> \(vendor.variable) is set: escalations go to \(vendor.name)'s \(llm.model) and cost real money, "
            + "$5 at most"
    }
}
