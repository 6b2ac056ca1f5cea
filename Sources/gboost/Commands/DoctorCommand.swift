internal import ArgumentParser
internal import Foundation

/// `gboost doctor`: what is wrong with this machine and this configuration, and what to do about it.
struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Check the machine and the configuration, and say what to mend.")
    @OptionGroup var options: ConfigurationOptions
    @Flag(help: "Print one JSON document.")
    var json = false

    struct Report: Encodable {
        var ok: Bool
        var findings: [Finding]
    }

    mutating func run() async throws {
        let configuration = try options.load()
        var findings: [Finding] = [.ok("configuration", configuration.path ?? "no file, defaults and environment")]
        findings += MachineChecks(
            configuration: configuration, environment: ProcessInfo.processInfo.environment
        ).run()
        findings += await DatabaseChecks(configuration: configuration).run()
        let isHealthy = !findings.contains { $0.state == .problem }
        if json {
            try CommandOutput.print(json: Report(ok: isHealthy, findings: findings))
        } else {
            CommandOutput.print(Finding.render(findings))
        }
        if !isHealthy { throw ExitCode(CommandStatus.failed.rawValue) }
    }
}
