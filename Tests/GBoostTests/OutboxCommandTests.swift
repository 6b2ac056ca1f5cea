import Curl
import Foundation
import GatewayCore
import GatewayTesting
import Ledger
import Logging
import Outbox
import Postgres
import Testing

@testable import gboost

@Suite("Destinations and dead letters by command, and three gateways that deliver")
struct OutboxCommandTests {
    typealias Shell = AdministrationTests.Shell

    private func write(_ text: String, _ file: String) throws { try Data(text.utf8).write(to: URL(filePath: file)) }

    @Test("destinations are made, shown, tested, paused and removed; what is wrong is named by its field")
    func destinations() async throws {
        try await Shell.with { shell in
            await shell.run("migrate")
            await shell.run("tenant create acme")
            let secret = shell.directory.appending(path: "secret").path()
            try write("canary-secret\n", secret)
            let peer = try ScriptedPeer(
                [.read, .send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")],
                [.read, .send("HTTP/1.1 403 No\r\nConnection: close\r\nContent-Length: 6\r\n\r\nwhy.\r\n")])
            defer { peer.stop() }
            let hook = "destination add hook --tenant acme --kind webhook --target \(peer.url)"
            let made = await shell.run("\(hook) --secret file:\(secret) --json")
            #expect(made.status == .done, "\(made.errors)")
            #expect(made.json("secrets", "0") == "file:\(secret)" && made.json("events", "2") == "holds.unreconciled")
            for (line, field) in [
                ("\(hook)2 --secret plain-canary", "secret"), (hook.replacing("add hook", with: "add h2"), "secret"),
                (hook.replacing("webhook", with: "pigeon"), "kind"),
                ("\(hook) --secret file:\(secret) --events usage,nonsense", "events"),
                ("\(hook) --secret file:\(secret) --events provider.down", "events"),
                ("destination add s --kind slack --target https://example.com/x", "target"),
                ("destination add m --kind email --target smtp://h --to a@b", "from"),
                ("destination add w --kind webhook --target ftp://h --secret env:A", "target"),
                ("\(hook) --secret file:\(secret),env:B", "secret"),
                ("destination add bad/name --kind webhook --target http://h --secret env:A", "name"),
            ] {
                let outcome = await shell.run(line)
                #expect(outcome.status == .usage, "\(line)")
                #expect(outcome.errors.contains("gboost: \(field): "), "\(line): \(outcome.errors)")
                #expect(!outcome.errors.contains("canary"))
            }
            #expect(await shell.run("\(hook) --secret file:\(secret)").errors.contains("already"))

            let test = await shell.run("destination test hook --tenant acme")
            #expect(test.status == .done && test.output.hasPrefix("delivered test-"), "\(test.errors)")
            #expect(peer.requests.first?.header("x-gboost-event-kind") == "test")
            let refused = await shell.run("destination test hook --tenant acme")
            #expect(refused.status == .failed && refused.errors.contains("HTTP 403: why."), "\(refused.errors)")

            let paused = await shell.run("destination pause hook --tenant acme --json")
            #expect(paused.json("paused_why")?.hasPrefix("paused by cli:") == true)
            #expect(await shell.run("destination list").output.contains("paused: "))
            #expect(await shell.run("destination resume hook --tenant acme --json").json("paused_at") == nil)
            let list = await shell.run("destination list --tenant acme --json")
            #expect(list.json("destinations", "0", "pending") == "0")
            #expect(await shell.run("destination remove hook").errors.contains("the operator has no destination hook"))
            let removed = await shell.run("destination remove hook --tenant acme --json")
            #expect(removed.output == #"{"dead":0,"pending":0,"removed":"hook","usage_behind":0}"# + "\n", "\(removed)")
            let pool = PostgresPool(
                configuration: try PostgresConfiguration(url: shell.url), size: 1, maxWaiting: 4,
                logger: Logger(label: "t") { _ in SwiftLogNoOpLogHandler() })
            let told = try await pool.query(
                """
                select count(*) filter (where events::text like '%canary%') as canaries,
                  count(*) filter (where action like 'destination.%') as n from events
                """
            ).rows.first
            #expect(try told?.get("canaries", as: Int64.self) == 0 && told?.get("n", as: Int64.self) == 6)
            await pool.close()
        }
    }

    @Test("a destination is changed in what is given; the rest of it and what waits for it stay")
    func change() async throws {
        try await Shell.with { shell in
            await shell.run("migrate")
            await shell.run("destination add hook --kind webhook --target http://127.0.0.1:1 --secret env:OLD")
            let pool = PostgresPool(
                configuration: try PostgresConfiguration(url: shell.url), size: 1, maxWaiting: 4,
                logger: Logger(label: "t") { _ in SwiftLogNoOpLogHandler() })
            _ = try await pool.query("select gboost_tell(null, 'provider.down', '{}')")
            await pool.close()
            let events = await shell.run("destination list --json").json("destinations", "0", "events")
            let both = await shell.run("destination set hook --secret env:NEW --secret env:OLD --json")
            #expect(both.json("secrets", "0") == "env:NEW" && both.json("secrets", "1") == "env:OLD", "\(both.errors)")
            #expect(both.json("target") == "http://127.0.0.1:1" && both.json("pending") == "1")
            #expect(both.json("events") == events)
            let new = await shell.run("destination set hook --secret env:NEW --target http://127.0.0.1:2 --json")
            #expect(new.json("secrets", "1") == nil && new.json("target") == "http://127.0.0.1:2")
            let less = await shell.run("destination set hook --events provider.up --json")
            #expect(less.json("events", "0") == "provider.up" && less.json("events", "1") == nil)
            #expect(less.json("secrets", "0") == "env:NEW" && less.json("pending") == "1")
            for (line, message) in [
                ("hook", "--secret: is given"), ("hook --secret none", "secret: a webhook is signed"),
                ("hook --secret env:A,env:B", "secret: a reference has no comma"), ("hook --code x", "code: belongs"),
                ("hook --events nonsense", "events: "),
            ] {
                let outcome = await shell.run("destination set \(line)")
                #expect(outcome.status == .usage && outcome.errors.contains(message), "\(line): \(outcome.errors)")
            }
            #expect(await shell.run("destination set other --secret env:A").errors.contains("has no destination other"))

            await shell.run(
                "destination add post --kind email --target smtp://h --from a@example.com --to b@example.com "
                    + "--username u --secret env:P")
            let open = await shell.run("destination set post --username none --secret none --tls none --json")
            #expect(open.json("settings", "username") == nil && open.json("secrets", "0") == nil, "\(open.errors)")
            #expect(open.json("settings", "tls") == "none" && open.json("settings", "from") == "a@example.com")
            #expect(open.json("settings", "to", "0") == "b@example.com")
        }
    }

    @Test("two secrets and one text with a comma are different lists")
    func lists() {
        func shown(_ secrets: [String]) -> [String: String] {
            DestinationDraft(tenant: nil, name: "h", kind: .webhook, target: "env:URL", secrets: secrets).shown
        }
        #expect(shown(["file:/a", "file:/b"])["secrets"] == "file:/a,file:/b")
        #expect(shown(["file:/a,file:/b"]) != shown(["file:/a", "file:/b"]))
        #expect(shown(["\"file:/a", "file:/b\""]) != shown(["file:/a,file:/b"]))
    }

    @Test("dead letters are listed with their causes and queued again")
    func deadLetters() async throws {
        try await Shell.with { shell in
            await shell.run("migrate")
            await shell.run("tenant create acme")
            await shell.run("destination add hook --kind webhook --target http://127.0.0.1:1 --secret env:A")
            let pool = PostgresPool(
                configuration: try PostgresConfiguration(url: shell.url), size: 1, maxWaiting: 4,
                logger: Logger(label: "t") { _ in SwiftLogNoOpLogHandler() })
            for _ in 0..<3 { _ = try await pool.query("select gboost_tell(1, 'budget.threshold', '{}')") }
            _ = try await pool.query(
                "update deliveries set dead_at = now(), attempts = 5, last_error = 'HTTP 400: no' where id < 3")
            _ = try await pool.query("update destinations set lease_until = '2999-01-01T00:00:00Z'")
            await pool.close()
            // A gateway that works on it is to be seen.
            let leased = await shell.run("destination list --json")
            #expect(leased.json("destinations", "0", "lease_until") == "2999-01-01T00:00:00Z", "\(leased.output)")
            let shown = await shell.run("destination list").output
            #expect(shown.contains("worked on until 2999-01-01T00:00:00Z"), "\(shown)")
            let dead = await shell.run("outbox dead")
            #expect(dead.output.contains("HTTP 400: no") && dead.output.contains("event-2-"), "\(dead.errors)")
            let second = await shell.run("outbox dead --destination hook --json").json("dead", "1", "event")
            #expect(second?.hasPrefix("event-2-") == true, "\(second ?? "")")
            for name in ["list", "pending"] {
                let third = await shell.run("outbox \(name) --json").json("pending", "0", "event")
                #expect(third?.hasPrefix("event-3-") == true, "\(third ?? "")")
            }
            #expect(await shell.run("outbox list --tenant acme --json").output == "{\"pending\":[]}\n")
            #expect(await shell.run("outbox retry --destination hook --id 2 --json").output == "{\"queued\":1}\n")
            #expect(await shell.run("outbox retry --destination hook --id 2").errors.contains("no dead letter 2"))
            #expect(await shell.run("outbox retry --destination hook").output == "queued 1 again\n")
            #expect(await shell.run("outbox list --json").json("pending", "0", "attempts") == "0")
            #expect(await shell.run("outbox retry --destination nobody").status == .failed)
            #expect(await shell.run("outbox list --limit 0").status == .usage)
            // What goes with a destination is said.
            let removed = await shell.run("destination remove hook").output
            #expect(removed == "removed hook, and what waited for it undelivered: 3 pending, 0 dead letters\n")
            #expect(await shell.run("outbox list --json").output == "{\"pending\":[]}\n")
        }
    }

    @Test("a file declares destinations: made, changed, pruned, and errors name their place")
    func apply() async throws {
        try await Shell.with { shell in
            await shell.run("migrate")
            let file = shell.directory.appending(path: "state.yaml").path()
            let state = """
                destinations:
                  - { name: ops, kind: slack, target: "env:SLACK" }
                tenants:
                  - name: acme
                    destinations:
                      - { name: hook, kind: webhook, target: "https://h", secret: [env:A, env:B], events: [usage] }
                      - { name: post, kind: email, target: "smtp://h", from: a@example.com, to: b@example.com }
                """
            try write(state, file)
            let done = await shell.run("apply \(file)")
            for line in ["+ destination ops  events ", "+ destination acme hook  events usage  kind webhook  "] {
                #expect(done.output.contains(line), "\(done.output)\(done.errors)")
            }
            #expect(await shell.run("apply \(file) --prune").output == "nothing to change\n")
            try write(state.replacing("[env:A, env:B]", with: "env:C"), file)
            let changed = await shell.run("apply \(file)").output
            #expect(changed.contains("~ destination acme hook  secrets env:A,env:B → env:C\n"), "\(changed)")
            for (old, new, message) in [
                ("[env:A, env:B]", "plain", "state.yaml:6: tenants[0].destinations[0].secret: "),
                ("[env:A, env:B]", "\"env:A,env:B\"", "tenants[0].destinations[0].secret: a reference has no comma"),
                ("[usage]", "[usage, test]", "tenants[0].destinations[0].events: "),
                ("\"smtp://h\"", "\"http://h\"", "state.yaml:7: tenants[0].destinations[1].target: "),
                ("kind: slack", "kind: dove", "state.yaml:2: destinations[0].kind: "),
                ("kind: slack", "colour: red, kind: slack", "destinations[0].colour: is unknown"),
            ] {
                try write(state.replacing(old, with: new), file)
                let outcome = await shell.run("apply \(file)")
                #expect(outcome.status == .usage && outcome.errors.contains(message), "\(new): \(outcome.errors)")
            }
            try write("tenants: [{ name: acme }]\n", file)
            let pruned = await shell.run("apply \(file) --prune").output
            #expect(pruned.contains("- destination acme hook\n") && !pruned.contains("ops"))
            #expect(await shell.run("destination list --json").json("destinations", "1") == nil)
        }
    }
}

@Suite("Three gateways, one receiver")
struct ThreeGatewaysTests {
    private let quiet = Logger(label: "t") { _ in SwiftLogNoOpLogHandler() }

    /// A gateway's ledger and delivery.
    private struct Gateway {
        var ledger: PostgresLedger
        var delivery: OutboxDelivery
        var pools: [PostgresPool]
    }

    private func gateway(
        _ shell: AdministrationTests.Shell, _ client: CurlClient, _ number: Int
    ) async throws -> Gateway {
        var settings = try PostgresConfiguration(url: shell.url)
        settings.statementTimeout = .seconds(20)
        let pools = (0..<2).map { _ in PostgresPool(configuration: settings, size: 2, maxWaiting: 1000, logger: quiet) }
        var configuration = LedgerConfiguration(instance: "g\(number)")
        (configuration.reserveTimeout, configuration.settleTimeout) = (.seconds(20), .seconds(20))
        let ledger = await PostgresLedger.start(
            pools: LedgerPools(pools[0]),
            journal: try SettlementJournal(directory: shell.directory.appending(path: "journal\(number)").path()),
            configuration: configuration, logger: quiet)
        let sender = CurlDestinationSender(client: client)
        return Gateway(
            ledger: ledger,
            delivery: OutboxDelivery(
                store: OutboxStore(pool: pools[1]), sender: sender, settings: DeliverySettings(), logger: quiet),
            pools: pools)
    }

    @Test("each threshold reaches the receiver once, in order, whichever gateways cross it and deliver it")
    func thresholds() async throws {
        try await AdministrationTests.Shell.with { shell in
            await shell.run("migrate")
            await shell.run("tenant create acme")
            await shell.run("price set sim/m --input-usd-per-mtok 1 --output-usd-per-mtok 1")
            await shell.run("budget set --tenant acme --limit-usd 0.000001 --alert-at 10,20,30,40,50,60,70,80,90,100")
            let key = await shell.run("key create --tenant acme --name k --json")
            let secret = shell.directory.appending(path: "secret").path()
            try Data("s".utf8).write(to: URL(filePath: secret))
            let peer = try ScriptedPeer([.read, .send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), .again])
            defer { peer.stop() }
            let hook = "destination add hook --tenant acme --kind webhook --secret file:\(secret) --target \(peer.url)"
            #expect(await shell.run("\(hook) --events budget.threshold").status == .done)
            let client = try CurlClient()
            var gateways: [Gateway] = []
            for number in 1...3 { gateways.append(try await gateway(shell, client, number)) }
            let all = gateways
            let running = all.map { gateway in Task { await gateway.delivery.run() } }
            let keyID = try #require(key.json("id").flatMap { Int64($0) }, "\(key.output)")
            let caller = Caller(
                tenant: Tenant(id: 1, name: "acme", timeZone: "UTC", isSuspended: false), teamID: nil, keyID: keyID)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<100 {
                    group.addTask {
                        let call = Reservation(
                            id: HoldID(request: UUID(), step: 0, attempt: 0), caller: caller, route: nil,
                            model: ModelReference(provider: "sim", model: "m"), priceID: 1, amount: NanoUSD(10))
                        let ledger = all[index % 3].ledger
                        guard case .granted = try await ledger.reserve(call) else {
                            return #expect(Bool(false), "refused")
                        }
                        await ledger.settle(
                            Settlement(
                                id: call.id, outcome: .completed, amount: NanoUSD(10),
                                usage: TokenUsage(input: 1, output: 1), providerRequestID: nil,
                                escalation: EscalationRecord(kind: .direct, reason: "asked for")))
                    }
                }
                try await group.waitForAll()
            }
            #expect(await peer.wait { $0.requests.count >= 10 })
            // A stop ends a gateway that waits at once; and nothing more was sent meanwhile.
            for task in running { task.cancel() }
            for task in running { await task.value }
            let bodies = try peer.requests.map {
                try JSONSerialization.jsonObject(with: Data($0.body)) as? [String: Any]
            }
            let percents = bodies.compactMap { ($0?["data"] as? [String: Any])?["percent"] as? Int }
            #expect(percents == [10, 20, 30, 40, 50, 60, 70, 80, 90, 100])
            #expect(Set(bodies.compactMap { $0?["id"] as? String }).count == 10)
            let list = await shell.run("destination list --json")
            #expect(list.json("destinations", "0", "delivered") == "10")
            #expect(list.json("destinations", "0", "failed") == "0")
            await client.shutdown()
            for gateway in all { for pool in gateway.pools { await pool.close(within: .seconds(1)) } }
        }
    }
}
