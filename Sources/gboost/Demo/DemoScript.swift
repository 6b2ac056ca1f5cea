internal import Curl
internal import Foundation
internal import GatewayCore
internal import GatewayTesting
internal import Ledger
internal import ServiceLifecycle
internal import SimulatedProvider
internal import Synchronization

/// Asks the gateway three questions as a client would, shows how each was answered, and compares ledger and bill.
final class DemoScript: Service {
    private let tenant: DemoTenant
    private let upstream: DemoUpstream
    private let place: DemoPlace
    private let admin: AdminStore
    private let curl: CurlClient
    private let isCheck: Bool
    private let ports: AsyncStream<Int>
    private let problems = Mutex<[String]>([])

    init(
        tenant: DemoTenant, upstream: DemoUpstream, place: DemoPlace, admin: AdminStore, curl: CurlClient,
        isCheck: Bool, ports: AsyncStream<Int>
    ) {
        self.tenant = tenant
        self.upstream = upstream
        self.place = place
        self.admin = admin
        self.curl = curl
        self.isCheck = isCheck
        self.ports = ports
    }

    /// What was not right, as one line; nil when everything was.
    var failure: String? {
        let list = problems.withLock { $0 }
        return list.isEmpty ? nil : "the demo failed: \(list.joined(separator: "; "))"
    }

    func run() async throws {
        var iterator = ports.makeAsyncIterator()
        guard let port = await iterator.next() else { return }
        do {
            try await ask(port: port)
        } catch {
            fail("\(error)")
        }
        if isCheck { return }
        showURLs(port: port)
        try? await gracefulShutdown()
    }

    private func fail(_ text: String) { problems.withLock { $0.append(text) } }

    /// One question at two stakes, and one past the router. The same seed gives the same questions on every machine.
    private func ask(port: Int) async throws {
        var generator = WordProblemGenerator(seed: 7)
        let problem = generator.next(difficulty: 3)
        let client = DemoClient(curl: curl, port: port, key: tenant.key)
        let cheap = try await client.ask(problem.question, model: DemoTenant.route, valueUSD: "0.000001")
        show("1. An answer worth next to nothing: the SLM alone", problem, cheap)
        expect(cheap.servedBy == "slm" && cheap.escalations == 0 && cheap.costNanoUSD == 0, "1 cost money")
        let dear = try await client.ask(problem.question, model: DemoTenant.route, valueUSD: "0.5")
        show("2. The same question, its right answer worth 50 cents", problem, dear)
        expect(dear.escalations > 0 && dear.costNanoUSD > 0, "2 was not escalated")
        let direct = try await client.ask(problem.question, model: "\(upstream.llm)", valueUSD: nil)
        show("3. The paid model directly, under the same budget", problem, direct)
        expect(direct.servedBy == "llm" && direct.costNanoUSD > 0, "3 was not answered by the paid model")
        if upstream.api == .simulated { expect(problem.isCorrect(direct.text), "3 is not the right answer") }
        try await compare()
    }

    private func expect(_ holds: Bool, _ text: String) { if !holds { fail(text) } }

    private func show(_ title: String, _ problem: WordProblem, _ answer: DemoAnswer) {
        var text = "\n\(title)\n   \(problem.question)\n"
        for step in answer.steps {
            let reward = step.reward.map { " reward \(Self.rounded($0))" } ?? ""
            let cost = step.costUSD.map { " $\($0)" } ?? ""
            text += "   [\(step.source)] \(step.text)\n        \(step.decision)\(reward)\(cost)\n"
        }
        if answer.steps.isEmpty {
            for line in answer.text.split(separator: "\n") { text += "   [llm] \(line)\n" }
        }
        let right = problem.isCorrect(answer.text) ? "right" : "wrong"
        text += "   = \(answer.servedBy), \(answer.escalations) escalations, \(right) (\(problem.answer) expected), "
        text += "cost $\(answer.costUSD), budget left $\(answer.budgetLeftUSD)\n"
        CommandOutput.print(text)
    }

    private static func rounded(_ value: Double) -> String { String((value * 1000).rounded() / 1000) }

    /// The ledger's sum against what the provider says it charged.
    private func compare() async throws {
        let month = try await admin.spend(tenant: DemoTenant.name)
        CommandOutput.print(
            "\nledger of \(month.month): settled $\(NanoUSD(month.settledNanoUSD).usdString), "
                + "held $\(NanoUSD(month.heldNanoUSD).usdString)\n")
        if let vendor = upstream.vendor {
            return CommandOutput.print("compare it with the usage page of your \(vendor.name) account\n")
        }
        let bill = try SimulatedBill.read(URL(filePath: place.bill)).reduce(Int64(0)) { $0 + $1.nanoUSD }
        let verdict = bill == month.settledNanoUSD ? "equal to the nano-dollar" : "NOT EQUAL"
        expect(bill == month.settledNanoUSD && month.heldNanoUSD == 0, "ledger and bill differ")
        CommandOutput.print(
            "ledger \(month.settledNanoUSD) nano-dollars, provider's bill \(bill) nano-dollars: \(verdict)\n")
    }

    private func showURLs(port: Int) {
        let base = "http://127.0.0.1:\(port)"
        let files = FileManager.default
        let program = (try? files.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? "gboost"
        // The configuration's own paths are relative, too.
        let here = files.currentDirectoryPath
        CommandOutput.print(
            """

            The gateway runs. Stop it with Ctrl-C.
              API       \(base)/v1      (OpenAI's wire format; models: \(DemoTenant.route), \(upstream.llm))
              health    \(base)/health/ready
              metrics   \(base)/metrics
              key       \(place.key)
              commands  cd \(here) && \(program) spend --tenant demo --config \(place.configuration)

            curl \(base)/v1/chat/completions -H "Authorization: Bearer $(cat \(place.key))" \\
              -H 'Content-Type: application/json' \\
              -d '{"model": "\(DemoTenant.route)", "messages": [{"role": "user", "content": "What is 17 plus 25?"}]}'

            """)
    }
}
