/// What matters in one event of an OpenAI response's stream, or in a whole response.
package struct ResponsesEvent: Hashable, Sendable {
    /// Events that end a response.
    private static let ends: Set<String> = ["response.completed", "response.incomplete", "response.failed"]

    /// `type` of the event; `object` of a whole response.
    package var type: String
    package var text = ""
    /// "stop", "length" or "tool_calls"; nil while the response goes on.
    package var finishReason: String?
    package var usage: UsageField = .absent
    /// The `usage` object as it stands in the text.
    package var usageText: String?
    package var error: ProviderFault?

    /// Reads the data of one event. Throws on what is not a JSON object.
    package init(event data: [UInt8]) throws(WireFormatError) {
        let root = try JSONDocument(data, limits: .provider).root
        guard root.kind == .object else { throw WireFormatError(.malformedJSON, "An event is not a JSON object.") }
        type = root["type"]?.string ?? ""
        if type == "response.output_text.delta" { text = root["delta"]?.string ?? "" }
        if type == "error" { error = ProviderFault(root["error"] ?? root) }
        if Self.ends.contains(type), let response = root["response"] { read(response) }
    }

    /// Reads a whole body. Throws on what is not a JSON object.
    package init(body: [UInt8]) throws(WireFormatError) {
        let root = try JSONDocument(body, limits: .provider).root
        guard root.kind == .object else { throw WireFormatError(.malformedJSON, "The body is not a JSON object.") }
        type = root["object"]?.string ?? ""
        read(root)
        for item in root["output"]?.elements ?? [] {
            for part in item["content"]?.elements ?? [] { text += part["text"]?.string ?? "" }
        }
    }

    /// What can be told of a whole body that is beyond the limits of a document: what it cost.
    package init(beyondLimits body: [UInt8]) {
        type = "response"
        guard let found = JSONMemberSearch(body).object("usage") else { return }
        usage = (try? JSONDocument(found, limits: .provider)).map { UsageField(responses: $0.root) } ?? .invalid
        usageText = String(decoding: found, as: UTF8.self)
    }

    private mutating func read(_ response: JSONValue) {
        error = ProviderFault(response["error"])
        usage = UsageField(responses: response["usage"])
        usageText = response["usage"]?.objectText
        let calls = (response["output"]?.elements ?? []).contains { $0["type"]?.string == "function_call" }
        finishReason = response["status"]?.string == "incomplete" ? "length" : calls ? "tool_calls" : "stop"
    }
}
