internal import FoundationEssentials

/// `timestamptz` in binary, and read from ISO text by hand: a calendar object a value would cost more than the query.
enum PostgresTimestamp {
    /// PostgreSQL's binary form, microseconds since 2000, or nil outside the years 1 to 9999.
    static func microseconds(of date: Date) -> Int64? {
        let scaled = (date.timeIntervalSince1970 * 1_000_000).rounded()
        // 0001-01-01 and 9999-12-31 in microseconds since 1970.
        guard scaled >= -62_135_596_800_000_000, scaled < 253_402_300_800_000_000 else { return nil }
        return Int64(scaled) - 946_684_800_000_000
    }

    /// The reverse, with or without fraction and offset. A date alone is its midnight.
    static func date(of text: Span<UInt8>) -> Date? {
        var scanner = DigitScanner(position: 0)
        guard let year = scanner.number(in: text, digits: 4...6), scanner.skip("-", in: text),
            let month = scanner.number(in: text, digits: 2...2), (1...12).contains(month), scanner.skip("-", in: text),
            let day = scanner.number(in: text, digits: 2...2), (1...31).contains(day)
        else { return nil }
        var seconds = Double(dayNumber(year: year, month: month, day: day)) * 86_400
        if scanner.position == text.count { return Date(timeIntervalSince1970: seconds) }
        guard scanner.skip(" ", in: text), let hour = scanner.number(in: text, digits: 2...2),
            scanner.skip(":", in: text), let minute = scanner.number(in: text, digits: 2...2),
            scanner.skip(":", in: text), let second = scanner.number(in: text, digits: 2...2)
        else { return nil }
        seconds += Double(hour * 3600 + minute * 60 + second)
        var fraction = 0.0
        if scanner.skip(".", in: text) {
            let start = scanner.position
            guard let digits = scanner.number(in: text, digits: 1...6) else { return nil }
            fraction = Double(digits)
            for _ in start..<scanner.position { fraction /= 10 }
        }
        guard let offset = scanner.offset(in: text), scanner.position == text.count else { return nil }
        return Date(timeIntervalSince1970: seconds - Double(offset) + fraction)
    }

    /// Days since 1970-01-01 of a date in the proleptic Gregorian calendar, counted in years that begin in March.
    private static func dayNumber(year: Int, month: Int, day: Int) -> Int {
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted.floorDivided(by: 400)
        let yearOfEra = shifted - era * 400
        let monthFromMarch = (month + 9) % 12
        let dayOfYear = (153 * monthFromMarch + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}

/// Reads fixed-width numbers from bytes.
private struct DigitScanner {
    var position: Int

    mutating func number(in text: Span<UInt8>, digits: ClosedRange<Int>) -> Int? {
        var value = 0
        var count = 0
        while count < digits.upperBound, position < text.count, text[position] >= UInt8(ascii: "0"),
            text[position] <= UInt8(ascii: "9")
        {
            value = value * 10 + Int(text[position] - UInt8(ascii: "0"))
            position += 1
            count += 1
        }
        return count >= digits.lowerBound ? value : nil
    }

    mutating func skip(_ character: Unicode.Scalar, in text: Span<UInt8>) -> Bool {
        guard position < text.count, text[position] == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    /// Seconds east of UTC; 0 at the end of the text.
    mutating func offset(in text: Span<UInt8>) -> Int? {
        guard position < text.count else { return 0 }
        let sign = skip("-", in: text) ? -1 : skip("+", in: text) ? 1 : 0
        guard sign != 0, let hours = number(in: text, digits: 2...2) else { return nil }
        var seconds = hours * 3600
        if skip(":", in: text) {
            guard let minutes = number(in: text, digits: 2...2) else { return nil }
            seconds += minutes * 60
            if skip(":", in: text) {
                guard let rest = number(in: text, digits: 2...2) else { return nil }
                seconds += rest
            }
        }
        return sign * seconds
    }
}

extension FixedWidthInteger {
    /// Division that rounds towards minus infinity.
    fileprivate func floorDivided(by divisor: Self) -> Self {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? quotient - 1 : quotient
    }
}
