import ArgumentParser
import EmbeddedPostgres
import Foundation
import GatewayTesting
import Testing

@testable import gboost

/// Every command of the program is here: those that change something with the event that they must leave, and those
/// that change nothing. A command that is in neither list fails the test.
@Suite("Every administrative change leaves an event: who, when, from where, before and after")
struct AdminEventTests {
    /// What an event must have.
    private struct Change {
        var line: String
        var action: String
        var subject: String
        var hasBefore = false
        var hasAfter = true
    }

    private static let t = "--tenant acme"
    private static let changes: [Change] = [
        Change(line: "tenant create acme", action: "tenant.create", subject: "acme"),
        Change(line: "tenant suspend acme", action: "tenant.suspend", subject: "acme", hasBefore: true),
        Change(line: "tenant resume acme", action: "tenant.resume", subject: "acme", hasBefore: true),
        Change(
            line: "tenant capture acme --days 7", action: "tenant.capture", subject: "acme",
            hasBefore: true),
        Change(
            line: "tenant cache acme --seconds 60", action: "tenant.cache", subject: "acme",
            hasBefore: true),
        Change(line: "tenant capture acme --off", action: "tenant.capture", subject: "acme", hasBefore: true),
        Change(line: "team create red \(t)", action: "team.create", subject: "red"),
        Change(line: "team suspend red \(t)", action: "team.suspend", subject: "red", hasBefore: true),
        Change(line: "team resume red \(t)", action: "team.resume", subject: "red", hasBefore: true),
        Change(line: "key create \(t) --team red --name first", action: "key.create", subject: "key:1"),
        Change(line: "key rotate 1", action: "key.rotate", subject: "key:1", hasBefore: true),
        Change(line: "key suspend 1", action: "key.suspend", subject: "key:1", hasBefore: true),
        Change(line: "key resume 1", action: "key.resume", subject: "key:1", hasBefore: true),
        Change(line: "key revoke 1", action: "key.revoke", subject: "key:1", hasBefore: true),
        Change(line: "budget set \(t) --limit-usd 5", action: "budget.set", subject: "tenant:acme"),
        Change(line: "budget set \(t) --limit-usd 6", action: "budget.set", subject: "tenant:acme", hasBefore: true),
        Change(
            line: "budget top-up \(t) --amount-usd 1", action: "budget.top-up", subject: "tenant:acme",
            hasBefore: true),
        Change(
            line: "budget override add \(t) --limit-usd 9 --from 2099-01-01 --until 2099-02-01",
            action: "budget.override", subject: "tenant:acme", hasBefore: true),
        Change(
            line: "budget override remove 1 \(t)", action: "budget.override.remove", subject: "tenant:acme",
            hasBefore: true),
        Change(
            line: "budget remove \(t)", action: "budget.remove", subject: "tenant:acme", hasBefore: true,
            hasAfter: false),
        Change(line: "limit set \(t) --requests-per-minute 5", action: "limit.set", subject: "tenant:acme"),
        Change(
            line: "limit remove \(t) --requests-per-minute", action: "limit.remove", subject: "tenant:acme",
            hasBefore: true, hasAfter: false),
        Change(
            line: "price set sim/m --input-usd-per-mtok 1 --output-usd-per-mtok 2", action: "price.set",
            subject: "sim/m"),
        Change(
            line: "price set sim/m --input-usd-per-mtok 2 --output-usd-per-mtok 2", action: "price.set",
            subject: "sim/m", hasBefore: true),
        Change(
            line: "price import DIR/prices.json --provider openai --as sim", action: "price.import", subject: "sim/m",
            hasBefore: true),
        Change(line: "model add slm \(t) --kind slm --file DIR/slm.gguf", action: "model.add", subject: "slm"),
        Change(line: "model load slm \(t)", action: "model.load", subject: "slm", hasBefore: true),
        Change(line: "model unload slm \(t)", action: "model.unload", subject: "slm", hasBefore: true),
        Change(line: "model pin slm \(t)", action: "model.pin", subject: "slm", hasBefore: true),
        Change(line: "model unpin slm \(t)", action: "model.unpin", subject: "slm", hasBefore: true),
        Change(
            line: "route add math \(t) --slm slm --llm sim/m --strategy direct", action: "route.add", subject: "math"),
        Change(
            line: "route remove math \(t)", action: "route.remove", subject: "math", hasBefore: true, hasAfter: false),
        Change(
            line: "model remove slm \(t)", action: "model.remove", subject: "slm", hasBefore: true, hasAfter: false),
        Change(
            line: "destination add hook \(t) --kind webhook --target http://127.0.0.1:9/ --secret env:GBOOST_NONE",
            action: "destination.add", subject: "hook"),
        Change(
            line: "destination set hook \(t) --secret env:GBOOST_OTHER", action: "destination.change", subject: "hook",
            hasBefore: true),
        Change(
            line: "destination pause hook \(t)", action: "destination.pause", subject: "hook", hasBefore: true),
        Change(
            line: "destination resume hook \(t)", action: "destination.resume", subject: "hook", hasBefore: true),
        Change(
            line: "destination remove hook \(t)", action: "destination.remove", subject: "hook", hasBefore: true,
            hasAfter: false),
        Change(line: "apply DIR/state.yaml", action: "team.create", subject: "blue"),
        Change(line: "statement close \(t) --month 2020-01", action: "statement.close", subject: "acme"),
        Change(
            line: "statement enter credit \(t) --amount-usd 1 --reason goodwill", action: "statement.credit",
            subject: "acme"),
        Change(
            line: "retention set requests --months 13", action: "retention.set", subject: "requests", hasBefore: true),
        Change(
            line: "tenant delete acme", action: "tenant.delete", subject: "acme", hasBefore: true, hasAfter: false),
    ]

    /// What reads only, or is none of administration's: what it writes is not the catalog, the budgets or the prices.
    /// `reconcile --resolve` has a test of its own (`hold.reconcile`), and so have `outbox retry` and
    /// `destination test`.
    private static let others: Set<String> = [
        "apply", "audit checkpoint", "audit events", "audit export", "audit key", "audit make-key", "audit prove",
        "audit seal", "audit verify", "budget override list", "budget show", "demo", "destination list",
        "destination test",
        "doctor", "engine-host",
        "engine-host-probe", "escalations export",
        "escalations list", "escalations refused", "escalations show", "escalations text",
        "holds list", "import litellm", "key list",
        "limit show", "migrate apply", "migrate status", "model list", "outbox dead", "outbox list", "outbox retry",
        "prm calibrate", "prm evaluate", "prm label",
        "prm read", "prm sample-data", "prm score", "prm train", "price list", "reconcile", "replay",
        "retention show", "route advise", "route list", "serve", "simulate-provider", "spend", "statement list",
        "statement show", "team list", "tenant list", "tenant show",
    ]

    /// "budget override add", of every command that has none below it.
    private static func leaves(_ command: any ParsableCommand.Type, _ path: String = "") -> [String] {
        let below = command.configuration.subcommands
        guard !below.isEmpty else { return [path] }
        return below.flatMap { leaves($0, path.isEmpty ? $0._commandName : "\(path) \($0._commandName)") }
    }

    @Test("no command is forgotten")
    func complete() {
        let known = Self.others.union(
            Self.leaves(GBoostCommand.self).filter { leaf in Self.changes.contains { $0.line.hasPrefix(leaf + " ") } })
        let all = Set(Self.leaves(GBoostCommand.self))
        #expect(all.subtracting(known).isEmpty, "neither in the list of changes nor in that of the others")
        #expect(Self.others.subtracting(all).isEmpty, "there is no such command")
    }

    @Test("each change, in turn; all of them sealed")
    func events() async throws {
        try await AdministrationTests.Shell.with { shell in
            await shell.run("migrate")
            try shell.append("capture: { key: \"env:NONE\" }\n")
            try TinyModel().file.write(to: shell.directory.appending(path: "slm.gguf"))
            let prices =
                #"{"m": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 0.000003, "#
                + #""output_cost_per_token": 0.000004}}"#
            try Data(prices.utf8).write(to: shell.directory.appending(path: "prices.json"))
            try Data("tenants:\n  - name: acme\n    teams: [{ name: red }, { name: blue }]\n".utf8)
                .write(to: shell.directory.appending(path: "state.yaml"))
            var count = 0
            for change in Self.changes {
                let outcome = await shell.run(change.line.replacing("DIR", with: shell.directory.path()))
                #expect(outcome.status == .done, "\(change.line): \(outcome.errors)")
                let list = await shell.run("audit events --limit 1000 --json")
                let events = try #require(
                    (try JSONSerialization.jsonObject(with: Data(list.output.utf8)) as? [String: Any])?["events"]
                        as? [[String: Any]])
                let new = events.dropLast(count)
                count = events.count
                let event = new.first { $0["action"] as? String == change.action }
                #expect(new.count == 1 && event?["subject"] as? String == change.subject, "\(change.line): \(new)")
                #expect((event?["before"] != nil) == change.hasBefore, "\(change.line): before")
                #expect((event?["after"] != nil) == change.hasAfter, "\(change.line): after")
                #expect((event?["actor"] as? String)?.hasPrefix("cli:") == true && event?["at"] != nil)
                let host = try String(contentsOfFile: "/proc/sys/kernel/hostname", encoding: .utf8)
                    .trimmingCharacters(in: .whitespacesAndNewlines)
                #expect((event?["origin"] as? String)?.hasPrefix(host) == true, "\(change.line): from where")
            }
            #expect(await shell.run("audit seal").status == .done)
            let verified = await shell.run("audit verify --json")
            #expect(verified.status == .done && verified.json("records") == String(count), "\(verified.output)")
        }
    }
}
