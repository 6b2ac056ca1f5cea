internal import Crypto
internal import Foundation
package import GatewayCore

/// What the journal keeps while the database is away.
package enum JournalRecord: Hashable, Sendable, Codable {
    /// The end of a paid call.
    case settlement(Settlement)
    /// A reservation given up before anything was sent; its answer may never have arrived.
    case abandonment(Abandonment)
    /// A finished request, for reports.
    case request(RequestRecord)

    /// What the database needs to end, or to forestall, a hold that nobody will use.
    package struct Abandonment: Hashable, Sendable, Codable {
        var id: HoldID
        var tenantID: Int64
        var keyID: Int64
        var priceID: Int64
        var amount: NanoUSD
        var route: String?

        init(_ reservation: Reservation) {
            id = reservation.id
            tenantID = reservation.caller.tenant.id
            keyID = reservation.caller.keyID
            priceID = reservation.priceID
            amount = reservation.amount
            route = reservation.route
        }
    }

    /// Money must never be lost; reports may.
    var isMoney: Bool {
        switch self {
        case .settlement, .abandonment: true
        case .request: false
        }
    }

    /// The hold that it ends; nil for what ends none.
    var hold: HoldID? {
        switch self {
        case .settlement(let settlement): settlement.id
        case .abandonment(let abandonment): abandonment.id
        case .request: nil
        }
    }
}

extension JournalRecord {
    private static let checksumCharacters = 16

    /// One line: a checksum, a space, JSON, a newline.
    func line() throws -> [UInt8] {
        let json = try LedgerJSON.encode(self)
        return Array(Self.checksum(json).utf8) + [UInt8(ascii: " ")] + json + [UInt8(ascii: "\n")]
    }

    /// Reads a line without its newline. Nil when it is torn or damaged.
    init?(line: some Collection<UInt8>) {
        let parts = line.split(separator: UInt8(ascii: " "), maxSplits: 1)
        guard parts.count == 2, parts[0].count == Self.checksumCharacters else { return nil }
        let json = Array(parts[1])
        guard Self.checksum(json).utf8.elementsEqual(parts[0]),
            let record = try? LedgerJSON.decode(JournalRecord.self, from: json)
        else { return nil }
        self = record
    }

    private static func checksum(_ json: [UInt8]) -> String {
        String(SHA256.hash(data: json).hexadecimal.prefix(checksumCharacters))
    }
}

/// JSON as the ledger writes it: one line, stable key order, infinities as text (an action that is not possible has
/// a utility of minus infinity).
enum LedgerJSON {
    /// As the journal has it: an instant is a number, seconds since 2001.
    static func encode(_ value: some Encodable) throws -> [UInt8] { Array(try encoder.encode(value)) }

    private static var encoder: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
        return encoder
    }

    /// As events have it: an instant is a text in ISO 8601, in UTC, that whoever reads them understands.
    static func text(_ value: some Encodable) throws -> String {
        let encoder = Self.encoder
        encoder.dateEncodingStrategy = .custom { date, encoder in
            var container = encoder.singleValueContainer()
            try container.encode(date.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true)))
        }
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    static func decode<T: Decodable>(_ type: T.Type, from bytes: [UInt8]) throws -> T {
        let decoder = JSONDecoder()
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
        return try decoder.decode(type, from: Data(bytes))
    }
}
