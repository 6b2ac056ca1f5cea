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
    package var batchTokens = 512
    package var maxQueued = 64
    /// Shares of tenants in a host they have in common; 1 for those that are not named.
    package var weights: [Int64: Int] = [:]
    /// Callers that may wait for one host to become ready.
    package var maxWaiting = 256
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
