/// The answer of `GET /v1/models`.
package struct ModelList: Hashable, Sendable {
    /// One model that the caller may name.
    package struct Entry: Hashable, Sendable {
        package var id: String
        /// Unix time in seconds; 0 where it is not known.
        package var created: Int64
        package var owner: String
        package init(id: String, created: Int64 = 0, owner: String) {
            self.id = id
            self.created = created
            self.owner = owner
        }
    }
    package var entries: [Entry]
    package init(_ entries: [Entry]) { self.entries = entries }

    /// The whole body.
    package var body: [UInt8] {
        var writer = JSONWriter(reserving: 64 + entries.count * 96)
        writer.beginObject()
        writer.member("object", "list")
        writer.key("data")
        writer.beginArray()
        for entry in entries { entry.write(to: &writer) }
        writer.endArray()
        writer.endObject()
        return writer.bytes
    }

    /// The same list as Anthropic's clients read it, all on one page.
    package var anthropicBody: [UInt8] {
        var writer = JSONWriter(reserving: 64 + entries.count * 128)
        writer.beginObject()
        writer.key("data")
        writer.beginArray()
        for entry in entries { entry.writeForAnthropic(to: &writer) }
        writer.endArray()
        writer.member("has_more", false)
        writer.member("first_id", entries.first?.id)
        writer.member("last_id", entries.last?.id)
        writer.endObject()
        return writer.bytes
    }
}

extension ModelList.Entry {
    /// The answer of `GET /v1/models/{model}`.
    package var body: [UInt8] {
        var writer = JSONWriter()
        write(to: &writer)
        return writer.bytes
    }

    /// The same as Anthropic's clients read it.
    package var anthropicBody: [UInt8] {
        var writer = JSONWriter()
        writeForAnthropic(to: &writer)
        return writer.bytes
    }

    fileprivate func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("id", id)
        writer.member("object", "model")
        writer.member("created", created)
        writer.member("owned_by", owner)
        writer.endObject()
    }

    fileprivate func writeForAnthropic(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("type", "model")
        writer.member("id", id)
        writer.member("display_name", id)
        // When it was made is not known; the field may not be missing.
        writer.member("created_at", "1970-01-01T00:00:00Z")
        writer.endObject()
    }
}
