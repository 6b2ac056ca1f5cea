import Foundation
import Logging
import Postgres
import Testing

@testable import Ledger
@testable import gboost

@Suite("Providers' bills are read in their own forms")
struct ProviderBillTests {
    private static func read(_ text: String) throws -> ProviderBill { try ProviderBill(Data(text.utf8)) }

    @Test("the simulated provider's lines, each a call by the name that its answer had")
    func simulated() throws {
        let bill = try Self.read(
            """
            {"request_id":"r","call":17,"model":"m","input_tokens":3,"output_tokens":2,"nano_usd":5,"finished":true}
            {"request_id":"s","call":18,"model":"m","input_tokens":3,"output_tokens":2,"nano_usd":6,"finished":false}

            """)
        #expect(bill.calls.map(\.providerRequest) == ["sim-17", "sim-18"] && bill.calls.map(\.nanoUSD) == [5, 6])
        #expect(bill.buckets.isEmpty)
    }

    @Test("OpenAI's usage and costs: a bucket for each span and model, dollars to the nano-dollar")
    func openAI() throws {
        let usage = try Self.read(
            """
            {"object":"page","data":[{"object":"bucket","start_time":1730419200,"end_time":1730505600,"results":[
            {"object":"organization.usage.completions.result","input_tokens":1000,"output_tokens":500,
            "input_cached_tokens":800,"num_model_requests":5,"model":"gpt-x","project_id":"a"},
            {"object":"organization.usage.completions.result","input_tokens":1,"output_tokens":2,
            "num_model_requests":1,"model":"gpt-x","project_id":"b"}]}],"has_more":false,"next_page":null}
            """)
        let bucket = try #require(usage.buckets.first)
        #expect(usage.buckets.count == 1 && bucket.model == "gpt-x" && bucket.inputTokens == 1001)
        #expect(bucket.outputTokens == 502 && bucket.calls == 6 && bucket.nanoUSD == nil)
        #expect(bucket.span.lowerBound == Date(timeIntervalSince1970: 1_730_419_200))
        let costs = try Self.read(
            """
            {"object":"page","data":[{"object":"bucket","start_time":1730419200,"end_time":1730505600,"results":[
            {"object":"organization.costs.result","amount":{"value":0.06,"currency":"usd"},"line_item":null},
            {"object":"organization.costs.result","amount":{"value":0.000000001,"currency":"usd"}}]}]}
            """)
        #expect(costs.buckets.map(\.nanoUSD) == [60_000_001] && costs.buckets.first?.model == nil)
    }

    @Test("an amount is read from a number or from text, to the nano-dollar, without floating point")
    func amounts() throws {
        func costs(_ value: String) throws -> [Int64?] {
            try Self.read(
                """
                {"object":"page","data":[{"start_time":1730419200,"end_time":1730505600,"results":[
                {"object":"organization.costs.result","amount":{"value":\(value),"currency":"usd"}}]}]}
                """
            ).buckets.map(\.nanoUSD)
        }
        let read: [(String, Int64)] = [
            ("\"0.0\"", 0), ("\"12.50\"", 12_500_000_000), ("0.06", 60_000_000), ("\"0.06\"", 60_000_000),
            // No `Double` is any of these.
            ("\"9007199.254740993\"", 9_007_199_254_740_993), ("9007199.254740993", 9_007_199_254_740_993),
            ("\"9223372036.854775807\"", .max), ("\"-9223372036.854775807\"", -Int64.max),
            ("\"0.0000000005\"", 1), ("\"0.00000000049999999999999999999999999999999999999999999\"", 0),
            ("\"-0.0000000015\"", -2), ("\"0E-6176\"", 0), ("\"1.5E-7\"", 150), ("\"1e+1\"", 10_000_000_000),
            ("\"00012\"", 12_000_000_000), ("\".5\"", 500_000_000), ("7", 7_000_000_000),
        ]
        for (text, amount) in read { #expect(try costs(text) == [amount], "\(text)") }
        let others = ["\"\"", "\"12abc\"", "\"1.2.3\"", "\"0x10\"", "\"1e\"", "\"-\"", "\"1e99999\"", "\"1,5\""]
        for text in others + ["\"9223372036.854775808\"", "1e30", "true", "null", "\"1\u{301}\""] {
            #expect(throws: CommandFailure.self, "\(text)") { try costs(text) }
        }
    }

    @Test("a span without results is one of zeros, in what the export counts")
    func emptySpans() throws {
        let usage = try Self.read(
            """
            {"data":[{"start_time":0,"end_time":86400,"results":[{"input_tokens":1,"output_tokens":2,"model":"m"}]},
            {"start_time":86400,"end_time":172800,"results":[]}]}
            """)
        #expect(usage.buckets.map(\.inputTokens) == [1, 0] && usage.buckets.map(\.nanoUSD) == [nil, nil])
        #expect(usage.buckets.map(\.isEmpty) == [false, true])
        let costs = try Self.read("{\"data\":[{\"start_time\":0,\"end_time\":86400,\"results\":[]}]}")
        #expect(costs.buckets.map(\.nanoUSD) == [0] && costs.buckets.map(\.inputTokens) == [nil])
        let other = try Self.read(
            """
            {"data":[{"starting_at":"2026-08-01T00:00:00Z","ending_at":"2026-08-02T00:00:00Z","results":[]}]}
            """)
        #expect(other.buckets.map(\.isEmpty) == [true] && other.buckets.map(\.nanoUSD) == [0])
    }

    @Test("models that a span of a bill does not name are missing there, each with its sum; the sum of all names all")
    func unnamed() {
        typealias Bucket = ProviderBill.Bucket
        let day = Date(timeIntervalSince1970: 0)..<Date(timeIntervalSince1970: 86_400)
        let usage = [
            LedgerUsage(model: "free", nanoUSD: 0, inputTokens: 3, outputTokens: 1, calls: 1),
            LedgerUsage(model: "m", nanoUSD: 500, inputTokens: 5, outputTokens: 2, calls: 1),
            LedgerUsage(model: "n", nanoUSD: 300, inputTokens: 7, outputTokens: 4, calls: 2),
            LedgerUsage(model: "refused", nanoUSD: 0, inputTokens: 0, outputTokens: 0, calls: 9),
        ]
        func verdicts(_ buckets: [Bucket], _ usage: [LedgerUsage]) -> [String] {
            ReconcileCommand.Sum.of(buckets, usage).map { "\($0.model ?? "all") \($0.verdict.rawValue)" }
        }
        let tokens = Bucket(span: day, model: "m", inputTokens: 5, outputTokens: 2, calls: 1)
        #expect(verdicts([tokens], usage) == ["m matched", "free missing_there", "n missing_there"])
        let missing = ReconcileCommand.Sum.of([tokens], usage).last
        #expect(missing?.ledgerNanoUsd == 300 && missing?.ledgerInputTokens == 7 && missing?.billNanoUsd == nil)
        #expect(missing?.from == day.lowerBound && missing?.until == day.upperBound)
        // A bill of dollars does not name what is free.
        #expect(verdicts([Bucket(span: day, model: "m", nanoUSD: 500)], usage) == ["m matched", "n missing_there"])
        #expect(verdicts([Bucket(span: day, nanoUSD: 800)], usage) == ["all matched"])
        #expect(verdicts([Bucket(span: day, nanoUSD: 799)], usage) == ["all differing"])
        // A bill names the snapshots that an alias stood for, in one way or the other.
        let alias = [LedgerUsage(model: "a-1", nanoUSD: 9, inputTokens: 5, outputTokens: 2, calls: 3)]
        let snapshots = ["a-1-20240718", "a-1-2024-07-18"].map { Bucket(span: day, model: $0, nanoUSD: 4) }
        let rest = Bucket(span: day, model: "a-1", nanoUSD: 1)
        #expect(verdicts(snapshots + [rest], alias) == ["a-1 matched"])
        #expect(verdicts(snapshots, alias) == ["a-1 differing"])
        #expect(verdicts([snapshots[1]], []) == ["a-1-2024-07-18 missing_here"])
        let other = Bucket(span: day, model: "a-1-2024", nanoUSD: 9)
        #expect(verdicts([other], alias) == ["a-1-2024 missing_here", "a-1 missing_there"])
        // With calls of both, which charge is whose, nobody knows.
        let both = alias + [LedgerUsage(model: "a-1-20240718", nanoUSD: 4, inputTokens: 1, outputTokens: 1, calls: 1)]
        #expect(verdicts([snapshots[0]], both) == ["a-1-20240718 matched", "a-1 missing_there"])
        let empty = Bucket(span: day, nanoUSD: 0, isEmpty: true)
        #expect(verdicts([empty], usage) == ["m missing_there", "n missing_there"])
        #expect(verdicts([empty], [usage[0], usage[3]]) == ["all matched"] && verdicts([empty], []) == ["all matched"])
    }

    @Test("Anthropic's usage counts what was cached, its costs are cents in text")
    func anthropic() throws {
        let usage = try Self.read(
            """
            {"data":[{"starting_at":"2026-08-01T00:00:00Z","ending_at":"2026-08-02T00:00:00Z","results":[
            {"uncached_input_tokens":1500,"cache_creation":{"ephemeral_1h_input_tokens":1000,
            "ephemeral_5m_input_tokens":500},"cache_read_input_tokens":200,"output_tokens":500,"model":"claude-x"}]}],
            "has_more":false}
            """)
        #expect(usage.buckets.map(\.inputTokens) == [3200] && usage.buckets.map(\.outputTokens) == [500])
        let costs = try Self.read(
            """
            {"data":[{"starting_at":"2026-08-01T00:00:00Z","ending_at":"2026-08-02T00:00:00Z","results":[
            {"currency":"USD","amount":"123.78912","model":"claude-x"}]}]}
            """)
        #expect(costs.buckets.map(\.nanoUSD) == [1_237_891_200])
    }

    @Test(
        "one page of several is not the bill",
        arguments: [
            "{\"start_time\":0,\"end_time\":86400,\"results\":[]}",
            "{\"starting_at\":\"2026-08-01T00:00:00Z\",\"ending_at\":\"2026-08-02T00:00:00Z\",\"results\":[]}",
        ])
    func truncated(bucket: String) throws {
        #expect(try Self.read("{\"data\":[\(bucket)],\"has_more\":false}").buckets.count == 1)
        let error = #expect(throws: CommandFailure.self) {
            try Self.read("{\"data\":[\(bucket)],\"has_more\":true,\"next_page\":\"p\"}")
        }
        #expect(error?.status == .usage && error?.message.hasPrefix("has_more: ") == true)
    }

    @Test("a bill in another currency is none of dollars, whatever its amounts")
    func currency() throws {
        func openAI(_ currency: String) throws -> ProviderBill {
            try Self.read(
                """
                {"data":[{"start_time":0,"end_time":86400,"results":[
                {"amount":{"value":1,"currency":"usd"}},{"amount":{"value":0.5,"currency":"\(currency)"}}]}]}
                """)
        }
        func anthropic(_ currency: String) throws -> ProviderBill {
            try Self.read(
                """
                {"data":[{"starting_at":"2026-08-01T00:00:00Z","ending_at":"2026-08-02T00:00:00Z","results":[
                {"currency":"\(currency)","amount":"50","model":"m"}]}]}
                """)
        }
        for dollars in ["usd", "USD", "Usd"] {
            #expect(try openAI(dollars).buckets.map(\.nanoUSD) == [1_500_000_000])
            #expect(try anthropic(dollars).buckets.map(\.nanoUSD) == [500_000_000])
        }
        for read in [openAI, anthropic] {
            let error = #expect(throws: CommandFailure.self) { try read("eur") }
            #expect(error?.status == .usage)
            #expect(error?.message == "currency: the bill is in EUR, the ledger in USD")
        }
    }

    @Test(
        "a bill whose sums 64 bits do not hold is refused",
        arguments: [
            """
            {"data":[{"start_time":0,"end_time":86400,"results":[
            {"input_tokens":9223372036854775807,"output_tokens":5,"model":"m"},
            {"input_tokens":1,"output_tokens":5,"model":"m"}]}]}
            """,
            // Of two models, which an alias may join.
            """
            {"data":[{"start_time":0,"end_time":86400,"results":[
            {"amount":{"value":9000000000,"currency":"usd"},"model":"m"},
            {"amount":{"value":-9000000000,"currency":"usd"},"model":"n"}]}]}
            """,
            """
            {"data":[{"starting_at":"2026-11-01T00:00:00Z","ending_at":"2026-12-01T00:00:00Z","results":[
            {"uncached_input_tokens":9223372036854775807,"cache_read_input_tokens":1,"model":"m"}]}]}
            """,
            """
            {"data":[{"starting_at":"2026-11-01T00:00:00Z","ending_at":"2026-12-01T00:00:00Z","results":[
            {"uncached_input_tokens":1,"cache_creation":{"ephemeral_5m_input_tokens":9223372036854775807}}]}]}
            """,
            """
            {"request_id":"r","call":1,"model":"m","input_tokens":1,"output_tokens":1,"nano_usd":9223372036854775807}
            {"request_id":"s","call":2,"model":"m","input_tokens":1,"output_tokens":1,"nano_usd":1}
            """,
            """
            {"request_id":"r","call":1,"model":"m","input_tokens":9223372036854775807,"output_tokens":1,"nano_usd":1}
            """,
        ])
    func huge(text: String) {
        let error = #expect(throws: CommandFailure.self) { try Self.read(text) }
        #expect(error?.status == .failed && error?.message == "the bill's sums do not fit", "\(error?.message ?? "")")
    }

    @Test("a line of a simulated bill that is torn is named by its number; a span that no year has is none")
    func torn() {
        let line = #"{"request_id":"r","call":1,"model":"m","input_tokens":1,"output_tokens":1,"nano_usd":1}"#
        let error = #expect(throws: CommandFailure.self) { try Self.read("\(line)\n\n\(line.dropLast(9))") }
        #expect(error?.message == "line 3 is torn, or is no call of a simulated bill")
        let far = #expect(throws: CommandFailure.self) {
            try Self.read("{\"data\":[{\"start_time\":1e300,\"end_time\":1e300,\"results\":[]}]}")
        }
        #expect(far?.status == .failed && far?.message.hasPrefix("a span of the bill") == true)
    }

    @Test("of a bill of sums the whole spans between two instants are taken; one that is cut, or none, is an error")
    func spans() throws {
        let bill = try Self.read(
            """
            {"data":[{"start_time":0,"end_time":100,"results":[]},{"start_time":100,"end_time":200,"results":[]},
            {"start_time":200,"end_time":300,"results":[]}]}
            """)
        func starts(_ first: Double?, _ last: Double?) throws -> [Double] {
            try bill.part(
                from: first.map { Date(timeIntervalSince1970: $0) }, until: last.map { Date(timeIntervalSince1970: $0) }
            ).map { $0.span.lowerBound.timeIntervalSince1970 }
        }
        #expect(try starts(nil, nil) == [0, 100, 200])
        #expect(try starts(100, nil) == [100, 200])
        #expect(try starts(nil, 200) == [0, 100])
        #expect(try starts(100, 200) == [100])
        let refused: [(Double?, Double?, String)] = [
            (150, nil, "--from: "), (nil, 150, "--until: "), (300, nil, "--from, "),
        ]
        for (first, last, option) in refused {
            let error = #expect(throws: CommandFailure.self) { try starts(first, last) }
            #expect(error?.status == .usage && error?.message.hasPrefix(option) == true, "\(error?.message ?? "")")
        }
    }

    @Test("anything else is no bill")
    func others() {
        for text in ["{}", "[]", "hello", "{\"data\":[{}]}"] {
            #expect(throws: CommandFailure.self) { try Self.read(text) }
        }
    }

    @Test("an empty bill is a bill, beside an empty ledger it is even; a missing file is named")
    func command() async throws {
        try await AdministrationTests.Shell.with { shell in
            await shell.run("migrate")
            let path = shell.directory.path()
            try Data().write(to: shell.directory.appending(path: "bill"))
            let even = await shell.run("reconcile \(path)/bill --provider sim --json")
            #expect(even.status == .done && even.json("matched", "count") == "0", "\(even.errors)")
            let line = """
                {"request_id":"r","call":1,"model":"m","input_tokens":3,"output_tokens":2,"nano_usd":5,"finished":true}
                """
            try Data(line.utf8).write(to: shell.directory.appending(path: "bill"))
            let missing = await shell.run("reconcile \(path)/bill --provider sim")
            #expect(missing.status == .failed && missing.output.contains("sim-1"), "\(missing.errors)")
            #expect(await shell.run("reconcile \(path)/none --provider sim").status == .usage)
        }
    }

    @Test("charges of a model, and of a day, that the provider's usage does not have are told, and fail the command")
    func missingThere() async throws {
        try await AdministrationTests.Shell.with { shell in
            await shell.run("migrate")
            await shell.run("tenant create acme")
            await shell.run("key create --tenant acme --name first")
            for model in ["m", "n"] {
                await shell.run("price set sim/\(model) --input-usd-per-mtok 1 --output-usd-per-mtok 2")
            }
            try await Self.charge(shell, "m", 500, at: "2026-03-10 12:00Z")
            // One that never reached the model is no request of the provider's.
            try await Self.charge(shell, "m", 0, at: "2026-03-10 12:30Z", kind: "release")
            // Nor is one that was posted in full before it was known to have failed.
            try await Self.charge(shell, "m", 5, at: "2026-03-10 12:40Z", kind: "unreconciled")
            try await Self.charge(shell, "m", -5, at: "2026-03-10 12:40Z", kind: "adjustment")
            try await Self.charge(shell, "n", 300, at: "2026-03-10 13:00Z")
            try await Self.charge(shell, "n", 7, at: "2026-03-11 12:00Z")
            let path = shell.directory.appending(path: "usage.json")
            func bill(_ days: String) throws -> String {
                let first = """
                    {"start_time":1773100800,"end_time":1773187200,"results":[
                    {"input_tokens":5,"output_tokens":2,"num_model_requests":1,"model":"m"}\(days)
                    """
                try Data("{\"object\":\"page\",\"data\":[\(first)]}".utf8).write(to: path)
                return "reconcile \(path.path()) --provider sim"
            }
            let line = try bill(
                """
                ]},{"start_time":1773187200,"end_time":1773273600,"results":[]},
                {"start_time":1773273600,"end_time":1773360000,"results":[]}
                """)
            let found = await shell.run(line + " --json")
            #expect(found.status == .failed, "\(found.errors)")
            let rows = (0..<4).map { row in
                ["verdict", "model", "ledger_nano_usd"].map { found.json("sums", "\(row)", $0) ?? "-" }
            }
            #expect(
                rows == [
                    ["matched", "m", "500"], ["missing_there", "n", "300"], ["missing_there", "n", "7"],
                    ["matched", "-", "0"],
                ])
            #expect(found.json("sums", "4", "verdict") == nil)
            let text = await shell.run(line)
            #expect(text.status == .failed && text.output.contains("missing_there"))
            #expect(text.output.contains("LEDGER CALLS") && text.output.contains("BILL CALLS"))
            // The last day has nothing on either side.
            #expect(await shell.run(line + " --from 2026-03-12").status == .done)
            let unsettled = await shell.run(line + " --resolve")
            #expect(unsettled.status == .usage && unsettled.errors.contains("--resolve"), "\(unsettled.errors)")
            let even = await shell.run(
                try bill(",{\"input_tokens\":5,\"output_tokens\":2,\"num_model_requests\":1,\"model\":\"n\"}]}"))
            #expect(even.status == .done, "\(even.output)\(even.errors)")
        }
    }

    private static func charge(
        _ shell: AdministrationTests.Shell, _ model: String, _ amount: Int64, at moment: String,
        kind: String = "charge"
    ) async throws {
        let pool = PostgresPool(
            configuration: try PostgresConfiguration(url: shell.url), size: 1, maxWaiting: 1,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let statement = PostgresStatement(
            trusted: """
                insert into ledger_entries (at, taken_at, tenant_id, key_id, request_id, step, attempt, kind, outcome,
                  held, amount, price_id, input_tokens, output_tokens, periods)
                select now(), '\(moment)', k.tenant_id, k.id, gen_random_uuid(), 0, 0, '\(kind)',
                  \(kind == "adjustment" ? "'failed'" : "null"), 0, \(amount), p.id,
                  \(kind == "charge" ? "5, 2" : "null, null"), '{}'
                from api_keys k, prices p where p.model = '\(model)' returning id
                """)
        do { #expect(try await pool.query(statement).rows.count == 1) } catch {
            await pool.close(within: .seconds(1))
            throw error
        }
        await pool.close(within: .seconds(1))
    }
}
