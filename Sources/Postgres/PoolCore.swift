internal import Logging
actor PoolCore {
    init(configuration: PostgresConfiguration, size: Int, maxWaiting: Int, logger: Logger) {}
    func query(_ s: PostgresStatement) async throws(PostgresError) -> PostgresResult { throw PostgresError(.connection, "stub") }
    func lease() async throws(PostgresError) -> PostgresSession { throw PostgresError(.connection, "stub") }
    func giveBack(_ s: PostgresSession, isDirty: Bool) async {}
    func listen(channel: String) async throws(PostgresError) -> AsyncStream<PostgresNotification> { throw PostgresError(.connection, "stub") }
    func close(within limit: Duration) async {}
    var statistics: PostgresStatistics { PostgresStatistics() }
}
