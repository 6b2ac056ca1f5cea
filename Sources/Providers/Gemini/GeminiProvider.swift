package import Curl
internal import FoundationEssentials
package import GatewayCore
internal import WireFormat

/// Google's Gemini API by its own format. Requests come in OpenAI's form of chat completions, and so do answers.
package struct GeminiProvider: PaidProvider {
    /// Where the API is, unless the configuration says otherwise; with its version.
    package static let defaultBaseURL = "https://generativelanguage.googleapis.com/v1beta"

    private let transport: ProviderTransport

    package init(_ settings: ProviderSettings, client: CurlClient) {
        var settings = settings
        settings.keyHeader = .named("x-goog-api-key")
        transport = ProviderTransport(settings, client: client)
    }

    /// As the configuration names it.
    package var name: String { transport.settings.name }
    package var endpoints: Set<PaidEndpoint> { [.chatCompletions] }
    package var traits: ProviderTraits {
        var traits = ProviderTraits()
        traits.hasOwnLimits = true
        return traits
    }

    /// Asks for the list of models, which is free of charge.
    package func isReachable() async -> Bool? { await transport.isReachable(path: "/models") }

    package func objection(to body: [UInt8], model: String) -> RequestObjection? {
        RequestObjection { () throws(WireFormatError) in try GeminiRequest.body(body, model: model) }
    }

    /// Sends the call and waits for the response head.
    ///
    /// Throws `ProviderError` alone: `.unreachable` only where it is certain that no byte of the request was sent.
    package func open(_ call: PaidCall) async throws -> any PaidExchange {
        var sent = call
        do throws(WireFormatError) {
            sent.body = try GeminiRequest.body(call.body, model: call.model.model)
        } catch {
            throw ProviderError(code: .unreachable, message: error.message)
        }
        let model = call.model.model
        let path = "/\(model.contains("/") ? "" : "models/")\(PathText.escaped(model, keeping: "/"))"
        let (response, requestID) = try await transport.open(
            sent, path: path + (call.isStream ? ":streamGenerateContent?alt=sse" : ":generateContent"))
        let answer = GeminiAnswer(
            isStream: call.isStream, requestID: call.requestID, providerRequestID: requestID,
            maxEventBytes: transport.settings.maxEventBytes, model: model, created: Int64(Date().timeIntervalSince1970))
        return ProviderExchange(response, answer: answer, redaction: transport.redaction)
    }
}

extension RequestObjection {
    /// nil: the translation works.
    init?(_ translation: () throws(WireFormatError) -> [UInt8]) {
        do throws(WireFormatError) {
            _ = try translation()
            return nil
        } catch {
            self.init(message: error.message, code: error.code.rawValue, param: error.param)
        }
    }
}

/// Text as a part of a URL's path.
enum PathText {
    /// Percent-encodes all but unreserved characters (RFC 3986) and `kept`.
    static func escaped(_ text: String, keeping kept: String = "") -> String {
        let digits = Array("0123456789ABCDEF")
        var escaped = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                escaped.unicodeScalars.append(Unicode.Scalar(byte))
            case let byte where kept.utf8.contains(byte): escaped.unicodeScalars.append(Unicode.Scalar(byte))
            default: escaped += "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
            }
        }
        return escaped
    }
}
