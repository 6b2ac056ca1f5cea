internal import Foundation
internal import GatewayCore
package import Ledger
package import Providers

/// What an import did with each model of the file.
package struct PriceImportDocument: Encodable {
    /// A version that was added, or would be.
    package struct Imported: Encodable {
        package var price: PriceDocument
        /// Rates that were rounded, and keys of the file that do not count here.
        package var remarks: [String]

        private enum CodingKeys: CodingKey { case remarks }

        package func encode(to encoder: any Encoder) throws {
            try price.encode(to: encoder)
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(remarks, forKey: .remarks)
        }
    }

    /// A model of the file that got no version.
    package struct Skipped: Encodable {
        package var model: String
        package var reason: String
    }

    var source: String
    package var dryRun: Bool
    var effectiveAt: Date
    package var imported: [Imported]
    package var unchanged: [String]
    package var skipped: [Skipped]
    /// Models of providers that were not asked for.
    package var otherModels: Int

    /// What became of a file's prices.
    package init(_ file: LiteLLMPriceFile, _ result: PriceImport, source: String, isDryRun: Bool) {
        let remarks = Dictionary(uniqueKeysWithValues: file.priced.map { ($0.price.model, $0.remarks) })
        self.source = source
        dryRun = isDryRun
        effectiveAt = result.effectiveAt
        imported = result.imported.map { price in
            Imported(price: PriceDocument(price, effectiveAt: result.effectiveAt), remarks: remarks[price.model] ?? [])
        }
        unchanged = result.unchanged.map(\.description)
        skipped = result.conflicting.map {
            Skipped(model: $0.description, reason: "another price takes effect at that moment")
        }
        skipped += result.skipped.map { Skipped(model: $0.model.description, reason: $0.reason) }
        skipped += file.skipped.map { Skipped(model: $0.model, reason: $0.reason) }
        otherModels = file.otherModels
    }
}
