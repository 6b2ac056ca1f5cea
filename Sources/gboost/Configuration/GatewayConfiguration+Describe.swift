extension GatewayConfiguration {
    /// What is in force, for scripts; secrets are references or redacted.
    struct InForce: Encodable {
        struct Value: Encodable {
            var key: String
            var value: String
            var origin: String
        }
        /// The file; nil: there is none.
        var file: String?
        var values: [Value]
    }

    var inForce: InForce {
        InForce(
            file: path,
            values: readings.compactMap { reading in
                reading.text.map { InForce.Value(key: reading.key, value: $0, origin: "\(reading.origin)") }
            })
    }

    /// What is in force, as YAML with the origin of every value; secrets are references or redacted.
    package func describe() -> String {
        var text = path.map { "# \($0)\n" } ?? "# no configuration file\n"
        var section = ""
        var entry = ""
        for reading in readings {
            let parts = reading.key.split(separator: ".").map(String.init)
            guard let first = parts.first, let last = parts.last, let value = reading.text else { continue }
            if first != section {
                section = first
                entry = ""
                text += "\(first):\n"
            }
            var indent = "  "
            if parts.count == 3 {
                indent = "    "
                if parts[1] != entry {
                    entry = parts[1]
                    text += ConfigurationFile.List(rawValue: first) == nil ? "  \(entry):\n" : "  - name: \(entry)\n"
                }
            }
            let line = "\(indent)\(last): \(Self.scalar(value))"
            let padding = String(repeating: " ", count: max(1, 52 - line.count))
            text += "\(line)\(padding)# \(reading.origin)\n"
        }
        if providers.isEmpty { text += "providers: []\n" }
        return text
    }

    /// Quoted where YAML would read something else.
    private static func scalar(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "/"),
                UInt8(ascii: "-"):
                true
            default: false
            }
        }
        if isPlain, !text.hasPrefix("-") { return text }
        let escaped = text.map { character in
            switch character {
            case "\"", "\\": "\\\(character)"
            case "\n": "\\n"
            default: String(character)
            }
        }
        return "\"\(escaped.joined())\""
    }
}
