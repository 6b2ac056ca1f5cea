extension Decoder {
    /// The fields of a request that takes no others: what a client makes up, the real services refuse by name.
    /// - Parameter complaint: what they say of a field that they do not know.
    func fields<Key: CodingKey & CaseIterable & RawRepresentable<String>>(
        _ keys: Key.Type, orRefuse complaint: (String) -> ChatRequest.Invalid
    ) throws -> KeyedDecodingContainer<Key> {
        let known = Set(Key.allCases.map(\.rawValue))
        for key in try container(keyedBy: AnyKey.self).allKeys where !known.contains(key.stringValue) {
            throw complaint(key.stringValue)
        }
        return try container(keyedBy: keys)
    }
}

private struct AnyKey: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}
