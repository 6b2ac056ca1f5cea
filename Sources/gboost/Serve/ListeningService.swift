internal import Logging
internal import ServiceLifecycle

/// What a gateway does once it listens: its pepper becomes the database's, then its port is told. Not before: a start
/// that fails, perhaps in a wrong directory, would settle for good what its keys are hashed with.
struct ListeningService: Service, CustomStringConvertible {
    let process: GatewayProcess
    /// The server's port, once there is one.
    let ports: AsyncStream<Int>
    let end: AsyncStream<Int>.Continuation
    let announce: @Sendable (Int) async -> Void
    var description: String { "listening" }

    /// Between tries where the database has gone away meanwhile.
    private static let interval = Duration.seconds(1)

    /// Runs until the graceful shutdown; throws where another pepper has become the database's meanwhile.
    func run() async throws {
        try await withGracefulShutdownHandler {
            for await port in ports {
                var isAdopted = try await adopt()
                await announce(port)
                while !isAdopted, !Task.isShuttingDownGracefully {
                    do { try await Task.sleep(for: Self.interval) } catch { return }
                    isAdopted = try await adopt()
                }
            }
        } onGracefulShutdown: { [end] in
            end.finish()
        }
    }

    /// - Returns: false where the database could not be asked.
    private func adopt() async throws(ConfigurationError) -> Bool {
        do {
            try await process.adoptPepper()
            return true
        } catch let error as ConfigurationError {
            throw error
        } catch {
            process.logger.warning("the pepper is not recorded yet", metadata: ["reason": "\(error)"])
            return false
        }
    }
}

extension GatewayProcess {
    /// Has the database know the pepper that this gateway's keys are hashed with.
    func adoptPepper() async throws { try await KeyPepper.adopt(hasher, configuration.secrets, for: pool) }
}
