/// The question that an escalation puts to a general LLM: a conversation, the steps accepted so far, and whether one
/// more step or the whole rest is wanted.
///
/// A chat API has no "next step" call, so everything stands in the LAST message, which is always a user message:
///
///     <the user's own text>
///
///     ### Steps accepted so far
///     <accepted steps, byte for byte as they were accepted>
///
///     ### Task
///     <the instruction for a step, or for the rest>
///
/// A conversation that does not end with a user message gets a further user message with the same layout and an empty
/// first part. What changes from call to call stands at the end: up to the last accepted step the messages are
/// byte-identical from step to step, which is what providers discount as cached input.
///
/// The rest of an answer of which nothing is accepted yet is the whole answer: then the LLM is asked the client's own
/// question, as if there were no SLM. It costs what a direct call costs; of a short question the headings and the
/// instruction are more than the question itself.
package struct EscalationPrompt: Hashable, Sendable {
    /// One message of the conversation as the client gave it.
    package struct Message: Hashable, Sendable {
        /// "system", "user" or "assistant".
        package var role: String
        /// Plain text.
        package var content: String
        package init(role: String, content: String) {
            self.role = role
            self.content = content
        }
    }

    /// What is asked for.
    package enum Ask: Hashable, Sendable, CaseIterable { case step, rest }

    /// Stands on a line of its own before the accepted steps, also when there are none yet.
    package static let stepsHeading = "### Steps accepted so far"
    /// Stands on a line of its own before the instruction.
    package static let taskHeading = "### Task"
    /// What a model writes behind the step that ends the answer.
    package static let endMark = "[END]"
    /// Last part of the last message when one step is wanted.
    package static let nextStepInstruction =
        "Write only the next single step of the answer above, in the style of its steps, and nothing else. If it "
        + "completes the answer, put [END] directly behind it."
    /// Last part of the last message when the rest is wanted.
    package static let restInstruction =
        "Write the rest of the answer above, up to the final answer, in the style of its steps and repeating none."

    /// The model's name at the provider.
    package var model: String
    /// The conversation as the client gave it.
    package var messages: [Message]
    /// Each with the boundary that ended it, exactly as accepted.
    package var acceptedSteps: [String]
    /// The first of these where the client wrote it and nothing stands behind it: a few words, which models that go on
    /// from them like to say again; nil: it is not so.
    package var opening: String?
    /// What divides steps, e.g. a newline; nil where it is not a fixed text.
    package var separator: String?
    /// Whether the separator is sent as `stop` when a step is wanted. Reasoning models refuse `stop`.
    package var sendsStop: Bool
    /// The client's own stop strings, sent with its own question: what would come after them is paid for and cut off.
    /// With another question they might end the reply early, in a step that is said again.
    package var clientStop: [String] = []
    /// Exactly what the hold was taken for.
    package var maxTokens: Int
    /// nil: the provider's default.
    package var temperature: Double?
    /// How hard a model that thinks is to think; nil: as it likes.
    package var effort: String?

    package init(
        model: String, messages: [Message], acceptedSteps: [String], separator: String?, sendsStop: Bool = true,
        maxTokens: Int, temperature: Double? = nil
    ) {
        self.model = model
        self.messages = messages
        self.acceptedSteps = acceptedSteps
        self.separator = separator
        self.sendsStop = sendsStop
        self.maxTokens = maxTokens
        self.temperature = temperature
    }

    /// Stop strings that all providers take in one request.
    private static let mostStops = 4

    /// Whether the whole answer is wanted, so that the LLM is asked what the client asked.
    private func isClientsQuestion(_ ask: Ask) -> Bool {
        ask == .rest && acceptedSteps.allSatisfy(\.isEmpty) && messages.last?.role == "user"
    }

    private func stops(for ask: Ask) -> [String] {
        guard sendsStop else { return [] }
        let wanted = ask == .step ? [separator ?? ""] : isClientsQuestion(ask) ? clientStop : []
        return Array(wanted.filter { !$0.isEmpty }.prefix(Self.mostStops))
    }

    /// The messages as sent.
    package func messages(for ask: Ask) -> [Message] {
        var sent = messages
        if isClientsQuestion(ask) { return sent }
        if sent.last?.role != "user" { sent.append(Message(role: "user", content: "")) }
        let instruction = ask == .step ? Self.nextStepInstruction : Self.restInstruction
        sent[sent.count - 1].content +=
            "\n\n\(Self.stepsHeading)\n\(acceptedSteps.joined())\n\n\(Self.taskHeading)\n\(instruction)"
        return sent
    }

    /// The complete body of a chat-completions request, as `PaidCall.body` wants it.
    package func body(for ask: Ask, stream: Bool) -> [UInt8] {
        var json = JSONWriter(reserving: 1024)
        json.beginObject()
        json.member("model", model)
        json.key("messages")
        json.beginArray()
        for message in messages(for: ask) {
            json.beginObject()
            json.member("role", message.role)
            json.member("content", message.content)
            json.endObject()
        }
        json.endArray()
        json.member("max_tokens", Int64(maxTokens))
        if let temperature, temperature.isFinite {
            json.key("temperature")
            json.double(temperature)
        }
        if let effort { json.member("reasoning_effort", effort) }
        let stops = stops(for: ask)
        if !stops.isEmpty {
            json.key("stop")
            json.beginArray()
            for stop in stops { json.string(stop) }
            json.endArray()
        }
        if stream {
            json.member("stream", true)
            json.key("stream_options")
            json.beginObject()
            json.member("include_usage", true)
            json.endObject()
        }
        json.endObject()
        return json.bytes
    }
}

extension EscalationPrompt {
    /// The three parts of a last message that `messages(for:)` made.
    package struct Parts: Hashable, Sendable {
        /// The user's own text.
        package var question: String
        /// The accepted steps, as they were accepted.
        package var steps: String
        /// What is wanted.
        package var ask: Ask
        package init(question: String, steps: String, ask: Ask) {
            self.question = question
            self.steps = steps
            self.ask = ask
        }
    }

    /// Takes a last message apart again; nil: it is not an escalation's. What a simulated provider reads.
    ///
    /// The last heading counts, so a question that quotes the layout is not mistaken for it.
    package static func parts(ofLastMessage content: String) -> Parts? {
        for ask in Ask.allCases {
            let tail = "\n\n\(taskHeading)\n\(ask == .step ? nextStepInstruction : restInstruction)"
            guard content.utf8.count >= tail.utf8.count, content.hasSuffix(tail) else { continue }
            let front = content.utf8.dropLast(tail.utf8.count)
            let mark = Array("\n\n\(stepsHeading)\n".utf8)
            guard let cut = Array(front).lastRange(of: mark) else { return nil }
            return Parts(
                question: String(decoding: front.prefix(cut.lowerBound), as: UTF8.self),
                steps: String(decoding: front.dropFirst(cut.upperBound), as: UTF8.self), ask: ask)
        }
        return nil
    }
}

extension Array where Element == UInt8 {
    /// Where `pattern` stands last.
    fileprivate func lastRange(of pattern: [UInt8]) -> Range<Int>? {
        guard !pattern.isEmpty, count >= pattern.count else { return nil }
        for start in stride(from: count - pattern.count, through: 0, by: -1)
        where self[start..<start + pattern.count].elementsEqual(pattern) { return start..<start + pattern.count }
        return nil
    }
}
