internal import ArgumentParser
internal import Inference

/// `gboost engine-host-probe`: confines itself as an engine host does and tries what that must prevent.
struct EngineHostProbeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "engine-host-probe",
        abstract: "Shows what engine hosts cannot do on this system: a line for each try.", shouldDisplay: false)

    @Argument(help: "What a host would be allowed to read.") var model: String

    func run() {
        let confinement = HostConfinement(readable: [model], memoryLimit: 0)
        for name in confinement.inForce { print("in force: \(name)") }
        for text in confinement.missing { print("missing: \(text)") }
        for line in HostConfinement.probe() { print(line) }
        print("read the model: \(HostConfinement.canRead(model) ? "possible" : "not possible")")
    }
}
