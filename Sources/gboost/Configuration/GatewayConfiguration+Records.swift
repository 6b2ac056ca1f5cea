internal import Audit
internal import GatewayServer
internal import Ledger

extension GatewayConfiguration {
    /// What looking at records over HTTP needs. Throws when a key that is named is not there.
    func records() throws(ConfigurationError) -> AdminRecords {
        AdminRecords(auditKeys: try auditSigners().map(\.verifier.text), textKeys: try textKeyring())
    }
}
