internal import ArgumentParser
internal import Foundation
internal import GatewayCore
internal import Ledger

/// `gboost price`.
struct PriceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "price", abstract: "Prices of paid models, by version; without one a model is not called.",
        subcommands: [Set.self, List.self])

    /// A version as scripts read it. Prices are decimal dollars for a million tokens, as text, since they are exact.
    struct Line: Encodable {
        var id: Int64
        var model: String
        var inputUsdPerMtok: String
        var cachedInputUsdPerMtok: String?
        var outputUsdPerMtok: String
        var reasoningUsdPerMtok: String?
        var perCallUsd: String
        var effectiveAt: Date
        var inForce: Bool

        init(_ info: PriceInfo) {
            let price = info.price
            id = price.id
            model = price.model.description
            inputUsdPerMtok = TokenRate.usdPerMillion(picoPerToken: price.inputPicoPerToken)
            cachedInputUsdPerMtok = price.cachedInputPicoPerToken.map { TokenRate.usdPerMillion(picoPerToken: $0) }
            outputUsdPerMtok = TokenRate.usdPerMillion(picoPerToken: price.outputPicoPerToken)
            reasoningUsdPerMtok = price.reasoningPicoPerToken.map { TokenRate.usdPerMillion(picoPerToken: $0) }
            perCallUsd = price.perCall.usdString
            effectiveAt = info.effectiveAt
            inForce = info.isInForce
        }
    }

    static func table(_ prices: [PriceInfo]) -> String {
        var table = TextTable([
            .init("MODEL"), .init("INPUT", .right), .init("CACHED", .right), .init("OUTPUT", .right),
            .init("REASONING", .right), .init("PER CALL USD", .right), .init("EFFECTIVE AT"), .init("IN FORCE"),
        ])
        table.rows = prices.map(Line.init).map { line in
            [
                line.model, line.inputUsdPerMtok, line.cachedInputUsdPerMtok ?? "", line.outputUsdPerMtok,
                line.reasoningUsdPerMtok ?? "", line.perCallUsd, CommandOutput.time(line.effectiveAt),
                line.inForce ? "yes" : "",
            ]
        }
        return table.render()
    }

    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Add a version of a model's price, in dollars for a million tokens.")
        @OptionGroup var options: AdminOptions
        @Argument(help: "The model, as PROVIDER/MODEL.") var model: String
        @Option(help: "Input.") var inputUsdPerMtok: String
        @Option(help: "Output.") var outputUsdPerMtok: String
        @Option(help: "Input read from the provider's cache; without it as input.") var cachedInputUsdPerMtok: String?
        @Option(help: "Reasoning; without it as output.") var reasoningUsdPerMtok: String?
        @Option(help: "Dollars for each call, on top.") var perCallUsd: String?
        @Option(help: "From when on: a day (UTC) or an instant in ISO 8601; without it from now.")
        var effectiveAt: String?

        mutating func run() async throws {
            let draft = try PriceDraft(
                model: try ArgumentParsing.modelReference(model, option: "MODEL"), inputUSDPerMtok: inputUsdPerMtok,
                outputUSDPerMtok: outputUsdPerMtok, cachedInputUSDPerMtok: cachedInputUsdPerMtok,
                reasoningUSDPerMtok: reasoningUsdPerMtok, perCallUSD: perCallUsd,
                effectiveAt: try effectiveAt.map { text throws(CommandFailure) in
                    try ArgumentParsing.instant(text, option: "--effective-at")
                })
            let price = try await options.administer { try await $0.setPrice(draft) }
            try options.show(Line(price), text: PriceCommand.table([price]))
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
            try options.show(NamedList("prices", prices.map(Line.init)), text: PriceCommand.table(prices))
        }
    }
}
