/// Streams in the shapes in which OpenAI-compatible servers send them.
enum GoldenStreams {
    /// As OpenAI: usage in a chunk of its own, without choices; details present.
    static let openAI =
        [
            chunk(#"{"role":"assistant","content":""}"#), chunk(#"{"content":"Six"}"#),
            chunk(#"{"content":" \u00e9\n√2"}"#), chunk("{}", finish: #""stop""#),
            #"data: {"id":"c-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"#
                + #""usage":"# + openAIUsage + "}",
            "data: [DONE]", "",
        ].joined(separator: "\n\n")

    static let openAIUsage =
        #"{"prompt_tokens":20,"completion_tokens":9,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":16},"#
        + #""completion_tokens_details":{"reasoning_tokens":4}}"#

    private static func chunk(_ delta: String, finish: String = "null") -> String {
        #"data: {"id":"c-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":"#
            + delta + #","finish_reason":"# + finish + #"}],"usage":null}"#
    }
    static let openAIText = "Six é\n√2"

    /// Keep-alive comments, CRLF, no blank after the colon, usage together with a choice.
    static let compatible =
        ": waiting\r\n\r\ndata:{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"ok\"},"
        + "\"finish_reason\":null}]}\r\n\r\n"
        + "data:{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"length\"}],"
        + "\"usage\":{\"prompt_tokens\":0,\"completion_tokens\":0}}\r\n\r\ndata:[DONE]\r\n\r\n"

    static func delta(_ text: String) -> String {
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\(text)\"},\"finish_reason\":null}]}\n\n"
    }
    static let stop = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
    static let done = "data: [DONE]\n\n"
    static func usage(_ input: Int, _ output: Int) -> String {
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":\(input),\"completion_tokens\":\(output)}}\n\n"
    }
}
