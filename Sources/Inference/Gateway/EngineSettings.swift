internal import Foundation

/// How engine hosts are started and watched.
package struct EngineSettings: Sendable {
    /// What is started as a host, and the arguments before the host's own.
    package var executable = "/proc/self/exe"
    package var leadingArguments = ["engine-host"]
    /// Directory for sockets and logs; made for this process if nil. At most 70 bytes, a socket's path being short.
    package var directory: String?
    package var threads = max(1, ProcessInfo.processInfo.activeProcessorCount - 1)
    package var contextTokens = 8192
    package var sequences = 16
    /// Sequences beyond these, which keep what tenants may come back to.
    package var keptSequences = 48
    /// Prompt tokens of one decode while anything generates.
    package var promptChunk = 64
    package var batchTokens = 512
    package var maxQueued = 64
    /// Shares of tenants in a host they have in common; 1 for those that are not named.
    package var weights: [Int64: Int] = [:]
    /// How long one request may take in a host, its wait included; nil: as long as it takes.
    package var deadline: Duration?
    /// Most bytes of memory that a host may have of its own, mapped model files not counted; 0: no limit.
    package var hostMemoryLimit = 0
    /// Adapters over one model that are in memory, and what they may take.
    package var adapters = 64
    package var adapterMebibytes = 1024
    /// Callers that may wait for models to be in memory.
    package var maxWaiting = 256
    /// Bytes of all models in memory: weights, adapters, keys and values, work space.
    package var memoryBytes = Int64.max
    /// How long a model waits for others to fall idle before those in use have to make way.
    package var evictionPatience = Duration.seconds(2)
    /// Lower-case hex SHA-256 of a file; nil: files are not checked against what was registered.
    package var digest: (@Sendable (String) async throws -> String)?
    /// How long a caller waits for a host that loads or restarts.
    package var readinessLimit = Duration.seconds(30)
    /// How often a host is asked for a sign of life.
    package var heartbeat = Duration.seconds(1)
    /// How long a host may take to end when asked to.
    package var exitGrace = Duration.seconds(3)
    /// Longest silence of a host before it is killed.
    package var silenceLimit: Duration {
        get { limits.silence }
        set { limits.silence = newValue }
    }
    /// Longest time without progress, work being queued, before a host is killed.
    package var stallLimit: Duration {
        get { limits.stall }
        set { limits.stall = newValue }
    }
    var limits = HostStateMachine.Limits()

    package init() {}
}
