/// What kind of period a budget's label names, such as the months of month:2026-11.
package struct PeriodKind: Hashable, Sendable {
    /// The label without its digits. Labels of one kind are as long and compare as strings; weeks come in two kinds,
    /// since one that does not begin on a Monday is named by its first day.
    let shape: String

    package init(_ label: String) { shape = label.filter { !$0.isNumber } }

    /// How long it is, about; nil: it has no end.
    package var days: Double? {
        switch shape.prefix(while: { $0 != ":" }) {
        case "day": 1
        case "week": 7
        case "month": 30.4
        case "quarter": 91.3
        default: nil
        }
    }
}
