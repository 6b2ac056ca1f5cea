internal import GatewayCore
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import WireFormat

extension GatewayRefusal {
    /// A body that could not be read.
    init(_ error: WireFormatError) {
        self = .invalidRequest(error.message, parameter: error.param)
        code = error.code.rawValue
    }

    /// A request that its provider could not take.
    init(_ objection: RequestObjection) {
        self = .invalidRequest(objection.message, parameter: objection.param)
        code = objection.code
    }

    /// As OpenAI's clients read it.
    var envelope: ErrorEnvelope {
        var json: [UInt8]?
        if !metadata.isEmpty {
            var writer = JSONWriter()
            writer.beginObject()
            for (name, value) in metadata { writer.member(name, value) }
            writer.endObject()
            json = writer.bytes
        }
        return ErrorEnvelope(message: message, type: type, code: code, param: parameter, metadata: json)
    }

    /// Of a status that Anthropic has a type of its own for, whoever found it: the gateway or a provider.
    private var anthropicEnvelope: ErrorEnvelope {
        var envelope = envelope
        switch status {
        case 404: envelope.type = "not_found_error"
        case 413: envelope.type = "request_too_large"
        default: break
        }
        return envelope
    }

    /// The whole HTTP response, in the client's envelope.
    func response(wire: ClientWire, requestID: String) -> Response {
        var headers: HTTPFields = [.contentType: "application/json"]
        if let retryAfterSeconds { headers[.retryAfter] = String(retryAfterSeconds) }
        if let shouldRetry { headers[.shouldRetry] = shouldRetry ? "true" : "false" }
        if let cost { headers[.costUSD] = cost.usdString }
        let body = wire == .anthropic ? anthropicEnvelope.anthropicBody(requestID: requestID) : envelope.body
        return Response(
            status: .init(code: status), headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: body)))
    }
}
