internal import ArgumentParser
internal import Foundation
internal import Ledger
internal import Logging
internal import ServiceLifecycle
internal import SimulatedProvider

/// `gboost demo`: everything on one machine, from nothing to an answer with its bill. What `ops/run` starts.
struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Starts a gateway with a demo tenant, asks it three questions, and checks the bill.")

    @Flag(help: "In a place of its own: stop after the questions; exit 0 only if every part was right.")
    var check = false
    @Option(help: "Directory of everything the demo keeps.") var directory = ".gboost"
    @Option(help: "Port of the gateway.") var port = 8080

    func run() async throws {
        let place = DemoPlace(root: check ? directory + "/check" : directory)
        if check { try await place.clear() }
        try place.make()
        let demo = Demo(place: place, isCheck: check, port: check ? 0 : port)
        try await demo.run()
    }
}

/// The demo: a simulated provider beside a whole gateway, and a script that asks.
struct Demo: Sendable {
    let place: DemoPlace
    let isCheck: Bool
    let port: Int

    func run() async throws {
        let head = try await place.head()
        var logger = Logger(label: "gboost", factory: LineLogHandler.standardError(label:))
        logger.logLevel = .warning
        var options = SimulatedProviderOptions()
        options.billFile = URL(filePath: place.bill)
        // Its stop, after the last word of this demo, would be heard as an error.
        let quiet = Logger(label: "simulated") { _ in SwiftLogNoOpLogHandler() }
        let provider = try SimulatedProviderServer(options: options, logger: quiet)
        let providing = Task { try await provider.run() }
        defer { providing.cancel() }
        let upstream = DemoUpstream(
            simulatedPort: try await provider.boundPort(), environment: ProcessInfo.processInfo.environment,
            isCheck: isCheck)
        let text = place.configurationText(upstream: upstream, port: port)
        CommandOutput.print("\(upstream.notice)\n")
        CommandOutput.print("==> starting PostgreSQL and the gateway\n")
        let process = try await GatewayProcess.start(
            try GatewayConfiguration.load(yaml: text, path: place.configuration), logger: logger)
        // Only now: until its journal was locked for this one, the file may have been a running demo's.
        try OutputFile.write(Data(text.utf8), to: place.configuration, option: "--directory")
        // The place is the demo's own, and so is the pepper: keys that an older release made here go on working.
        try await process.adoptPepper()
        let tenant = try await DemoTenant.make(admin: process.admin, place: place, head: head, upstream: upstream)
        try await process.catalog.refresh()
        let (ports, announced) = AsyncStream.makeStream(of: Int.self)
        let script = DemoScript(
            tenant: tenant, upstream: upstream, place: place, admin: process.admin, curl: process.curl,
            isCheck: isCheck, ports: ports)
        try await process.run(
            others: [
                .init(
                    service: script, successTerminationBehavior: .gracefullyShutdownGroup,
                    failureTerminationBehavior: .gracefullyShutdownGroup)
            ],
            announce: { port in announced.yield(port) })
        if let failure = script.failure { throw CommandFailure(failure) }
    }
}
