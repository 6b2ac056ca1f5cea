internal import Foundation
package import Ledger

/// A key's new secret, which is shown this once.
package struct NewKeyDocument: Encodable {
    var id: Int64
    var name: String
    var team: String?
    var prefix: String
    var expiresAt: Date?
    var key: String

    /// What is shown of a key that was just made, or has a new secret.
    package init(_ new: NewKey) {
        id = new.info.id
        name = new.info.name
        team = new.info.team
        prefix = new.info.prefix
        expiresAt = new.info.expiresAt
        key = new.secret
    }
}
