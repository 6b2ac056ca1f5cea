/// One line of the doctor's report.
struct Finding: Hashable, Sendable, Encodable {
    enum State: String, Hashable, Sendable, Encodable {
        case ok
        /// Works, but not as well as it could, or not for long.
        case warning
        /// Something will fail.
        case problem
    }
    /// What was looked at, e.g. "database".
    var check: String
    var state: State
    var message: String
    /// What to do about it.
    var remedy: String?

    static func ok(_ check: String, _ message: String) -> Finding {
        Finding(check: check, state: .ok, message: message)
    }
    static func warning(_ check: String, _ message: String, remedy: String) -> Finding {
        Finding(check: check, state: .warning, message: message, remedy: remedy)
    }
    static func problem(_ check: String, _ message: String, remedy: String) -> Finding {
        Finding(check: check, state: .problem, message: message, remedy: remedy)
    }

    /// The report for people.
    static func render(_ findings: [Finding]) -> String {
        let width = findings.map(\.check.count).max() ?? 0
        var text = ""
        for finding in findings {
            let mark =
                switch finding.state {
                case .ok: "ok      "
                case .warning: "warning "
                case .problem: "PROBLEM "
                }
            let padding = String(repeating: " ", count: width - finding.check.count)
            text += "\(mark) \(finding.check)\(padding)  \(finding.message)\n"
            if let remedy = finding.remedy {
                text += String(repeating: " ", count: width + 11) + "→ \(remedy)\n"
            }
        }
        return text
    }
}
