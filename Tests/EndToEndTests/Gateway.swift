import Curl
import Foundation
import Postgres
import SimulatedProvider
import Testing

/// A running gateway of a `World`, spoken to as a client would.
struct Gateway: Sendable {
    struct Answer: Sendable {
        var status: Int
        var headers: @Sendable (String) -> String?
        var body: String
        /// `choices[0].message.content` of a whole body.
        var content: String?
    }

    let program: Program
    let port: Int
    let world: World

    func body(
        _ text: String, model: String, maxTokens: Int? = nil, stream: Bool = false, extra: [String: Int] = [:]
    ) throws -> [UInt8] {
        var object: [String: Any] = [
            "model": model, "messages": [["role": "user", "content": text]], "temperature": 0,
        ]
        if let maxTokens { object["max_tokens"] = maxTokens }
        if stream { object["stream"] = true }
        object.merge(extra) { $1 }
        return Array(try JSONSerialization.data(withJSONObject: object))
    }

    func open(
        _ body: [UInt8], key: String, path: String = "/v1/chat/completions"
    ) async throws -> CurlResponse {
        var request = CurlRequest(
            url: "http://127.0.0.1:\(port)\(path)",
            headers: [
                (name: "Authorization", value: "Bearer \(key)"), (name: "Content-Type", value: "application/json"),
            ], body: body)
        request.timeouts.firstByte = .seconds(120)
        request.timeouts.idle = .seconds(120)
        return try await world.curl.open(request)
    }

    func ask(
        _ text: String, model: String, key: String, maxTokens: Int? = nil, stream: Bool = false
    ) async throws -> Answer {
        try await ask(try body(text, model: model, maxTokens: maxTokens, stream: stream), key: key)
    }

    func ask(_ body: [UInt8], key: String) async throws -> Answer {
        let response = try await open(body, key: key)
        var bytes: [UInt8] = []
        while let piece = try await response.next() { bytes += piece }
        let json = try? JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any]
        let choice = (json?["choices"] as? [[String: Any]])?.first
        return Answer(
            status: response.status, headers: { response.header($0) }, body: String(decoding: bytes, as: UTF8.self),
            content: (choice?["message"] as? [String: Any])?["content"] as? String)
    }

    func get(_ path: String) async throws -> (status: Int, body: String) {
        let response = try await world.curl.open(CurlRequest(method: .get, url: "http://127.0.0.1:\(port)\(path)"))
        var bytes: [UInt8] = []
        while let piece = try await response.next() { bytes += piece }
        return (response.status, String(decoding: bytes, as: UTF8.self))
    }

    func kill() async { await program.kill() }
    @discardableResult func stop() async -> Int32 { await program.stop() }
}

/// What the ledger says of one tenant, from the database.
struct Books: Sendable {
    var settled: Int64
    var held: Int64
    var limit: Int64
    /// Sum of the entries.
    var entries: Int64
    var unreconciled: [String: Int64]
    /// Charged by the provider for this tenant's requests.
    var bill: Int64
    /// Charged for requests whose hold was posted as unreconciled.
    var billOfUnreconciled: Int64

    static func read(_ world: World, tenant: String) async throws -> Books {
        let period = try await world.query(
            """
            select coalesce(sum(p.settled), 0)::bigint settled, coalesce(sum(p.held), 0)::bigint held,
                   coalesce(max(p.lim), 0)::bigint lim
              from tenants t join budgets b on b.tenant_id = t.id
              join budget_periods p on p.id / 100000000 = b.id where t.name = \(tenant)
            """
        ).rows[0]
        let entries = try await world.query(
            """
            select coalesce(sum(amount), 0)::bigint total from ledger_entries e join tenants t on t.id = e.tenant_id
             where t.name = \(tenant)
            """
        ).rows[0]
        let holds = try await world.query(
            """
            select h.request_id::text request, h.actual from holds h join tenants t on t.id = h.tenant_id
             where t.name = \(tenant) and h.unreconciled
            """
        ).rows
        let requests = try await world.query(
            """
            select distinct request_id::text request from holds h join tenants t on t.id = h.tenant_id
             where t.name = \(tenant)
            """
        ).rows.map { try $0.get("request", as: String.self) }
        var unreconciled: [String: Int64] = [:]
        for row in holds { unreconciled[try row.get("request"), default: 0] += try row.get("actual", as: Int64.self) }
        let charges = try world.charges.filter { requests.contains($0.requestID.lowercased()) }
        return Books(
            settled: try period.get("settled"), held: try period.get("held"), limit: try period.get("lim"),
            entries: try entries.get("total"), unreconciled: unreconciled,
            bill: charges.reduce(0) { $0 + $1.nanoUSD },
            billOfUnreconciled: charges.filter { unreconciled[$0.requestID.lowercased()] != nil }
                .reduce(0) { $0 + $1.nanoUSD })
    }

    /// Everything that must hold whenever nothing is under way.
    func check(_ location: SourceLocation = #_sourceLocation) {
        #expect(settled == entries, "the period and the entries differ", sourceLocation: location)
        #expect(settled + held <= limit, "over the cap", sourceLocation: location)
        #expect(
            settled - unreconciled.values.reduce(0, +) == bill - billOfUnreconciled,
            "the ledger is not the bill plus what is named unreconciled", sourceLocation: location)
    }
}
