internal import Foundation
package import GatewayCore

extension RouteSettings {
    /// Reads settings that name only what differs from the defaults. An unknown name or a value that cannot be is an
    /// error that names it, since a misspelt limit would silently not be one.
    package init(json text: String) throws(LedgerError) {
        do {
            self = try JSONDecoder().decode(RouteSettings.self, from: Data(text.utf8))
        } catch let error as RouteSettingsError {
            throw LedgerError(error)
        } catch {
            throw LedgerError(.invalid, field: "settings", "is not a JSON object")
        }
    }

    /// Refuses what no route may be saved with, though one that was saved with it is still read.
    func checkForSaving() throws(LedgerError) {
        do throws(RouteSettingsError) { try validateForSaving() } catch { throw LedgerError(error) }
    }

    /// All settings, the defaults included.
    package func jsonText() throws(LedgerError) -> String {
        do { return try LedgerJSON.text(self) } catch {
            throw LedgerError(.invalid, field: "settings", "cannot be written as JSON")
        }
    }
}

extension LedgerError {
    fileprivate init(_ error: RouteSettingsError) {
        self.init(.invalid, field: "settings.\(error.key)", error.message)
    }
}
