internal import Hummingbird
package import Logging
internal import NIOCore
internal import ServiceLifecycle
internal import Synchronization

/// A paid API that is not one: the OpenAI wire, prices, usage and a bill, with faults on demand. For tests, the demo
/// and benchmarks; it keeps nothing but the bill.
package final class SimulatedProviderServer: Service {
    /// Why the server cannot be made or did not start.
    package struct StartError: Error, Hashable, Sendable, CustomStringConvertible {
        package var description: String
    }

    /// The port, once it is known.
    private enum Port {
        case waiting([CheckedContinuation<Int, any Error>])
        case known(Result<Int, any Error>)
    }

    package let options: SimulatedProviderOptions
    package let bill: SimulatedBill
    private let service: ChatService
    private let logger: Logger
    private let port = Mutex(Port.waiting([]))

    /// Opens the bill; binds nothing yet.
    package init(options: SimulatedProviderOptions, logger: Logger) throws {
        if let problem = options.problem { throw StartError(description: problem) }
        self.options = options
        self.logger = logger
        bill = try SimulatedBill(file: options.billFile)
        service = ChatService(options: options, bill: bill, logger: logger)
    }

    /// Serves until a graceful shutdown; answers that run then are finished first.
    package func run() async throws {
        do {
            let router = Router(context: BasicRequestContext.self)
            service.addRoutes(to: router)
            let application = Application(
                router: router,
                configuration: .init(address: .hostname(options.host, port: options.port)),
                onServerRunning: { [self] channel in settle(.success(channel.localAddress?.port ?? options.port)) },
                logger: logger)
            try await application.run()
            settle(.failure(StartError(description: "the server stopped before it was bound")))
        } catch {
            settle(.failure(error))
            throw error
        }
    }

    /// The port that the server is bound to, once it is; throws if it never gets there. Call `run` too.
    package func boundPort() async throws -> Int {
        try await withCheckedThrowingContinuation { (waiter: CheckedContinuation<Int, any Error>) in
            let known = port.withLock { port -> Result<Int, any Error>? in
                switch port {
                case .known(let result): return result
                case .waiting(let waiters):
                    port = .waiting(waiters + [waiter])
                    return nil
                }
            }
            if let known { waiter.resume(with: known) }
        }
    }

    /// The first result counts.
    private func settle(_ result: Result<Int, any Error>) {
        let waiters = port.withLock { port -> [CheckedContinuation<Int, any Error>] in
            guard case .waiting(let waiters) = port else { return [] }
            port = .known(result)
            return waiters
        }
        for waiter in waiters { waiter.resume(with: result) }
    }
}
