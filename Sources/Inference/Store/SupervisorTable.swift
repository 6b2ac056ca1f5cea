internal import Synchronization

/// Supervisors by their key in the model store, which must not keep them alive.
final class SupervisorTable: Sendable {
    private struct Entry {
        weak var supervisor: EngineSupervisor?
    }

    private let entries = Mutex<[String: Entry]>([:])

    subscript(key: String) -> EngineSupervisor? {
        get { entries.withLock { $0[key]?.supervisor } }
        set { entries.withLock { $0[key] = newValue.map { Entry(supervisor: $0) } } }
    }
}
