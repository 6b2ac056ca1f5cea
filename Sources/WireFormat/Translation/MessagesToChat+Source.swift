extension MessagesToChat {
    /// What a message of the translation was made of.
    private struct Source {
        /// The content, or the one block of it that a tool's result is.
        var param: String
        /// Those blocks of the content that are in the message, by their places in it.
        var blocks: [(offset: Int, element: JSONValue)]
    }

    /// The client's own name of the field that a field of its translated request comes from. Systems and tools' results
    /// are messages of their own there, so that the others stand elsewhere.
    /// - Parameter param: as an objection to the translation names it; what is no part of a message stays as it is.
    package static func source(of param: String, in request: MessagesRequest) -> String {
        guard let match = param.wholeMatch(of: #/messages\[(\d+)\](.*)/#), let number = Int(match.1) else {
            return param
        }
        let found = sources(request.document.root)
        guard found.indices.contains(number) else { return param }
        return name(String(match.2), in: found[number]) ?? param
    }

    /// As `translate` lays the messages out.
    private static func sources(_ root: JSONValue) -> [Source] {
        var found: [Source] = []
        func add(_ content: JSONValue, _ param: String) {
            let blocks = Array(content.elements.enumerated())
            let results = blocks.prefix { $0.element["type"]?.string == "tool_result" }
            found += results.map { Source(param: "\(param)[\($0.offset)]", blocks: []) }
            let others = Array(blocks.dropFirst(results.count))
            if content.string != nil || !others.isEmpty { found.append(Source(param: param, blocks: others)) }
        }
        if let system = RequestField.given(root["system"]) { add(system, "system") }
        for (index, message) in (root["messages"]?.elements ?? []).enumerated() {
            guard let content = message["content"] else { continue }
            let param = "messages[\(index)].content"
            if message["role"]?.string == "assistant" {
                found.append(Source(param: param, blocks: Array(content.elements.enumerated())))
            } else {
                add(content, param)
            }
        }
        return found
    }

    /// - Parameter field: what stands behind the message: `.content[0].image_url.url`.
    private static func name(_ field: String, in source: Source) -> String? {
        if field == ".content" { return source.param }
        if field == ".tool_call_id" { return "\(source.param).tool_use_id" }
        if let match = field.wholeMatch(of: #/\.content\[(\d+)\](.*)/#) {
            // The thoughts and calls of a turn stand beside its content there.
            let parts = source.blocks.filter { ["text", "image"].contains($0.element["type"]?.string) }
            guard let place = Int(match.1), parts.indices.contains(place) else { return nil }
            let (offset, block) = parts[place]
            return "\(source.param)[\(offset)]" + inBlock(String(match.2), block)
        }
        if let match = field.wholeMatch(of: #/\.tool_calls\[(\d+)\](.*)/#) {
            let calls = source.blocks.filter { $0.element["type"]?.string == "tool_use" }
            guard let place = Int(match.1), calls.indices.contains(place) else { return nil }
            let names = [".function.arguments": ".input", ".function.name": ".name"]
            return "\(source.param)[\(calls[place].offset)]" + (names[String(match.2)] ?? String(match.2))
        }
        return nil
    }

    private static func inBlock(_ field: String, _ block: JSONValue) -> String {
        guard field.hasPrefix(".image_url") else { return field }
        // Of an image that is in the request the URL is made of its type and its bytes: the bytes are never read.
        return block["source"]?["type"]?.string == "url" ? ".source.url" : ".source.media_type"
    }
}
