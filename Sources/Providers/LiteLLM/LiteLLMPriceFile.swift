package import GatewayCore
package import WireFormat

/// Prices out of a file in the format of LiteLLM's public one: a JSON object from a model's name to its properties,
/// among them its rates in dollars per token.
///
/// Nothing is guessed: a model whose price the gateway could not hold for, or not charge by, is skipped with a reason.
package struct LiteLLMPriceFile: Sendable {
    /// The public file has some megabytes.
    package static let maxBytes = 32 * 1024 * 1024
    /// The public file has some thousands.
    package static let maxModels = 50_000
    private static let maxNodes = 4_000_000
    /// An entry that explains the format.
    private static let documentation = "sample_spec"

    /// A model's price, and what is to be known about it.
    package struct Priced: Sendable, Hashable {
        package var price: ModelPrice
        /// Rates that were rounded, and keys that do not count here.
        package var remarks: [String]
    }

    /// A model that has no usable price in the file.
    package struct Skipped: Sendable, Hashable {
        /// As the file names it.
        package var model: String
        package var reason: String
    }

    /// At most one of each model, in the file's order.
    package private(set) var priced: [Priced] = []
    package private(set) var skipped: [Skipped] = []
    /// Models of providers that were not asked for.
    package private(set) var otherModels = 0

    /// Reads a file. Throws on what is no JSON object, or too large.
    /// - Parameters:
    ///   - provider: only models of this `litellm_provider`; nil: all.
    ///   - name: what the gateway calls that provider; nil: the same.
    package init(_ bytes: [UInt8], provider: String? = nil, name: String? = nil) throws(WireFormatError) {
        var limits = JSONLimits.provider
        limits.maxBytes = Self.maxBytes
        limits.maxNodes = Self.maxNodes
        let root = try JSONDocument(bytes, limits: limits).root
        guard root.kind == .object else { throw WireFormatError(.malformedJSON, "The file is not a JSON object.") }
        let members = root.members
        guard members.count <= Self.maxModels else {
            throw WireFormatError(.limitExceeded, "The file has more than \(Self.maxModels) models.")
        }
        var found: [(name: String, priced: Priced)] = []
        for member in members {
            guard let model = member.key.string, model != Self.documentation else { continue }
            do throws(LiteLLMPriceEntry.Unusable) {
                var entry = try LiteLLMPriceEntry(member.value)
                if let provider, entry.provider != provider {
                    otherModels += 1
                    continue
                }
                let reference = try entry.reference(model, provider: name)
                found.append((model, Priced(price: try entry.price(reference), remarks: entry.remarks)))
            } catch {
                skipped.append(Skipped(model: model, reason: error.reason))
            }
        }
        settle(found)
    }

    /// Two names of the file can be one model's ("deepseek-chat" and "deepseek/deepseek-chat").
    private mutating func settle(_ found: [(name: String, priced: Priced)]) {
        var byModel: [ModelReference: [(name: String, priced: Priced)]] = [:]
        for item in found { byModel[item.priced.price.model, default: []].append(item) }
        var seen: Set<ModelReference> = []
        for item in found {
            let price = item.priced.price
            let all = byModel[price.model] ?? []
            if let other = all.first(where: { !$0.priced.price.chargesLike(price) }) {
                let reason = "there is another price of \(price.model) in the file, under the name \(other.name)"
                skipped.append(Skipped(model: item.name, reason: reason))
            } else if seen.insert(price.model).inserted {
                priced.append(item.priced)
            } else {
                skipped.append(Skipped(model: item.name, reason: "the same as \(all[0].name)"))
            }
        }
    }
}
