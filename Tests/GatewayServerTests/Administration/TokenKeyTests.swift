import Foundation
import Testing

@testable import GatewayServer

@Suite("Keys that tokens are signed with")
struct TokenKeyTests {
    private let start = ContinuousClock.now

    private func at(_ seconds: Int) -> ContinuousClock.Instant { start.advanced(by: .seconds(seconds)) }

    @Test("an address is asked at first use, each ten minutes, and for unknown keys at most each half minute")
    func address() {
        var schedule = TokenKeySchedule.address
        #expect(!schedule.isFresh(at: at(0)) && schedule.isDue(for: .use, at: at(0)))
        // A try that failed, without any keys to fall back on.
        schedule.begin(at: at(0))
        for occasion in [TokenKeySchedule.Occasion.use, .unknownKey] {
            #expect(!schedule.isDue(for: occasion, at: at(4)) && schedule.isDue(for: occasion, at: at(5)))
        }
        schedule.begin(at: at(5))
        schedule.succeed(at: at(6))
        #expect(schedule.isFresh(at: at(605)) && !schedule.isFresh(at: at(606)))
        #expect(!schedule.isDue(for: .use, at: at(605)) && schedule.isDue(for: .use, at: at(606)))
        #expect(!schedule.isDue(for: .unknownKey, at: at(34)) && schedule.isDue(for: .unknownKey, at: at(35)))
        // One that failed, with the old keys in use.
        schedule.begin(at: at(606))
        for occasion in [TokenKeySchedule.Occasion.use, .unknownKey] {
            #expect(!schedule.isDue(for: occasion, at: at(635)) && schedule.isDue(for: occasion, at: at(636)))
        }
    }

    @Test("keys are used while they are read anew, and not once they could not be for a day")
    func age() {
        let day = 24 * 60 * 60
        var schedule = TokenKeySchedule.address
        #expect(schedule.way(at: at(0)) == .readFirst && !schedule.isUsable(at: at(0)))
        schedule.begin(at: at(0))
        schedule.succeed(at: at(0))
        #expect(schedule.way(at: at(599)) == .use && schedule.way(at: at(600)) == .useAndRead)
        #expect(schedule.way(at: at(day - 1)) == .useAndRead && schedule.isUsable(at: at(day - 1)))
        #expect(schedule.way(at: at(day)) == .readFirst && !schedule.isUsable(at: at(day)))
        // As while none are known.
        schedule.begin(at: at(day))
        for occasion in [TokenKeySchedule.Occasion.use, .unknownKey] {
            #expect(!schedule.isDue(for: occasion, at: at(day + 4)) && schedule.isDue(for: occasion, at: at(day + 5)))
        }
        schedule.succeed(at: at(day + 5))
        #expect(schedule.way(at: at(day + 5)) == .use && schedule.isUsable(at: at(2 * day + 4)))
        // What takes no time is waited for.
        var file = TokenKeySchedule.file
        file.succeed(at: at(0))
        #expect(file.way(at: at(0)) == .use && file.way(at: at(1)) == .readFirst)
        #expect(file.isUsable(at: at(day - 1)) && !file.isUsable(at: at(day)))
    }

    @Test("a file is looked at each second, and at once for an unknown key")
    func file() {
        var schedule = TokenKeySchedule.file
        schedule.begin(at: at(0))
        #expect(!schedule.isDue(for: .unknownKey, at: at(0)) && schedule.isDue(for: .use, at: at(1)))
        schedule.succeed(at: at(0))
        #expect(schedule.isFresh(at: at(0)) && !schedule.isFresh(at: at(1)))
        #expect(!schedule.isDue(for: .use, at: at(0)) && schedule.isDue(for: .unknownKey, at: at(0)))
        #expect(schedule.isDue(for: .use, at: at(1)))
    }

    /// A public key of RFC 8037.
    private static let ed25519 = #""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#

    @Test("keys that are of no use here do not spoil those that are, and only keys for signatures are taken")
    func document() throws {
        let short = String(repeating: "_", count: 171)
        let entries = [
            #"{"kid":"plain",\#(Self.ed25519)}"#, #"{"kid":"sig","use":"sig","alg":"EdDSA",\#(Self.ed25519)}"#,
            #"{"kid":"both","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",\#(Self.ed25519)}"#,
            #"{"kid":"ops","key_ops":["sign","verify"],\#(Self.ed25519)}"#,
            #"{"kid":"enc","use":"enc",\#(Self.ed25519)}"#, #"{"kid":"alg","alg":"RS256",\#(Self.ed25519)}"#,
            #"{"kid":"signs","key_ops":["sign"],\#(Self.ed25519)}"#, #"{"kid":"oct","kty":"oct","k":"c2VjcmV0"}"#,
            #"{"kid":"short","kty":"RSA","n":"\#(short)","e":"AQAB"}"#, #"{"kid":"empty","kty":"RSA"}"#,
            #"{"kid":"oaep","alg":"RSA-OAEP","kty":"RSA","n":"\#(short)\#(short)","e":"AQAB"}"#,
            #"{"kid":"k1","kty":"EC","crv":"secp256k1","x":"AA","y":"AA"}"#,
            #"{"kid":"off","kty":"EC","crv":"P-256","x":"AA","y":"AA"}"#, #"{"kid":"new","kty":"AKP","pub":"AA"}"#,
            #"{\#(Self.ed25519)}"#, "7",
        ]
        let set = try TokenKeySet(Array(#"{"keys":[\#(entries.joined(separator: ","))],"more":1}"#.utf8))
        #expect(set.keys.map(\.id) == ["plain", "sig", "both", "ops", nil])
        for key in set.keys { #expect(TokenAlgorithm.allCases.filter { key.fits($0) } == [.eddsa]) }
    }

    @Test("a document without a key that could be used is said to be none")
    func useless() {
        let many = Array(repeating: "{\(Self.ed25519)}", count: 65).joined(separator: ",")
        for (text, reason) in [
            ("nonsense", "no JWKS"), ("[]", "no JWKS"), ("{}", "no JWKS"), (#"{"keys":{}}"#, "no JWKS"),
            (#"{"keys":[]}"#, "no public key that signs"),
            (#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#, "no public key that signs"),
            (#"{"keys":[\#(many)]}"#, "more than 64 keys"),
            (String(repeating: " ", count: 1024 * 1024 + 1), "longer than 1048576 bytes"),
        ] {
            let failure = #expect(throws: TokenKeyFailure.self) { try TokenKeySet(Array(text.utf8)) }
            #expect(failure?.description.contains(reason) == true, "\(failure?.description ?? "taken")")
        }
    }
}
