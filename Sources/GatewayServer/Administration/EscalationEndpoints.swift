internal import Foundation
internal import HTTPTypes
internal import Ledger

/// `/admin/v1/escalations` and `/admin/v1/refusals`: why each paid call was made, or was not.
enum EscalationEndpoints {
    private enum Format: String, CaseIterable { case jsonl, csv }
    /// Most records of one answer; an export has all.
    private static let pageSize: Int64 = 1000

    static func register(on routes: AdminRoutes) {
        let everybody = Set(AdminRole.allCases)
        routes.on(.get, "/escalations", for: everybody) { call in try await list(&call) }
        routes.on(.get, "/escalations/export", for: everybody) { call in try await export(&call) }
        routes.on(.get, "/escalations/:seq", for: everybody) { call in try await show(&call) }
        // What people wrote: for their own tenant's administrator, and for who looks into a case.
        routes.on(.get, "/escalations/:seq/text", for: [.tenantAdmin, .auditor]) { call in try await text(&call) }
        routes.on(.get, "/refusals", for: everybody) { call in try await refusals(&call) }
    }

    private static func list(_ call: inout AdminCall) async throws -> AdminAnswer {
        let (tenant, month) = (try call.tenant(), try call.fields.month())
        let (after, limit) = try call.page(of: pageSize)
        let found = try await call.store().escalations(tenant: tenant, month: month, after: after, limit: limit)
        return try .page("escalations", found.map { EscalationDocument($0) }, limit: limit, last: found.last?.seq)
    }

    private static func show(_ call: inout AdminCall) async throws -> AdminAnswer {
        let (tenant, seq) = (try call.tenant(), try call.number("seq"))
        let found = try await call.store().escalations(tenant: tenant, after: seq - 1, limit: 1)
        guard let info = found.first, info.seq == seq else {
            throw LedgerError(.notFound, field: "seq", "\(tenant) has no escalation \(seq)")
        }
        return try .json(EscalationDocument(info))
    }

    private static func export(_ call: inout AdminCall) async throws -> AdminAnswer {
        let (tenant, month) = (try call.tenant(), try call.fields.month())
        let after = try call.fields.count("after") ?? 0
        let format = try call.fields.choice("format", Format.self) ?? .jsonl
        let store = try call.store()
        // Before the head of the answer: what is wrong with the request is still a refusal.
        let first = try await store.escalations(
            tenant: tenant, month: month, after: after, limit: EscalationText.pageSize)
        let text = EscalationText(format == .csv ? .columns : .lines)
        return .pieces(format == .csv ? "text/csv; charset=utf-8" : "application/jsonl") { write in
            try await text.write(after: after) { seen in
                if seen == after { return first }
                return try await store.escalations(
                    tenant: tenant, month: month, after: seen, limit: EscalationText.pageSize)
            } to: { piece in
                try await write(Array(piece.utf8)[...])
            }
        }
    }

    private static func text(_ call: inout AdminCall) async throws -> AdminAnswer {
        let (tenant, seq) = (try call.tenant(), try call.number("seq"))
        let store = try call.store()
        guard let keys = call.services.records.textKeys else {
            throw LedgerError(
                .notFound, field: "capture.key", "capture.key is not configured, and without it no text can be read")
        }
        guard let found = try await store.text(ofEscalation: seq, tenant: tenant) else {
            throw LedgerError(.notFound, field: "seq", "no text of escalation \(seq) of \(tenant) is kept")
        }
        // Nothing is wrong with the request where the key was replaced twice.
        do { return try .json(try EscalationTexts(found, seq: seq, keys: keys)) } catch let error as LedgerError {
            throw LedgerError(.conflict, field: error.field, error.message)
        }
    }

    private static func refusals(_ call: inout AdminCall) async throws -> AdminAnswer {
        let tenant = try call.tenant()
        let (after, limit) = try call.page(of: pageSize)
        let found = try await call.store().refusals(tenant: tenant, after: after, limit: limit)
        // Those that have no number yet come last, and have one within a second: what follows them is found by the last
        // number before them.
        let last = found.last { $0.seq != nil }?.seq
        return try .page("refusals", found.map { RefusalDocument($0) }, limit: limit, last: last)
    }
}
