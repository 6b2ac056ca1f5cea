/// A configuration that cannot be used: one field, one sentence. Ends the process with exit code 3.
package struct ConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Where a value was given, so that the reader knows what to edit.
    package enum Origin: Hashable, Sendable, CustomStringConvertible {
        case argument(key: String)
        case environment(variable: String)
        case file(String, line: Int?)
        case defaults

        package var description: String {
            switch self {
            case .argument(let key): "--set \(key)"
            case .environment(let variable): "environment variable \(variable)"
            case .file(let path, let line?): "\(path):\(line)"
            case .file(let path, nil): path
            case .defaults: "default"
            }
        }
    }

    /// Dotted name, e.g. "server.port"; empty where the whole file is at fault.
    package var field: String
    /// What is wrong with it; never holds the value of a secret.
    package var message: String
    package var origin: Origin?

    package init(field: String, message: String, origin: Origin? = nil) {
        self.field = field
        self.message = message
        self.origin = origin
    }

    package var description: String {
        let place = origin.map { $0 == .defaults ? "" : "\($0): " } ?? ""
        return field.isEmpty ? "\(place)\(message)" : "\(place)\(field): \(message)"
    }
}
