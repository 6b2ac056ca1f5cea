internal import Foundation

/// The lines of a data file.
enum JSONLines {
    private static let blanks: Set<UInt8> = [0x09, 0x0d, 0x20]

    /// Those that are not blank, by their numbers in the file, as an editor shows them.
    static func split(_ data: Data) -> [(number: Int, line: Data)] {
        var lines: [(number: Int, line: Data)] = []
        var number = 1
        var start = data.startIndex
        while start < data.endIndex {
            let end = data[start...].firstIndex(of: 0x0a) ?? data.endIndex
            let line = data[start..<end]
            if !isBlank(line) { lines.append((number: number, line: line)) }
            number += 1
            start = min(end + 1, data.endIndex)
        }
        return lines
    }

    static func isBlank(_ line: Data) -> Bool { line.allSatisfy(blanks.contains) }
}

/// A JSON string, or a number by its text: data sets have answers as either.
struct TextOrNumber: Decodable {
    var text: String

    init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        if let text = try? value.decode(String.self) {
            self.text = text
            return
        }
        // Decimal keeps the digits: 0.1 stays 0.1.
        guard let number = try? value.decode(Decimal.self) else {
            throw DecodingError.dataCorruptedError(in: value, debugDescription: "neither a string nor a number")
        }
        text = "\(number)"
    }
}
