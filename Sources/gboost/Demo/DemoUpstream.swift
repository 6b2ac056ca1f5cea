internal import GatewayCore

/// The paid API that the demo escalates to: OpenAI's where a key for it is in the environment, else the simulated one.
struct DemoUpstream: Sendable {
    let simulatedPort: Int
    let usesOpenAI: Bool

    init(simulatedPort: Int, environment: [String: String], isCheck: Bool) {
        self.simulatedPort = simulatedPort
        // A check spends nobody's money.
        usesOpenAI = !isCheck && environment["OPENAI_API_KEY"]?.isEmpty == false
    }

    var llm: ModelReference {
        usesOpenAI
            ? ModelReference(provider: "openai", model: "gpt-4o")
            : ModelReference(provider: "sim", model: "sim-large")
    }

    /// USD per million tokens in and out, of `llm`.
    var price: (input: String, output: String) { usesOpenAI ? ("2.50", "10.00") : ("10", "30") }

    /// The configuration's list.
    var providers: String {
        let simulated = "  - { name: sim, kind: openai, base_url: \"http://127.0.0.1:\(simulatedPort)/v1\" }"
        guard usesOpenAI else { return simulated }
        return simulated + "\n  - { name: openai, kind: openai, api_key: \"env:OPENAI_API_KEY\" }"
    }

    var notice: String {
        usesOpenAI
            ? "==> OPENAI_API_KEY is set: escalations go to OpenAI's \(llm.model) and cost real money, $5 at most"
            : "==> escalations go to the simulated provider on port \(simulatedPort): they cost nothing real"
    }
}
