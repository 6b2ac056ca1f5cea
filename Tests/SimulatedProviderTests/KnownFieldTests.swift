import Foundation
import Testing

@testable import SimulatedProvider

@Suite("A field that a format does not have is refused by name")
struct KnownFieldTests {
    private static func complaint<Body: Decodable>(_ type: Body.Type) -> String? {
        do {
            _ = try JSONDecoder().decode(type, from: Data(#"{"nonsense":1}"#.utf8))
            return nil
        } catch { return (error as? ChatRequest.Invalid)?.message }
    }

    @Test("in each provider's own words")
    func refused() {
        #expect(Self.complaint(MessagesBody.self) == "nonsense: Extra inputs are not permitted")
        #expect(Self.complaint(ConverseBody.self) == "Unknown field nonsense")
        #expect(
            Self.complaint(GeminiBody.self) == "Invalid JSON payload received. Unknown name \"nonsense\"")
    }
}
