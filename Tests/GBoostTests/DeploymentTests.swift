import Foundation
import Providers
import Testing

@testable import gboost

/// What the files for production say of the gateway is read by the gateway's own code here. That Kubernetes and systemd
/// take them is theirs to say.
@Suite("What is deployed is what the product has")
struct DeploymentTests {
    private static let checkout = URL(filePath: #filePath).appending(path: "../../..").standardized
    private static let containerfile = "ops/container/Containerfile"
    private static let unit = "ops/systemd/gboost-gateway.service"
    private static let set = "ops/kubernetes/base/statefulset.yaml"
    private static let models = "ops/kubernetes/models/statefulset.yaml"
    private static let job = "ops/kubernetes/migrate/job.yaml"
    /// Where systemd puts what LoadCredential names, by a prefix and its file's name.
    private static let credentials = "/run/credentials/gboost-gateway.service"
    /// What a stop may take beyond preStop and `server.drain_seconds`, as the runbooks say.
    private static let settling = 30.0

    private static func text(_ path: String) throws -> String {
        try String(contentsOf: checkout.appending(path: path), encoding: .utf8)
    }

    /// Without comments of a line's own.
    private static func lines(_ path: String) throws -> [Substring] {
        try text(path).split(separator: "\n").filter { line in !line.drop { $0 == " " }.hasPrefix("#") }
    }

    /// What follows `key: ` in a manifest, line by line, in flow mappings too.
    private static func values(_ key: String, in path: String) throws -> [String] {
        try lines(path).flatMap { line in
            line.ranges(of: "\(key): ").filter { range in
                range.lowerBound == line.startIndex || " {[".contains(line[line.index(before: range.lowerBound)])
            }.map { range in
                let rest = line[range.upperBound...].prefix { !",}".contains($0) }
                return rest.trimmingCharacters(in: CharacterSet(charactersIn: "\" "))
            }
        }
    }

    /// What a unit or a Containerfile sets by lines that begin with a word.
    private static func settings(_ start: String, in path: String = unit) throws -> [String] {
        try lines(path).filter { $0.hasPrefix(start) }.map { String($0.dropFirst(start.count)) }
    }

    /// The unit's variables, as systemd makes them.
    private static func unitEnvironment() throws -> [String: String] {
        var environment: [String: String] = [:]
        for setting in try settings("Environment=") {
            let plain = setting.replacing("%d", with: credentials).replacing("%S", with: "/var/lib")
                .replacing("%H", with: "machine")
            let parts = plain.split(separator: "=", maxSplits: 1).map(String.init)
            try #require(parts.count == 2)
            environment[parts[0]] = parts[1]
        }
        return environment
    }

    /// Variables of a manifest that are the gateway's.
    private static func variables(_ path: String) throws -> [String] {
        try values("name", in: path).filter { $0.hasPrefix("GBOOST_") }
    }

    /// Reads a file as the gateway does, which refuses unknown keys, and has each variable be a key's: of these unknown
    /// ones are ignored.
    private static func load(_ yaml: String, _ environment: [String: String]) throws -> GatewayConfiguration {
        let configuration = try GatewayConfiguration.load(yaml: yaml, path: "gboost.yaml", environment: environment)
        let read = configuration.readings.compactMap { reading -> String? in
            if case .environment(let variable) = reading.origin { return variable }
            return nil
        }
        #expect(read.sorted() == environment.keys.sorted())
        return configuration
    }

    private static func pod(_ more: [String: String] = [:]) throws -> GatewayConfiguration {
        let own = ["GBOOST_SERVER_INSTANCE": "gboost-0"]
        return try load(text("ops/kubernetes/base/gboost.yaml"), own.merging(more) { $1 })
    }

    private static func paths() throws -> [String: [String: Any]] {
        let json = try JSONSerialization.jsonObject(with: Data(try text("ops/openapi.json").utf8)) as? [String: Any]
        return try #require(json?["paths"] as? [String: [String: Any]])
    }

    @Test("the unit's file and variables are a configuration, its secrets the credentials that systemd hands over")
    func unitConfiguration() throws {
        let yaml = try Self.text("ops/systemd/gboost.yaml")
        let gateway = try Self.load(yaml, try Self.unitEnvironment())
        #expect(gateway.server.instance == "machine")
        #expect(gateway.ledger.journal == "/var/lib/gboost/journal")
        #expect(try Self.settings("StateDirectory=") == ["gboost"])
        let directory = try #require(try Self.settings("WorkingDirectory=").first)
        #expect(gateway.ledger.migrations == directory + "/migrations")
        let fields = gateway.secretReferences.map(\.field).sorted()
        #expect(fields == ["admin.key", "database.url", "providers.openai.api_key", "secrets.key_pepper"])
        #expect(try Self.settings("LoadCredential=") == ["gboost:/etc/gboost/credentials"])
        for secret in gateway.secretReferences {
            #expect("\(secret.reference)".hasPrefix("file:\(Self.credentials)/gboost_"), "\(secret.field)")
        }
        // Root's commands have the same database, pepper and journal, and read root's own files.
        let command = try Self.load(yaml, [:])
        #expect(command.ledger.journal == gateway.ledger.journal)
        for secret in command.secretReferences where !secret.field.hasPrefix("providers.") {
            let name = "\(secret.reference)".split(separator: "/").last ?? ""
            #expect("\(secret.reference)" == "file:/etc/gboost/credentials/\(name)")
            #expect(gateway.secretReferences.contains { "\($0.reference)".hasSuffix("/gboost_\(name)") })
        }
    }

    @Test("pods find what their configuration names where it is mounted, and the job finds the owner's database")
    func podConfiguration() throws {
        let pod = try Self.pod()
        #expect(try Self.variables(Self.set) == ["GBOOST_SERVER_INSTANCE"])
        #expect(pod.server.instance == "gboost-0")
        let mounts = try Self.values("mountPath", in: Self.set)
        let places =
            pod.secretReferences.map { URL(filePath: String("\($0.reference)".dropFirst(5))) } + [
                URL(filePath: pod.ledger.journal)
            ]
        for place in places {
            #expect(mounts.contains(place.deletingLastPathComponent().path(percentEncoded: false).trimmingSlash))
        }
        #expect(mounts.contains("/tmp") && mounts.contains("/etc/gboost"))
        // A host's sockets, journal and logs have these; nothing else may be written.
        #expect(try Self.values("readOnlyRootFilesystem", in: Self.set) == ["true"])
        let job = try Self.load("", ["GBOOST_DATABASE_URL": Self.values("value", in: Self.job).first ?? ""])
        #expect(try Self.variables(Self.job) == ["GBOOST_DATABASE_URL"])
        #expect(job.secretReferences.map { "\($0.reference)" } == ["file:/run/secrets/gboost-owner/database-url"])
        #expect(try Self.values("mountPath", in: Self.job) == ["/run/secrets/gboost-owner"])
    }

    @Test("what is said of a gateway's connections adds up, administration's among them")
    func connections() throws {
        let pools = try Self.text("Sources/gboost/Serve/GatewayProcess+Pools.swift")
        let administration = try #require(pools.firstMatch(of: /adminConnections = (\d+)/).flatMap { Int($0.1) })
        // Upkeep, sealing, two that deliver and one that listens.
        let (pod, others) = (try Self.pod(), 5 + administration)
        let whole = pod.database.pool + pod.ledger.lanes + others
        let text = try Self.text("ops/kubernetes/README.md").replacing("\n", with: " ")
        #expect(text.contains("`database.pool` + `ledger.lanes` + \(others):"))
        #expect(text.contains(": \(whole) with `base`.") && text.contains("So n gateways take \(whole) n of"))
    }

    @Test("with models, what hosts may take and a gigabyte besides is within the pod's limit")
    func podWithModels() throws {
        let pairs = zip(try Self.variables(Self.models), try Self.values("value", in: Self.models))
        let pod = try Self.pod(Dictionary(pairs) { $1 })
        let memory = try Self.values("memory", in: Self.models).last?.replacing("Gi", with: "")
        let limit = try #require(memory.flatMap { Int64($0) }) << 30
        #expect(pod.inference.memoryBytes + 1 << 30 <= limit)
        #expect(pod.inference.threads == 3)
    }

    @Test("probes, the drain before a stop and Prometheus ask for paths and ports that the gateway has")
    func probes() throws {
        let (paths, port) = (try Self.paths(), try Self.pod().server.port)
        let probed = try Self.values("path", in: Self.set)
        #expect(probed == ["/health/ready", "/health/live", "/health/live"])
        for path in probed + (try Self.values("prometheus.io/path", in: Self.set)) {
            #expect(paths[path]?["get"] != nil, "\(path)")
        }
        #expect(paths["/health/drain"]?["post"] != nil)
        #expect(try Self.text("ops/container/drain").contains("\"$1/health/drain\""))
        let hook = try #require(try Self.lines(Self.set).first { $0.contains("gboost-drain") })
        #expect(hook.contains("\"http://127.0.0.1:\(port)\""))
        let key = try #require(try Self.pod().administration.key).description.dropFirst("file:".count)
        #expect(hook.contains(" \(key),"))
        #expect(try Self.values("port", in: Self.set) == ["http", "http", "http"])
        #expect(try Self.values("containerPort", in: Self.set) == ["\(port)"])
        #expect(try Self.values("prometheus.io/port", in: Self.set) == ["\(port)"])
        #expect(try Self.values("port", in: "ops/kubernetes/base/services.yaml") == ["\(port)", "\(port)"])
        // In; out to names, PostgreSQL and HTTPS.
        let passed = try Self.values("port", in: "ops/kubernetes/base/network.yaml")
        #expect(passed == ["\(port)", "53", "53", "5432", "443"])
        #expect(try Self.settings("EXPOSE ", in: Self.containerfile) == ["\(port)"])
    }

    @Test("nobody kills a gateway before it has had its drain and half a minute, and only it hears of the stop")
    func stopTimes() throws {
        let hook = try #require(try Self.lines(Self.set).first { $0.contains("gboost-drain") })
        let waits = try #require(hook.split(separator: "\"").compactMap { Double($0) }.first)
        let words = try Self.text("ops/container/drain").split { $0 == " " || $0 == "\n" }
        let asks = try #require(words.firstIndex(of: "--max-time").flatMap { Double(words[words.index(after: $0)]) })
        let grace = try #require(
            try Self.values("terminationGracePeriodSeconds", in: Self.set).first.flatMap { Double($0) })
        let pod = try Self.pod()
        #expect(grace >= asks + waits + pod.server.drainSeconds + Self.settling)
        let limit = try #require(try Self.settings("TimeoutStopSec=").first.flatMap { Double($0) })
        let gateway = try Self.load(Self.text("ops/systemd/gboost.yaml"), try Self.unitEnvironment())
        #expect(limit >= gateway.server.drainSeconds + Self.settling)
        #expect(try Self.settings("KillMode=") == ["mixed"])
        #expect(try Self.settings("KillSignal=") == ["SIGTERM"])
        #expect(try Self.settings("STOPSIGNAL ", in: Self.containerfile) == ["SIGTERM"])
    }

    @Test("a start that a person must mend is not tried again, one that waits for a database or a migration is")
    func restarts() throws {
        let final = [CommandStatus.usage, .configuration].map { "\($0.rawValue)" }.joined(separator: " ")
        #expect(try Self.settings("RestartPreventExitStatus=") == [final])
        #expect(try Self.settings("Restart=") == ["on-failure"])
        #expect(try Self.settings("StartLimitIntervalSec=") == ["0"])
    }

    @Test("the unit lets hosts confine themselves by Landlock and seccomp, and the kernel end one without the others")
    func hosts() throws {
        let allowed = try #require(try Self.settings("SystemCallFilter=").first).split(separator: " ")
        for call in ["landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "seccomp"] {
            #expect(allowed.contains { $0 == call }, "\(call)")
        }
        #expect(try Self.settings("OOMPolicy=") == ["continue"])
        #expect(try Self.settings("ProcSubset=").isEmpty)
    }

    @Test("image and manifests agree on user, version, directories and libraries")
    func agreement() throws {
        let user = try #require(try Self.settings("USER ", in: Self.containerfile).first)
        for manifest in [Self.set, Self.job] {
            let given = [try Self.values("runAsUser", in: manifest), try Self.values("runAsGroup", in: manifest)]
            #expect(given.map { $0.joined() }.joined(separator: ":") == user)
            #expect(try Self.values("fsGroup", in: manifest) == Self.values("runAsGroup", in: manifest))
        }
        let json = try JSONSerialization.jsonObject(with: Data(try Self.text("ops/openapi.json").utf8))
        let version = ((json as? [String: Any])?["info"] as? [String: Any])?["version"] as? String
        let tag = try #require(version)
        #expect(tag == GBoostCommand.version)
        for directory in ["base", "migrate"] {
            let file = "ops/kubernetes/\(directory)/kustomization.yaml"
            #expect(try Self.values("newTag", in: file) == [tag])
            #expect(try Self.values("newName", in: file) == ["registry.example.com/gboost"])
        }
        // The program finds these by its defaults, in the image's working directory.
        let usual = try Self.load("database: { embedded: none }", [:])
        let copied = try Self.settings("COPY ", in: Self.containerfile)
        #expect(copied.contains("migrations ./\(usual.ledger.migrations)"))
        #expect(copied.contains("openapi.json ./\(usual.server.openAPI)"))
        let volume = try #require(try Self.settings("VOLUME ", in: Self.containerfile).first)
        #expect(try Self.values("mountPath", in: Self.set).contains(volume))
        let image = try Self.text(Self.containerfile)
        let libraries = try Self.text("ops/build").split { !$0.isLetter && !$0.isNumber && $0 != "+" }
            .filter { $0.hasPrefix("lib") && $0.last?.isNumber == true }
        #expect(libraries.count == 4)
        for library in libraries { #expect(image.contains(" \(library) "), "\(library)") }
    }
}

extension String {
    /// A directory's path by itself.
    fileprivate var trimmingSlash: String { hasSuffix("/") ? String(dropLast()) : self }
}
