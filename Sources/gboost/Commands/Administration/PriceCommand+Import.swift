internal import ArgumentParser
internal import Foundation
internal import GatewayCore
internal import GatewayServer
internal import Ledger
internal import Providers
internal import WireFormat

extension PriceCommand {
    struct Import: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Add versions of the prices in a file in the format of LiteLLM's public one.",
            discussion: """
                Only prices that differ from those in force make a new version, all of them in one transaction. A model
                whose price is not complete, or not one that a call can be held for, and a name that is a pattern \
                are skipped, and the report says why.
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
            let report = PriceImportDocument(contents, result, source: source, isDryRun: isDryRun)
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
                throw CommandFailure("\(file): cannot be read: \(FileFailure.unreadable(file))")
            }
            do throws(WireFormatError) {
                return try LiteLLMPriceFile(bytes, provider: provider, name: name)
            } catch {
                throw CommandFailure("\(file): \(error.message)")
            }
        }
    }
}

extension PriceImportDocument {
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
