internal import ArgumentParser
internal import Foundation
internal import Router

/// `gboost replay`: what the router would have made of recorded requests under every budget. Needs no database.
struct ReplayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay", abstract: "Runs the router over recorded requests, beside every baseline.",
        discussion: """
            Without --fit each seed fits on a random half of the file and runs over the other. PGR is the share of \
            the quality between the SLM and the LLM that was gained, APGR its mean over all budgets.
            """)

    @Argument(help: "JSON lines of recorded requests.") var file: String
    @Option(help: "JSON lines to fit on, instead of random halves of FILE.") var fit: String?
    @Option(help: "Data with arms: the one that stands for the SLM. Texts: the SLM's GGUF file.") var slm: String?
    // No alias of --slm, which names an arm where the data have arms.
    @Option(help: "Texts: the SLM's GGUF file; goes before --slm.") var modelFile: String?
    @Option(help: "Texts: GGUF file of a LoRA adapter over the SLM.") var adapter: String?
    @Option(help: "Data with arms: the one that stands for the LLM.") var llm: String?
    @Option(help: "Texts: a reward head that has not seen them. Without one, heads are trained on the texts.")
    var head: String?
    @Option(help: "Texts: JSON lines of more answers to learn from; may be repeated.") var extra: [String] = []
    @Flag(
        help: """
            Texts: no model reads them, rewards come from the text alone. --model-file then only says \
            which SLM --head belongs to.
            """)
    var textOnly = false
    @Option(help: "Texts: directory that keeps what the SLM makes of them.") var cache = ReadingCache.defaultDirectory
    @Option(help: "Deviation of the noise that makes a reward model's signal of a quality.") var rewardNoise = 0.0
    @Flag(help: "As if the cost of each answer of the LLM were known beforehand: what better forecasts are worth.")
    var knownCosts = false
    @Option(help: "shuffled, diurnal, easy-first or hard-first.") var order = ReplayOrder.shuffled
    @Option(help: "Something that goes wrong: see --suite for all.") var perturbation = ReplayPerturbation.none
    @Option(help: "How many seeds, each with halves, noise and order of its own.") var seeds = 20
    @Option(help: "Budgets as shares of the LLM-only cost, such as 0.1,0.2.") var budgets: String?
    @Flag(help: "Every order and every perturbation, without baselines.") var suite = false
    @Flag(help: "Print one JSON document.") var json = false
    @Option(help: "SVG file to write the curves to.") var plot: String?

    func validate() throws {
        guard (1...1000).contains(seeds) else { throw ValidationError("--seeds must be 1 to 1000") }
        guard (0...1).contains(rewardNoise) else { throw ValidationError("--reward-noise must be within 0 to 1") }
        guard !suite || plot == nil else { throw ValidationError("--plot is not for --suite") }
        guard !suite || !knownCosts else { throw ValidationError("--known-costs is not for --suite") }
    }

    func run() async throws {
        if let plot { try OutputFile.check(plot, option: "--plot") }
        let rows = try await rows(file)
        var fitRows: [ReplayRequest]?
        if let fit { fitRows = try await self.rows(fit) }
        try refuseTextOptions([file, fit].compactMap { $0 })
        var options = ReplayOptions()
        options.order = order
        options.perturbation = perturbation
        options.seeds = seeds
        options.rewardNoise = rewardNoise
        options.knowsCosts = knownCosts
        if let budgets { options.budgets = try Self.budgets(budgets) }
        if suite { return try runSuite(rows, fitRows, options) }
        let report = try Self.run(rows, fitRows, options)
        if let plot {
            try OutputFile.write(Data(ReplayPlot(report).svg.utf8), to: plot, option: "--plot")
        }
        if json { return try CommandOutput.print(json: report) }
        CommandOutput.print(ReplayText.text(report))
    }

    /// The requests of a file: enough of them, or the file is named.
    private func rows(_ path: String) async throws -> [ReplayRequest] {
        let isText = TextReplay.isMeant(by: path)
        let rows = isText ? try await texts(path) : try ReplayRows(slm: slm, llm: llm).read(path)
        let least = ReplayExperiment.leastRows
        guard rows.count >= least else {
            throw CommandFailure("\(path): a replay takes at least \(least) rows, not \(rows.count)")
        }
        return rows
    }

    private func texts(_ path: String) async throws -> [ReplayRequest] {
        let model = modelFile ?? slm
        if model == nil {
            guard textOnly else {
                throw CommandFailure.usage("--model-file", "these data are texts: the SLM that reads them")
            }
            guard head == nil else { throw CommandFailure.usage("--model-file", "the SLM that --head belongs to") }
            guard adapter == nil else { throw CommandFailure.usage("--model-file", "the SLM below --adapter") }
        }
        var reading = ReadingOptions()
        reading.model = SmallModel(file: model ?? "", adapter: adapter)
        (reading.data, reading.extra) = ([path], extra)
        (reading.textOnly, reading.cache) = (textOnly, cache)
        return try await TextReplay(reading: reading, head: head, hasModel: model != nil).requests()
    }

    /// Options that only texts have would be passed over for all other data.
    private func refuseTextOptions(_ paths: [String]) throws {
        guard !paths.contains(where: TextReplay.isMeant) else { return }
        let given = [
            ("--text-only", textOnly), ("--model-file", modelFile != nil), ("--adapter", adapter != nil),
            ("--extra", !extra.isEmpty), ("--head", head != nil),
        ]
        guard let option = given.first(where: { $0.1 })?.0 else { return }
        throw CommandFailure.usage(option, "is for texts; there are none in \(paths.joined(separator: ", "))")
    }

    private static func run(
        _ rows: [ReplayRequest], _ fit: [ReplayRequest]?, _ options: ReplayOptions
    ) throws -> ReplayReport {
        do {
            return try ReplayExperiment(rows, fit: fit, options: options).run()
        } catch {
            throw CommandFailure("\(error)")
        }
    }

    private func runSuite(_ rows: [ReplayRequest], _ fit: [ReplayRequest]?, _ options: ReplayOptions) throws {
        var reports: [ReplayReport] = []
        var options = options
        options.withBaselines = false
        let orders = ReplayOrder.allCases.map { ($0, ReplayPerturbation.none) }
        let cases = orders + ReplayPerturbation.allCases.dropFirst().map { (order, $0) }
        for (index, item) in cases.enumerated() {
            (options.order, options.perturbation) = item
            reports.append(try Self.run(rows, fit, options))
            CommandOutput.progress("replaying", index + 1, of: cases.count)
        }
        if json { return try CommandOutput.print(json: reports) }
        CommandOutput.print(ReplayText.suite(reports))
    }

    private static func budgets(_ text: String) throws -> [Double] {
        try text.split(separator: ",").map { part in
            guard let share = Double(part), (0.001...1).contains(share) else {
                throw CommandFailure.usage("--budgets", "'\(part)' is not a share within 0.001 to 1")
            }
            return (share * 1000).rounded() / 1000
        }
    }
}

extension ReplayOrder: ExpressibleByArgument {}
extension ReplayPerturbation: ExpressibleByArgument {}
