internal import FoundationEssentials

/// Where a secret is, never what it is: "env:NAME" or "file:/path".
package enum SecretReference: Hashable, Sendable, CustomStringConvertible {
    case environment(String)
    case file(String)

    package init?(_ text: String) {
        if text.hasPrefix("env:"), text.utf8.count > 4 {
            self = .environment(String(text.dropFirst(4)))
        } else if text.hasPrefix("file:"), text.utf8.count > 5 {
            self = .file(String(text.dropFirst(5)))
        } else {
            return nil
        }
    }
    package var description: String {
        switch self {
        case .environment(let name): "env:\(name)"
        case .file(let path): "file:\(path)"
        }
    }
}

extension SecretReference {
    /// Whether the secret is there and not empty.
    func isResolvable(_ environment: [String: String]) -> Bool {
        switch self {
        case .environment(let name): environment[name]?.isEmpty == false
        case .file(let path):
            (try? Data(contentsOf: URL(filePath: path)))?.contains { $0 != 0x0a && $0 != 0x20 } == true
        }
    }
}
