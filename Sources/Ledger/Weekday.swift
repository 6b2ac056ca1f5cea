/// A day of the week by its first three letters. Its place in the list is ISO 8601's number less one, which is what
/// budgets keep.
package enum Weekday: String, Sendable, Codable, CaseIterable {
    case mon
    case tue
    case wed
    case thu
    case fri
    case sat
    case sun

    /// 1 (Monday) to 7.
    package var number: Int { (Self.allCases.firstIndex(of: self) ?? 0) + 1 }
}
