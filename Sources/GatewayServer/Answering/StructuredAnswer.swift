internal import GatewayCore
internal import WireFormat

/// Answers a request with tools, or for an answer by a schema, on a boosted route.
///
/// Such an answer is drafted whole and judged whole, since half a call is of no use; where the router wants the LLM,
/// that gets the client's own request, with its tools and its schema. An SLM whose template has no form for tools
/// that is known here is not asked: nothing that a client gave is left out.
struct StructuredAnswer: Sendable {
    let job: AnswerJob
    let chat: ChatCompletionRequest
    let structure: AnswerStructure
    let route: RouteRecord
    let strategy: StrategyKind

    func run() async {
        var form = StructuredForm(structure: structure, format: nil, requestID: job.requestIDText)
        if structure.needsTools {
            let models = RouteModels(job.services, route: route)
            do {
                form.format = try await models.slm().toolCallFormat()
            } catch {
                let failure = (error as? LocalModelError) ?? .interrupted
                return await elsewhere("the SLM cannot be asked", .localModel(failure))
            }
            guard form.format != nil, form.canForce else { return await elsewhere("the SLM cannot take tools", nil) }
        }
        var answer = BoostedAnswer(
            job: job, chat: chat, route: route, strategy: strategy == .bestOfN ? .bestOfN : .cascade)
        answer.form = form
        await answer.run()
    }

    /// The paid model answers instead, if the route may and the answer is worth something.
    private func elsewhere(_ reason: String, _ failure: GatewayRefusal?) async {
        guard let refusal = job.refusalToPay(for: "tools", parameter: "tools", on: route) else {
            return await DirectAnswer(job: job, model: route.llm, route: route.name, reason: reason).run()
        }
        await job.refuse(failure ?? refusal, route: route.name)
    }
}

/// How an SLM is made to answer with calls of tools or by a schema, and how its answer is read.
struct StructuredForm: Sendable {
    let structure: AnswerStructure
    /// How the SLM writes calls of tools.
    var format: ToolCallFormat?
    let requestID: String

    /// Whether a call that must be made can be: a schema with references has its meaning in its own place only.
    var canForce: Bool {
        structure.choice != .required || !structure.callable.contains { $0.parameters.contains("\"$ref\"") }
    }

    /// What the SLM is told beyond the conversation.
    func prepare(_ request: inout DraftRequest) {
        request.boundary = nil
        request.tools = structure.tools
        request.sampling.jsonSchema = structure.choice == .required ? callSchema : structure.schema
        // A stop string ends a text. A call that must be made has none, and cut within its arguments it is no call.
        if structure.choice == .required { request.stop = [] }
    }

    /// A call of one of the tools, as the template writes it.
    private var callSchema: String {
        let arguments = format == .plain ? "parameters" : "arguments"
        var out = JSONWriter()
        out.beginObject()
        out.key("anyOf")
        out.beginArray()
        for tool in structure.callable {
            out.beginObject()
            out.member("type", "object")
            out.key("properties")
            out.beginObject()
            out.key("name")
            out.beginObject()
            out.member("const", tool.name)
            out.endObject()
            out.key(arguments)
            out.raw(tool.parameters.utf8)
            out.endObject()
            out.key("required")
            out.beginArray()
            out.string("name")
            out.string(arguments)
            out.endArray()
            out.endObject()
        }
        out.endArray()
        out.endObject()
        return String(decoding: out.bytes, as: UTF8.self)
    }

    /// The turn in what the SLM wrote; nil: it is none that could be used.
    func turn(_ answer: String) -> AssistantTurn? {
        guard let format, structure.tools != nil else { return AssistantTurn(text: answer) }
        // Ids have at most 40 characters in OpenAI's format.
        let prefix = "call_" + requestID.filter { $0 != "-" }
        let reader = ToolCallReader(format: format, tools: Set(structure.callable.map(\.name)), prefix: prefix)
        guard let turn = reader.turn(answer), structure.isParallel || turn.calls.count < 2 else { return nil }
        return structure.choice == .required && turn.calls.isEmpty ? nil : turn
    }
}
