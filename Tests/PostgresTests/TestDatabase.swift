import EmbeddedPostgres
import Logging
import Testing

@testable import Postgres

/// Runs `body` with a pool on a database of its own, both gone afterwards.
func withPool(
    size: Int = 4, maxWaiting: Int = 1000, _ setting: PoolSetting? = nil, function: String = #function,
    _ body: (PostgresPool) async throws -> Void
) async throws {
    let database = try await ScratchDatabase.make(function: function)
    let pool = try makePool(url: database.url, size: size, maxWaiting: maxWaiting, setting)
    do {
        try await body(pool)
        await pool.close()
        try await database.drop()
    } catch {
        await pool.close()
        try await database.drop()
        throw error
    }
}

/// One setting of the configuration that a test needs other than usual.
struct PoolSetting {
    let apply: (inout PostgresConfiguration) -> Void

    static func set<Value>(_ path: WritableKeyPath<PostgresConfiguration, Value>, _ value: Value) -> PoolSetting {
        PoolSetting { $0[keyPath: path] = value }
    }
}

/// A pool that logs nothing.
func makePool(
    url: String, size: Int = 4, maxWaiting: Int = 1000, _ setting: PoolSetting? = nil
) throws -> PostgresPool {
    var configuration = try PostgresConfiguration(url: url)
    // Two busy cores may keep a caller waiting for longer than a product should.
    configuration.acquireTimeout = .seconds(60)
    setting?.apply(&configuration)
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    return PostgresPool(configuration: configuration, size: size, maxWaiting: maxWaiting, logger: logger)
}

/// The error that `body` throws; fails the test if it throws another one or none.
func failure(
    sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> Void
) async throws -> PostgresError {
    do {
        try await body()
    } catch let error as PostgresError {
        return error
    }
    Issue.record("nothing was thrown", sourceLocation: sourceLocation)
    throw PostgresError(.decoding, "nothing was thrown")
}

/// Waits until `condition` holds; fails the test after a minute.
func eventually(
    _ what: Comment, sourceLocation: SourceLocation = #_sourceLocation, _ condition: () async throws -> Bool
) async throws {
    let end = ContinuousClock.now + .seconds(60)
    while try await !condition() {
        guard ContinuousClock.now < end else {
            Issue.record(what, sourceLocation: sourceLocation)
            return
        }
        try await Task.sleep(for: .milliseconds(5))
    }
}
