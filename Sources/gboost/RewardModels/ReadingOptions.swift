internal import ArgumentParser

/// The options of all commands that learn from answers, or judge them.
struct ReadingOptions: ParsableArguments {
    @OptionGroup var model: SmallModel
    @Option(help: "JSON lines of the SLM's answers; may be repeated.") var data: [String] = []
    @Option(
        help: """
            JSON lines of more answers to learn from, of whichever model; may be repeated. Only their text is \
            looked at, which takes no time, unless they have been read before.
            """)
    var extra: [String] = []
    @Flag(help: "Look at the text alone: no model reads the answers.") var textOnly = false
    @Option(help: "Directory that keeps what the SLM makes of answers.") var cache = ReadingCache.defaultDirectory
}
