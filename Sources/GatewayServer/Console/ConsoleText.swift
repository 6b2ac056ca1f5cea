internal import Foundation
internal import GatewayCore

/// Numbers, instants and places as the console shows them.
enum ConsoleText {
    /// Where there is nothing to show.
    static let none = "–"

    /// With a comma between thousands.
    static func grouped(_ number: Int64) -> String {
        var text = ""
        for (index, digit) in String(number).reversed().enumerated() {
            if index > 0, index % 3 == 0, digit != "-" { text.append(",") }
            text.append(digit)
        }
        return String(text.reversed())
    }

    static func grouped(_ number: Int64?) -> String { number.map { grouped($0) } ?? none }

    /// "12.3 %"; nothing of nothing is no share.
    static func percent(_ part: Int64, of whole: Int64) -> String {
        whole > 0 ? percent(Double(part) / Double(whole)) : none
    }

    static func percent(_ share: Double) -> String { percent(decimal(share * 100)) }

    /// The sign does not go to the next line.
    static func percent(_ number: String) -> String { "\(number)\u{A0}%" }

    /// With one decimal, which is enough for places in a drawing, too.
    static func decimal(_ value: Double) -> String {
        guard value.isFinite else { return "0.0" }
        return String((min(max(value, -1e9), 1e9) * 10).rounded() / 10)
    }

    /// What a model or the router reckoned: its first digits.
    static func number(_ value: Double?) -> String {
        guard let value else { return none }
        guard value.isFinite else { return value.isNaN ? "not a number" : value < 0 ? "−∞" : "∞" }
        let style = FloatingPointFormatStyle<Double>(locale: Locale(identifier: "en_US_POSIX"))
        return value.formatted(style.precision(.significantDigits(1...4)).grouping(.never))
    }

    /// Memory, as people say it.
    static func bytes(_ count: Int64) -> String {
        guard count > 0 else { return none }
        let (mebi, gibi) = (1_048_576.0, 1_073_741_824.0)
        let size = Double(count)
        return size < gibi ? "\(decimal(size / mebi)) MiB" : "\(decimal(size / gibi)) GiB"
    }

    /// The first digits of a hash.
    static func short(_ hash: String) -> String { hash.count > 14 ? "\(hash.prefix(12))…" : hash }
}

/// Dollars as the console shows them: four decimals, the last two of them small; the exact amount beside it.
///
/// What is not nothing is never shown as nothing.
struct ConsoleAmount: Hashable {
    /// Up to the cent.
    let text: String
    /// Beyond it.
    let rest: String
    /// "0.001234567 USD"; empty where there is no amount.
    let exact: String

    /// Nano-dollars in a tenth of a thousandth of a dollar, the least that is shown.
    private static let least: UInt64 = 100_000

    init(_ amount: NanoUSD?) {
        guard let amount else {
            text = ConsoleText.none
            rest = ""
            exact = ""
            return
        }
        exact = "\(amount.usdString) USD"
        let magnitude = amount.rawValue.magnitude
        guard magnitude == 0 || magnitude >= Self.least else {
            text = amount < .zero ? ">−0.0001" : "<0.0001"
            rest = ""
            return
        }
        let shown = (magnitude + Self.least / 2) / Self.least
        let digits = String(shown % 10_000)
        let decimals = String(repeating: "0", count: 4 - digits.utf8.count) + digits
        let sign = amount < .zero ? "−" : ""
        text = "\(sign)\(ConsoleText.grouped(Int64(clamping: shown / 10_000))).\(decimals.prefix(2))"
        rest = String(decimals.suffix(2))
    }

    init(nanoUSD: Int64) { self.init(NanoUSD(nanoUSD)) }

    /// Of an amount that the router reckoned, which is no money yet.
    init(approximateUSD dollars: Double?) {
        let nanos = dollars.map { ($0 * Double(NanoUSD.perDollar)).rounded() }
        // Beyond the largest whole number that a `Double` has exactly nobody reckons.
        self.init(nanos.flatMap { abs($0) < 9e15 ? NanoUSD(Int64($0)) : nil })
    }
}

/// Whose midnight counts.
struct ConsoleZone: Sendable {
    static let utc = ConsoleZone("UTC")
    let name: String
    private let calendar: Calendar

    init(_ name: String) {
        self.name = name
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = TimeZone(identifier: name) ?? .gmt
        self.calendar = calendar
    }

    /// "2026-11-30 17:05:12".
    func text(_ date: Date) -> String {
        let parts = calendar.dateComponents([.year, .month, .day, .hour, .minute, .second], from: date)
        let day = [parts.year, parts.month, parts.day].map { Self.padded($0) }.joined(separator: "-")
        let time = [parts.hour, parts.minute, parts.second].map { Self.padded($0) }.joined(separator: ":")
        return "\(day) \(time)"
    }

    /// "2026-11".
    func month(_ date: Date) -> String {
        let parts = calendar.dateComponents([.year, .month], from: date)
        return "\(parts.year ?? 0)-\(Self.padded(parts.month))"
    }

    private static func padded(_ number: Int?) -> String {
        let number = number ?? 0
        return number < 10 ? "0\(number)" : "\(number)"
    }
}

/// A moment: where the tenant is, and in UTC beside it.
struct ConsoleInstant: Hashable {
    let text: String
    let utc: String

    init(_ date: Date?, _ zone: ConsoleZone) {
        text = date.map { zone.text($0) } ?? ConsoleText.none
        utc = date.map { $0.formatted(.iso8601) } ?? ""
    }
}

/// Where the console's pages are.
enum ConsoleLink {
    static let root = "/console"

    static func tenant(_ name: String, _ rest: String = "") -> String {
        "\(root)/tenants/\(segment(name))\(rest)"
    }

    static func escalation(_ number: Int64, tenant: String) -> String {
        self.tenant(tenant, "/escalations/\(number)")
    }

    /// A name as a part of a path or a value of a query: it may have slashes and signs that mean something there.
    static func segment(_ text: String) -> String {
        var out = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."),
                UInt8(ascii: "~"):
                out.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                out += digits.utf8.count < 2 ? "%0\(digits)" : "%\(digits)"
            }
        }
        return out
    }
}
