/// The four operations that word problems are made of.
package enum ArithmeticOperation: String, Hashable, Sendable, Codable, CaseIterable {
    case plus = "+"
    case minus = "-"
    case times = "*"
    case divided = "/"

    /// The whole-number result, or nil where there is none (overflow, division by zero or with a remainder).
    package func apply(_ left: Int, _ right: Int) -> Int? {
        let (value, overflow) =
            switch self {
            case .plus: left.addingReportingOverflow(right)
            case .minus: left.subtractingReportingOverflow(right)
            case .times: left.multipliedReportingOverflow(by: right)
            case .divided:
                right == 0 || left % right != 0 ? (0, true) : left.dividedReportingOverflow(by: right)
            }
        return overflow ? nil : value
    }

    /// The result as a number; nil on division by zero.
    func apply(_ left: Double, _ right: Double) -> Double? {
        switch self {
        case .plus: left + right
        case .minus: left - right
        case .times: left * right
        case .divided: right == 0 ? nil : left / right
        }
    }

    var isCommutative: Bool { self == .plus || self == .times }
    var bindsTighter: Bool { self == .times || self == .divided }
}
