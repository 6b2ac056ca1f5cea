/// Bounds of one JSON text. Passing one is an error, never a slow parse.
package struct JSONLimits: Hashable, Sendable {
    /// Bytes of the whole text.
    package var maxBytes = 16 * 1024 * 1024
    /// Nested objects and arrays.
    package var maxDepth = 64
    /// Values and keys together.
    package var maxNodes = 500_000
    /// Objects nested up to this deep (the outermost is 1) may not have a key twice. Two parsers that read a
    /// duplicate differently would let a caller hold for one `max_tokens` and send another.
    package var uniqueKeyDepth = 6
    package init() {}

    /// For bodies and chunks that a provider sent: duplicates are its own affair.
    package static var provider: JSONLimits {
        var limits = JSONLimits()
        limits.uniqueKeyDepth = 0
        return limits
    }
}
