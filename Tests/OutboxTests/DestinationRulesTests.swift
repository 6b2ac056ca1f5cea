import Outbox
import Testing

@Suite("What a destination may be")
struct DestinationRulesTests {
    private func destination(
        _ kind: DestinationKind, _ target: String = "https://example.com/x", secrets: [String]? = nil,
        tenant: Int64? = nil, _ change: (inout Destination) -> Void = { _ in }
    ) -> Destination {
        var settings = DestinationSettings()
        if kind == .email { (settings.from, settings.to) = ("a@example.com", ["b@example.com"]) }
        let usual = kind == .webhook || kind == .lago ? ["env:A"] : []
        var destination = Destination(
            id: 0, tenantID: tenant, name: "d", kind: kind, target: target, secrets: secrets ?? usual,
            kinds: kind == .lago ? [.usage] : [.budgetThreshold], settings: settings)
        change(&destination)
        return destination
    }

    private func problem(_ destination: Destination) -> String? {
        do throws(DestinationProblem) {
            try destination.check()
            return nil
        } catch { return error.field }
    }

    @Test("each kind passes with what it needs")
    func good() {
        #expect(problem(destination(.webhook)) == nil)
        #expect(problem(destination(.webhook, "env:HOOK", secrets: ["env:A", "file:/b"])) == nil)
        #expect(problem(destination(.slack, "file:/etc/slack")) == nil)
        #expect(problem(destination(.email, "smtp://127.0.0.1:25")) == nil)
        #expect(
            problem(destination(.email, "smtps://mail.example.com", secrets: ["env:P"]) { $0.settings.username = "u" })
                == nil)
        #expect(problem(destination(.cloudevents, "http://127.0.0.1:8888/api/v1/events")) == nil)
        #expect(problem(destination(.lago)) == nil)
        #expect(problem(destination(.webhook) { $0.kinds = [.providerDown, .usage] }) == nil)
    }

    @Test("bad input names its field, and is not repeated")
    func bad() {
        let targets = [
            "", "example.com", "ftp://example.com", "https://", "https://u:p@example.com", "javascript:alert(1)",
            "https://example.com/#part", "smtp://example.com", "env:", "https://exa mple.com",
            "https://example.com/" + String(repeating: "x", count: 2000),
        ]
        for target in targets { #expect(problem(destination(.webhook, target)) == "target", "\(target)") }
        #expect(problem(destination(.slack, "https://hooks.slack.example/T/B/token")) == "target")
        #expect(problem(destination(.email, "https://example.com")) == "target")
        for secrets in [[], ["plain"], ["env:A", "env:B", "env:C"], ["env:A", "s3cret"]] {
            #expect(problem(destination(.webhook, secrets: secrets)) == "secret", "\(secrets)")
        }
        #expect(problem(destination(.slack, "env:U", secrets: ["env:A"])) == "secret")
        #expect(problem(destination(.lago, secrets: [])) == "secret")
        #expect(problem(destination(.email, "smtp://h", secrets: ["env:P"])) == "secret")
        #expect(problem(destination(.email, "smtp://h") { $0.settings.username = "u" }) == "secret")
        do throws(DestinationProblem) {
            try destination(.webhook, secrets: ["sk-canary"]).check()
        } catch { #expect(!error.description.contains("canary")) }
    }

    @Test("events are those that the kind and the owner may have")
    func events() {
        #expect(problem(destination(.webhook) { $0.kinds = [] }) == "events")
        #expect(problem(destination(.webhook) { $0.kinds = [.test] }) == "events")
        #expect(problem(destination(.webhook) { $0.kinds = [.usage, .usage] }) == "events")
        #expect(problem(destination(.slack, "env:U") { $0.kinds = [.usage] }) == "events")
        #expect(problem(destination(.email, "smtp://h") { $0.kinds = [.usage] }) == "events")
        #expect(problem(destination(.lago) { $0.kinds = [.usage, .budgetThreshold] }) == "events")
        for kind in EventKind.operatorOnly {
            #expect(problem(destination(.webhook, tenant: 3) { $0.kinds = [kind] }) == "events")
            #expect(problem(destination(.webhook) { $0.kinds = [kind] }) == nil)
        }
    }

    @Test("settings belong to their kind, and no address can be another command")
    func settings() {
        for address in ["", "a", "a@", "@b", "a@b@c", "a@b>", "a b@c", "a@b\r\nRCPT TO:<x@y>", "<a@b>", "ä@b"] {
            #expect(problem(destination(.email, "smtp://h") { $0.settings.from = address }) == "from", "\(address)")
            #expect(
                problem(destination(.email, "smtp://h") { $0.settings.to = ["b@example.com", address] }) == "to")
        }
        #expect(problem(destination(.email, "smtp://h") { $0.settings.to = [] }) == "to")
        #expect(
            problem(
                destination(.email, "smtp://h", secrets: ["env:P"]) {
                    $0.settings.username = "u"
                    $0.settings.tls = MailSecurity.none
                }) == "tls")
        #expect(problem(destination(.webhook) { $0.settings.from = "a@b" }) == "from")
        #expect(problem(destination(.webhook) { $0.settings.code = "c" }) == "code")
        #expect(problem(destination(.lago) { $0.settings.code = "a b" }) == "code")
        #expect(problem(destination(.webhook) { $0.settings.source = "c" }) == "source")
    }
}
