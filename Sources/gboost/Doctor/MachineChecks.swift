internal import Foundation
internal import Inference
internal import Ledger
internal import Providers

/// The doctor's look at the machine and at the configuration, without the database.
struct MachineChecks {
    let configuration: GatewayConfiguration
    let environment: [String: String]

    /// Less free space than this is worth a warning; the database stops at zero.
    static let lowDiskBytes: Int64 = 2 << 30
    static let leastDiskBytes: Int64 = 200 << 20

    func run() -> [Finding] {
        secrets() + exposedFiles() + references() + providers() + disk() + directories()
            + [port(), engine(), memory(), migrations()]
    }

    func secrets() -> [Finding] {
        if configuration.secrets.lacksPepper {
            return [
                .warning(
                    "key pepper", "\(configuration.secrets.pepperPath) is not there yet; it is made on first use",
                    remedy: "if keys exist already, name theirs: with another pepper no key is known")
            ]
        }
        if let problem = pepperProblem() { return [problem] }
        return [.ok("key pepper", "readable")] + (looseFile().map { [$0] } ?? [])
    }

    /// The remedy fits what is wrong: a pepper that is named need not be named again.
    private func pepperProblem() -> Finding? {
        let secrets = configuration.secrets
        let message: String
        do {
            _ = try KeyPepper(secrets, environment: environment)
            return nil
        } catch { message = error.message }
        let place = secrets.pepperPlace
        guard let reference = try? secrets.keyPepper ?? SecretReference(place) else {
            return .problem("key pepper", message, remedy: "set secrets.key_pepper to env:NAME or file:/path")
        }
        let remedy =
            switch Self.flaw(reference, environment) {
            case .missing: "put the gateways' pepper there, or set secrets.key_pepper to env:NAME or file:/path"
            case .forbidden: "let the user that the gateway runs as read it, and nobody else"
            case .notText: "restore the pepper that the keys were made with"
            case .unusable, nil:
                "put one of \(KeyPepper.minBytes) characters or more there, such as: openssl rand -hex 32; "
                    + "keys that were made with another one are then not known any more"
            }
        let text = message.contains(place) ? message : "\(place): \(message)"
        return .problem("key pepper", text, remedy: remedy)
    }

    private static func flaw(
        _ reference: SecretReference, _ environment: [String: String]
    ) -> SecretReference.Failure.Flaw? {
        do throws(SecretReference.Failure) {
            _ = try reference.resolve(environment: environment)
            return nil
        } catch { return error.flaw }
    }

    /// That its group may read it is no flaw: Kubernetes gives services their secrets so, behind links.
    private func looseFile() -> Finding? {
        let reference = configuration.secrets.pepperPlace
        guard reference.hasPrefix("file:") else { return nil }
        let path = String(reference.dropFirst("file:".count))
        guard let mode = GatewayConfiguration.rights(of: path), mode & 0o037 != 0 else { return nil }
        return .warning("key pepper", "\(path) can be read or changed by others", remedy: "chmod 600 \(path)")
    }

    /// Files of secrets that everybody may read; not the pepper's where `secrets` tells of it.
    func exposedFiles() -> [Finding] {
        let isTold = looseFile().map { secrets().contains($0) } ?? false
        return configuration.exposedFiles().filter { !isTold || $0.field != "secrets.key_pepper" }
            .map { .warning($0.field, $0.message, remedy: $0.remedy) }
    }

    /// The other secrets, and the TLS files. Those of providers and of the database are looked at with them.
    func references() -> [Finding] {
        let problems = configuration.unusableSecrets(environment: environment).filter { problem in
            !["secrets.", "providers.", "database."].contains { problem.field.hasPrefix($0) }
        }
        let remedy = "put it there, readable by the gateway alone, or name its place"
        let secrets = problems.map { Finding.problem($0.field, $0.message, remedy: remedy) }
        return secrets
            + configuration.unusableTLS().map { problem in
                Finding.problem(
                    problem.field, problem.message, remedy: "name PEM files of one pair that the gateway can read")
            }
    }

    func providers() -> [Finding] {
        guard !configuration.providers.isEmpty else {
            return [
                .warning(
                    "providers", "none is configured, so nothing can be escalated",
                    remedy: "add one under 'providers' in the configuration")
            ]
        }
        return configuration.providers.map { provider in
            let check = "provider \(provider.name)"
            if let home = provider.home {
                if let header = try? GGUFFile(checking: home.file), let oversize = configuration.oversize(header) {
                    return .problem(
                        check, "\(home.file) \(oversize)", remedy: GatewayConfiguration.oversizeRemedy)
                }
                return FileManager.default.isReadableFile(atPath: home.file)
                    ? .ok(check, "serves \(home.file) as \(provider.name)/\(home.model)")
                    : .problem(check, "\(home.file) cannot be read", remedy: "name a GGUF file under 'file'")
            }
            let references = provider.secretReferences
            let isLocal = ["127.0.0.1", "localhost", "::1"].contains(URL(string: provider.baseURL)?.host() ?? "")
            if provider.baseURL.hasPrefix("http:"), !isLocal, !references.isEmpty {
                return .warning(
                    check, "its key would travel unencrypted to \(provider.baseURL)", remedy: "use an https base_url")
            }
            guard !references.isEmpty else {
                return isLocal
                    ? .ok(check, "\(provider.baseURL), no key")
                    : .warning(check, "has no api_key", remedy: "set api_key to env:NAME or file:/path")
            }
            let problems = references.compactMap { $0.problem(in: environment) }
            guard problems.isEmpty else {
                let text = problems.map { "\($0.field.split(separator: ".").last ?? "key"): \($0.message)" }
                return .problem(
                    check, text.joined(separator: " "), remedy: "put the key there, readable by the gateway alone")
            }
            let places = references.map { "\($0.reference)" }.joined(separator: ", ")
            return .ok(check, "\(provider.baseURL), key at \(places)")
        }
    }

    func disk() -> [Finding] {
        var places = [("journal", configuration.ledger.journal)]
        if case .embedded(let path) = configuration.database.location { places.append(("database", path)) }
        return places.map { name, path in
            guard let free = Self.freeBytes(path) else {
                return .warning("disk for \(name)", "\(path): free space unknown", remedy: "check that the path exists")
            }
            return Self.disk(name, path: path, free: free)
        }
    }

    static func disk(_ name: String, path: String, free: Int64) -> Finding {
        let text = "\(free >> 20) MiB free at \(path)"
        if free < leastDiskBytes {
            return .problem("disk for \(name)", text, remedy: "make room: without it no settlement can be kept")
        }
        if free < lowDiskBytes { return .warning("disk for \(name)", text, remedy: "make room soon") }
        return .ok("disk for \(name)", text)
    }

    /// Of the nearest directory that exists.
    static func freeBytes(_ path: String) -> Int64? {
        var url = URL(filePath: path).standardizedFileURL
        while !FileManager.default.fileExists(atPath: url.path()), url.path() != "/" {
            url = url.deletingLastPathComponent()
        }
        let attributes = try? FileManager.default.attributesOfFileSystem(forPath: url.path())
        return (attributes?[.systemFreeSize] as? NSNumber)?.int64Value
    }

    /// Whether somebody listens on the gateway's port.
    var isPortInUse: Bool {
        let tables = ["/proc/net/tcp", "/proc/net/tcp6"].compactMap { try? String(contentsOfFile: $0, encoding: .utf8) }
        return tables.contains { Self.isListening(configuration.server.port, table: $0) }
    }

    func port() -> Finding {
        let port = configuration.server.port
        guard isPortInUse else { return .ok("port", "\(port) is free") }
        return .warning(
            "port", "\(port) is in use, maybe by a running gateway", remedy: "else set server.port to a free one")
    }

    /// Whether a table in the form of /proc/net/tcp holds a listening socket (state 0A) on `port`.
    static func isListening(_ port: Int, table: String) -> Bool {
        table.split(separator: "\n").dropFirst().contains { line in
            let fields = line.split(separator: " ", omittingEmptySubsequences: true)
            guard fields.count > 3, fields[3] == "0A", let digits = fields[1].split(separator: ":").last else {
                return false
            }
            return Int(digits, radix: 16) == port
        }
    }

    func engine() -> Finding {
        let path = configuration.inference.executable ?? "/proc/self/exe"
        guard FileManager.default.isExecutableFile(atPath: path) else {
            return .problem(
                "engine host", "\(path) is not an executable file",
                remedy: "unset inference.executable to run this program itself")
        }
        return .ok("engine host", configuration.inference.executable ?? "this program")
    }

    func memory() -> Finding {
        let physical = Int64(clamping: ProcessInfo.processInfo.physicalMemory)
        let limit = configuration.inference.memoryBytes
        let text = "\(limit >> 20) MiB for models of \(physical >> 20) MiB"
        guard limit <= physical / 10 * 9 else {
            return .warning("memory", text, remedy: "lower inference.memory_bytes: the rest of the machine needs some")
        }
        return .ok("memory", text)
    }

    func migrations() -> Finding {
        let path = configuration.ledger.migrations
        let files = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        let count = files.count { $0.hasSuffix(".sql") }
        guard count > 0 else {
            return .problem(
                "migrations", "no SQL files in \(path)", remedy: "set ledger.migrations to the directory 'migrations'")
        }
        guard count >= Migration.newest else {
            return .problem(
                "migrations", "\(count) files in \(path), and this program needs \(Migration.newest)",
                remedy: "set ledger.migrations to the directory 'migrations' of this program's own version")
        }
        return .ok("migrations", "\(count) files in \(path)")
    }
}
