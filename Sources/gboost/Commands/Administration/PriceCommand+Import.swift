internal import ArgumentParser
internal import Foundation
internal import GatewayCore
internal import Ledger
internal import Providers
internal import WireFormat

extension PriceCommand {
    struct Import: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Add versions of the prices in a file in the format of LiteLLM's public one.",
            discussion: """
                Only prices that differ from those in force make a new version, all of them in one transaction. A model
                whose price is not complete, or not one that a call can be held for, is skipped, and the report says \
                why.
                """)
        @OptionGroup var options: AdminOptions
        @Argument(help: "The file.") var file: String
        @Option(help: "Only models of this provider, as the file names it (litellm_provider).") var provider: String?
        @Option(name: .customLong("as"), help: "What the configuration calls that provider; without it the same.")
        var name: String?
        @Option(help: "From when on: a day (UTC) or an instant in ISO 8601; without it from now.")
        var effectiveAt: String?
        @Flag(help: "Say what would be done, and change nothing.") var dryRun = false

        mutating func validate() throws {
            guard let name else { return }
            if provider == nil { throw ValidationError("--as needs --provider") }
            if name.isEmpty || name.contains("/") { throw ValidationError("--as '\(name)' is not a provider's name") }
        }

        mutating func run() async throws {
            let at = try effectiveAt.map { text throws(CommandFailure) in
                try ArgumentParsing.instant(text, option: "--effective-at")
            }
            let contents = try contents()
            let (source, isDryRun) = (URL(filePath: file).lastPathComponent, dryRun)
            let result = try await options.administer {
                try await $0.importPrices(
                    contents.priced.map(\.price), effectiveAt: at, source: source, isDryRun: isDryRun)
            }
            let report = PriceImportReport(contents, result, source: source, isDryRun: isDryRun)
            try options.show(report, text: report.text)
        }

        private func contents() throws(CommandFailure) -> LiteLLMPriceFile {
            let bytes: [UInt8]
            do {
                let handle = try FileHandle(forReadingFrom: URL(filePath: file))
                defer { try? handle.close() }
                // One byte more than is allowed tells a file that is too large.
                bytes = Array(try handle.read(upToCount: LiteLLMPriceFile.maxBytes + 1) ?? Data())
            } catch {
                throw CommandFailure("\(file): cannot be read")
            }
            do throws(WireFormatError) {
                return try LiteLLMPriceFile(bytes, provider: provider, name: name)
            } catch {
                throw CommandFailure("\(file): \(error.message)")
            }
        }
    }
}

/// What an import did with each model of the file.
struct PriceImportReport: Encodable {
    struct Imported: Encodable {
        var price: PriceLine
        /// Rates that were rounded, and keys of the file that do not count here.
        var remarks: [String]

        private enum CodingKeys: CodingKey { case remarks }

        func encode(to encoder: any Encoder) throws {
            try price.encode(to: encoder)
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(remarks, forKey: .remarks)
        }
    }

    struct Skipped: Encodable {
        var model: String
        var reason: String
    }

    var source: String
    var dryRun: Bool
    var effectiveAt: Date
    var imported: [Imported]
    var unchanged: [String]
    var skipped: [Skipped]
    /// Models of providers that were not asked for.
    var otherModels: Int

    init(_ file: LiteLLMPriceFile, _ result: PriceImport, source: String, isDryRun: Bool) {
        let remarks = Dictionary(uniqueKeysWithValues: file.priced.map { ($0.price.model, $0.remarks) })
        self.source = source
        dryRun = isDryRun
        effectiveAt = result.effectiveAt
        imported = result.imported.map { price in
            Imported(price: PriceLine(price, effectiveAt: result.effectiveAt), remarks: remarks[price.model] ?? [])
        }
        unchanged = result.unchanged.map(\.description)
        skipped =
            result.conflicting.map {
                Skipped(model: $0.description, reason: "another price takes effect at that moment")
            } + file.skipped.map { Skipped(model: $0.model, reason: $0.reason) }
        otherModels = file.otherModels
    }

    /// One row a model, then the sums.
    var text: String {
        var table = TextTable([
            .init("MODEL"), .init("RESULT"), .init("INPUT", .right), .init("OUTPUT", .right), .init("REMARK"),
        ])
        table.rows =
            imported.map { line in
                let price = line.price
                return [
                    price.model, dryRun ? "new" : "imported", price.rates.input, price.rates.output,
                    line.remarks.joined(separator: "; "),
                ]
            } + unchanged.map { [$0, "unchanged", "", "", ""] }
            + skipped.map { [$0.model, "skipped", "", "", $0.reason] }
        let others = otherModels > 0 ? "; \(otherModels) of other providers" : ""
        return table.render() + "\(imported.count) \(dryRun ? "would be imported" : "imported"), "
            + "\(unchanged.count) unchanged, \(skipped.count) skipped\(others)\n"
    }
}
