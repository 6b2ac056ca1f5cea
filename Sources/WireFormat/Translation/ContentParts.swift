/// Parts of a message's content in OpenAI's form and blocks in Anthropic's, one as the other.
enum ContentParts {
    /// A text block.
    static func text(_ text: String, cache: JSONValue?) -> [UInt8] {
        var out = JSONWriter(reserving: text.utf8.count + 64)
        out.beginObject()
        out.member("type", "text")
        out.member("text", text)
        append(cache, to: &out)
        out.endObject()
        return out.bytes
    }

    private static func append(_ cache: JSONValue?, to out: inout JSONWriter) {
        guard let cache else { return }
        out.key("cache_control")
        out.raw(cache.rawBytes)
    }

    /// An OpenAI part as an Anthropic block.
    /// - Parameter cache: of the message, where the part has none of its own.
    static func block(_ part: JSONValue, _ param: String, cache: JSONValue?) throws(WireFormatError) -> [UInt8] {
        let mark = RequestField.given(part["cache_control"]) ?? cache
        switch part["type"]?.string {
        case "text", "refusal":
            let name = part["type"]?.string ?? "text"
            try RequestField.refuseOthers(of: part, than: ["type", name, "cache_control"], in: param)
            return text(try RequestField.required(part[name], "\(param).\(name)"), cache: mark)
        case "image_url":
            try RequestField.refuseOthers(of: part, than: ["type", "image_url", "cache_control"], in: param)
            return try image(part["image_url"], "\(param).image_url", cache: mark)
        case let type:
            throw RequestField.untranslatable("\(param).type", "'\((type ?? "").prefix(40))' has no equal there")
        }
    }

    private static func image(
        _ value: JSONValue?, _ param: String, cache: JSONValue?
    ) throws(WireFormatError) -> [UInt8] {
        guard let value = try RequestField.object(value, param) else { throw RequestField.missing(param) }
        let detail = try RequestField.string(value["detail"], "\(param).detail") ?? "auto"
        guard detail == "auto" else { throw RequestField.untranslatable("\(param).detail", "it has no equal there") }
        let url = try RequestField.required(value["url"], "\(param).url")
        var out = JSONWriter(reserving: url.utf8.count + 128)
        out.beginObject()
        out.member("type", "image")
        out.key("source")
        out.beginObject()
        if url.hasPrefix("data:") {
            let halves = url.dropFirst("data:".count).split(separator: ",", maxSplits: 1)
            guard halves.count == 2, halves[0].hasSuffix(";base64") else {
                throw RequestField.bad("\(param).url", "expected 'data:image/…;base64,…'")
            }
            out.member("type", "base64")
            out.member("media_type", String(halves[0].dropLast(";base64".count)))
            out.member("data", String(halves[1]))
        } else {
            out.member("type", "url")
            out.member("url", url)
        }
        out.endObject()
        append(cache, to: &out)
        out.endObject()
        return out.bytes
    }

    /// An Anthropic text or image block as an OpenAI part.
    /// - Parameter keepsCache: `cache_control` is in it. Most providers of this format keep what prompts begin with by
    ///   themselves, and some refuse the word.
    static func part(_ block: JSONValue, _ param: String, keepsCache: Bool) throws(WireFormatError) -> [UInt8] {
        var out = JSONWriter(reserving: block.rawBytes.count + 64)
        out.beginObject()
        switch block["type"]?.string {
        case "text":
            try RequestField.refuseOthers(of: block, than: ["type", "text", "cache_control"], in: param)
            out.member("type", "text")
            out.member("text", try RequestField.required(block["text"], "\(param).text"))
        case "image":
            try RequestField.refuseOthers(of: block, than: ["type", "source", "cache_control"], in: param)
            out.member("type", "image_url")
            out.key("image_url")
            out.beginObject()
            out.member("url", try url(block["source"], "\(param).source"))
            out.endObject()
        case let type:
            throw RequestField.untranslatable("\(param).type", "'\((type ?? "").prefix(40))' has no equal there")
        }
        if keepsCache { append(RequestField.given(block["cache_control"]), to: &out) }
        out.endObject()
        return out.bytes
    }

    private static func url(_ source: JSONValue?, _ param: String) throws(WireFormatError) -> String {
        switch source?["type"]?.string {
        case "url": return try RequestField.required(source?["url"], "\(param).url")
        case "base64":
            let type = try RequestField.required(source?["media_type"], "\(param).media_type")
            return "data:\(type);base64,\(try RequestField.required(source?["data"], "\(param).data"))"
        case let type:
            throw RequestField.untranslatable("\(param).type", "'\((type ?? "").prefix(40))' has no equal there")
        }
    }
}
