internal import Foundation
internal import GatewayServer
internal import Ledger

/// `gboost apply` over HTTP: the same file as a request's body, the same report as the command's `--json`.
enum AdminApply {
    /// Nothing is pruned unless that is asked for: a file that was meant for another deployment takes nothing away.
    static let closure: GatewayServer.Administration.Apply = { body, way, store in
        do {
            guard let text = String(bytes: body, encoding: .utf8) else {
                throw CommandFailure("body: not UTF-8", status: .usage)
            }
            let declared = try DeclaredState(yaml: text, path: "body")
            return try .json(
                try await ApplyRun.run(declared, prunes: way.prunes, isPlan: way.isPlan, store).report)
        } catch let failure as CommandFailure {
            throw AdminApply.refusal(failure)
        }
    }

    /// Failures of a declaration name the line of the body, and the place in it.
    private static func refusal(_ failure: CommandFailure) -> GatewayRefusal {
        switch failure.status {
        case .usage: return .invalidRequest(failure.message, parameter: nil)
        case .databaseUnreachable: return .databaseUnavailable(failure.message)
        case .done, .failed, .configuration:
            var refusal = GatewayRefusal(
                status: 500, type: "server_error", code: "server_error", message: "The database refused the request.")
            refusal.logText = failure.message
            return refusal
        }
    }
}
