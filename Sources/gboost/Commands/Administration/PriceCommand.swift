internal import ArgumentParser
internal import Foundation
internal import GatewayCore
internal import GatewayServer
internal import Ledger

/// `gboost price`.
struct PriceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "price", abstract: "Prices of paid models, by version; without one a model is not called.",
        subcommands: [Set.self, List.self, Import.self])

    static func table(_ prices: [PriceInfo]) -> String {
        var table = TextTable([
            .init("MODEL"), .init("INPUT", .right), .init("CACHED", .right), .init("WRITE 5M", .right),
            .init("WRITE 1H", .right), .init("OUTPUT", .right), .init("REASONING", .right),
            .init("PER CALL USD", .right), .init("PER IMAGE USD", .right), .init("BATCH", .right),
            .init("EFFECTIVE AT"), .init("IN FORCE"),
        ])
        table.rows = prices.flatMap { info in
            let price = info.price
            let first =
                [price.model.description] + cells(price.rates) + [
                    price.perCall.usdString, price.perImage > .zero ? price.perImage.usdString : "",
                    price.batchPercent < 100 ? "\(price.batchPercent) %" : "", CommandOutput.time(info.effectiveAt),
                    info.isInForce ? "yes" : "",
                ]
            return [first]
                + price.tiers.map { ["  above \($0.aboveInputTokens) input"] + cells($0.rates) + ["", "", "", "", ""] }
        }
        return table.render()
    }

    private static func cells(_ rates: TokenRates) -> [String] {
        [rates.input, rates.cachedInput, rates.cacheWrite5m, rates.cacheWrite1h, rates.output, rates.reasoning].map {
            $0.map { TokenRate.usdPerMillion(picoPerToken: $0) } ?? ""
        }
    }

    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Add a version of a model's price, in dollars for a million tokens.")
        @OptionGroup var options: AdminOptions
        @Argument(help: "The model, as PROVIDER/MODEL.") var model: String
        @Option(help: "Input.") var inputUsdPerMtok: String
        @Option(help: "Output.") var outputUsdPerMtok: String
        @Option(help: "Input read from the provider's cache; without it as input.") var cachedInputUsdPerMtok: String?
        @Option(
            name: .customLong("cache-write-5m-usd-per-mtok"),
            help: "Input written to the provider's cache for five minutes; without it as input.")
        var cacheWrite5mUsdPerMtok: String?
        @Option(
            name: .customLong("cache-write-1h-usd-per-mtok"),
            help: "Input written to the provider's cache for an hour; without it as for five minutes.")
        var cacheWrite1hUsdPerMtok: String?
        @Option(help: "Reasoning; without it as output.") var reasoningUsdPerMtok: String?
        @Option(help: "Dollars for each call, on top.") var perCallUsd: String?
        @Option(help: "Dollars for each image, on top.") var perImageUsd: String?
        @Option(help: "What tokens of a call in a batch cost, in percent of the price.") var batchPercent = 100
        @Option(
            name: .customLong("tier"),
            help: ArgumentHelp(
                "Rates of calls with more input than so many tokens, as 200000:input=2.5,output=15,cached-input=0.25. "
                    + "May be repeated.", valueName: "tokens:rates"))
        var tiers: [String] = []
        @Option(help: "From when on: a day (UTC) or an instant in ISO 8601; without it from now.")
        var effectiveAt: String?

        mutating func run() async throws {
            let draft = try PriceDraft(
                model: try ArgumentParsing.modelReference(model, option: "MODEL"), inputUSDPerMtok: inputUsdPerMtok,
                outputUSDPerMtok: outputUsdPerMtok, cachedInputUSDPerMtok: cachedInputUsdPerMtok,
                cacheWrite5mUSDPerMtok: cacheWrite5mUsdPerMtok, cacheWrite1hUSDPerMtok: cacheWrite1hUsdPerMtok,
                reasoningUSDPerMtok: reasoningUsdPerMtok, perCallUSD: perCallUsd, perImageUSD: perImageUsd,
                batchPercent: batchPercent, tiers: tiers,
                effectiveAt: try effectiveAt.map { text throws(CommandFailure) in
                    try ArgumentParsing.instant(text, option: "--effective-at")
                })
            let price = try await options.administer { try await $0.setPrice(draft) }
            try options.show(PriceDocument(price), text: PriceCommand.table([price]))
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List all versions of prices.")
        @OptionGroup var options: AdminOptions
        @Argument(help: "One model, as PROVIDER/MODEL; without it all.") var model: String?

        mutating func run() async throws {
            let reference = try model.map { text throws(CommandFailure) in
                try ArgumentParsing.modelReference(text, option: "MODEL")
            }
            let prices = try await options.administer { try await $0.prices(model: reference) }
            try options.show(NamedList("prices", prices.map(PriceDocument.init)), text: PriceCommand.table(prices))
        }
    }
}
