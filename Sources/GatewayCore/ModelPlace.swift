/// Where a local model is, in one gateway: what an operator is told of it.
package struct ModelPlace: Hashable, Sendable {
    /// How far it is.
    package enum Phase: String, Hashable, Sendable {
        /// Not in memory; it is loaded when somebody asks for it.
        case absent
        /// Waits for room.
        case waiting
        case loading, resident, unloading
        /// The last load failed.
        case failed
        /// Another server holds it, or it is a head or an adapter, which has no host of its own.
        case elsewhere
    }

    package var phase: Phase
    /// Measured; expected, while it loads.
    package var bytes: Int64
    /// Requests that use it, and those that wait for it.
    package var inUse: Int
    package var waiting: Int
    /// Why the last load failed.
    package var why: String?

    package init(phase: Phase, bytes: Int64 = 0, inUse: Int = 0, waiting: Int = 0, why: String? = nil) {
        self.phase = phase
        self.bytes = bytes
        self.inUse = inUse
        self.waiting = waiting
        self.why = why
    }
}
