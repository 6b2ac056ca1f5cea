internal import ArgumentParser
internal import Foundation
internal import Logging
internal import ServiceLifecycle
internal import SimulatedProvider
internal import UnixSignals

/// `gboost simulate-provider`: a paid API that sends a bill, for trying things out and for tests.
struct SimulateProviderCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate-provider",
        abstract: "A provider with many wire formats, prices, a bill, and faults on demand.",
        discussion: """
            It speaks \(SimulatedProviderOptions.wires.joined(separator: "; ")).

            A fault is one of: \(SimulatedFault.forms.joined(separator: ", ")). With @MATCH it befalls only calls \
            whose model or last message contains that. A call may also bring its own, in the header x-sim-fault.
            """)

    @Option(help: "Port to listen on; 0 takes any free one and prints it.") var port = 0
    @Option(help: "Address to listen on.") var host = "127.0.0.1"
    @Option(help: "File that every charge is appended to, one JSON line each, fsynced.") var bill: String?
    @Option(help: "Key that callers must present; without it any will do.") var apiKey: String?
    @Option(help: "Share of questions answered right, 0 to 1.") var accuracy = 1.0
    @Option(help: "Seed of which questions go wrong.") var seed: UInt64 = 1
    @Option(help: "Delay before the first byte, in milliseconds.") var latency: Int?
    @Option(help: "A fault of those above, as KIND[:ARGUMENT][@MATCH]; may be repeated.") var fault: [String] = []

    func run() async throws {
        var options = SimulatedProviderOptions()
        options.host = host
        options.port = port
        options.apiKey = apiKey
        options.accuracy = accuracy
        options.seed = seed
        if let bill { try OutputFile.check(bill, option: "--bill", isReplaced: false) }
        options.billFile = bill.map { URL(filePath: $0) }
        do {
            for text in fault { options.faults.append(contentsOf: try SimulatedFault.list(text)) }
            if let latency { options.faults.append(contentsOf: try SimulatedFault.list("latency:\(latency)")) }
        } catch {
            throw ValidationError("--fault: \(error)")
        }
        if let problem = options.problem { throw ValidationError(problem) }
        var logger = Logger(label: "simulate-provider", factory: LineLogHandler.standardError(label:))
        logger.logLevel = .warning
        let server: SimulatedProviderServer
        do {
            server = try SimulatedProviderServer(options: options, logger: logger)
        } catch is DecodingError {
            throw CommandFailure.usage("--bill", "\(bill ?? "") has lines that are none of a bill's")
        }
        let host = host
        let announcement = Task {
            let port = try await server.boundPort()
            CommandOutput.printError("gboost: simulated provider on http://\(host):\(port)/v1\n")
        }
        defer { announcement.cancel() }
        let group = ServiceGroup(
            configuration: .init(
                services: [server], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
        try await group.run()
    }
}
