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

    /// For JSON within a string, such as a call's arguments in a client's request: duplicates are the affair of whoever
    /// reads them.
    package static var argument: JSONLimits {
        var limits = JSONLimits()
        limits.uniqueKeyDepth = 0
        return limits
    }

    /// For bodies and chunks that a provider sent. They are paid for, so that it is their bytes that bound them: with
    /// twenty alternatives a token has 255 values in about a kilobyte. As many values as are allowed take 128 MB.
    package static var provider: JSONLimits {
        var limits = argument
        limits.maxNodes = 4_000_000
        return limits
    }
}
