internal import GatewayCore
internal import WireFormat

/// One model of LiteLLM's price file.
struct LiteLLMPriceEntry {
    /// Why a model has no usable price.
    struct Unusable: Error, Hashable {
        var reason: String
    }

    /// The file's modes that are charged by tokens or images, per call. Without a mode it is a chat model.
    private static let modes: Set<String> = ["chat", "completion", "responses", "embedding", "image_generation"]
    /// Rates that a call can run into by itself, whatever was asked for, and that a price here cannot express: without
    /// them a hold would be too small.
    private static let inexpressible = [
        "tiered_pricing", "output_cost_per_image_token", "output_cost_per_audio_token", "output_cost_per_video_token",
    ]
    private static let maxNameBytes = 255
    private static let maxRemarkedKeys = 12

    private let fields: [String: JSONValue]
    private var used: Set<String> = ["litellm_provider", "mode"]
    private var rounded: [String] = []
    let provider: String

    init(_ value: JSONValue) throws(Unusable) {
        guard value.kind == .object else { throw Unusable(reason: "is not an object") }
        var fields: [String: JSONValue] = [:]
        for member in value.members {
            guard let key = member.key.string else { continue }
            guard fields.updateValue(member.value, forKey: key) == nil else {
                throw Unusable(reason: "\(key.prefix(Self.maxNameBytes)) occurs twice")
            }
        }
        self.fields = fields.filter { !$0.value.isNull }
        guard let provider = fields["litellm_provider"]?.string, !provider.isEmpty else {
            throw Unusable(reason: "has no litellm_provider")
        }
        self.provider = provider
    }

    /// The model as the gateway names it: the provider's name does not stand in it twice.
    func reference(_ name: String, provider gatewayName: String?) throws(Unusable) -> ModelReference {
        let model = name.hasPrefix(provider + "/") ? String(name.dropFirst(provider.count + 1)) : name
        let reference = ModelReference(provider: gatewayName ?? provider, model: model)
        for text in [reference.provider, reference.model] {
            guard !text.isEmpty, text.utf8.count <= Self.maxNameBytes,
                text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F })
            else { throw Unusable(reason: "its name is empty, too long, or has control characters") }
        }
        guard !reference.provider.contains("/") else { throw Unusable(reason: "its provider's name has a slash") }
        return reference
    }

    /// The price; sets `remarks`.
    mutating func price(_ model: ModelReference) throws(Unusable) -> ModelPrice {
        if let mode = fields["mode"] {
            guard let mode = mode.string, Self.modes.contains(mode) else {
                throw Unusable(reason: "mode \(mode.string?.prefix(Self.maxNameBytes) ?? "?") is not supported")
            }
        }
        for key in Self.inexpressible where isSaid(key) { throw Unusable(reason: "\(key) is not supported") }
        guard let input = try rate("input_cost_per_token") else {
            throw Unusable(reason: "has no input_cost_per_token")
        }
        guard let output = try rate("output_cost_per_token") else {
            throw Unusable(reason: "has no output_cost_per_token")
        }
        var rates = TokenRates(input: input, output: output)
        rates.cachedInput = try rate("cache_read_input_token_cost")
        rates.cacheWrite5m = try rate("cache_creation_input_token_cost")
        rates.cacheWrite1h = try rate("cache_creation_input_token_cost_above_1hr")
        rates.reasoning = try rate("output_cost_per_reasoning_token")
        let images = [try fee("input_cost_per_image"), try fee("output_cost_per_image")]
        let price = ModelPrice(
            model: model, rates: rates, tiers: try tiers(rates), perCall: try fee("input_cost_per_request"),
            perImage: images.max() ?? .zero, batchPercent: try batchPercent(rates))
        // Whoever gives a model away says so by hand: in such files a zero often stands for "not known".
        guard rates.highestInput > 0 || rates.highestOutput > 0 || price.perCall > .zero else {
            throw Unusable(reason: "all its rates are zero; set such a price by hand")
        }
        return price
    }

    /// What is to be known about the price.
    var remarks: [String] {
        let ignored = fields.filter { !used.contains($0.key) && Self.isAboutMoney($0.key) && isSaid($0.key) }.keys
            .sorted()
        let named = ignored.prefix(Self.maxRemarkedKeys).joined(separator: ", ")
        let more = ignored.count > Self.maxRemarkedKeys ? " and \(ignored.count - Self.maxRemarkedKeys) more" : ""
        return rounded + (ignored.isEmpty ? [] : ["not used: \(named)\(more)"])
    }

    private static func isAboutMoney(_ key: String) -> Bool {
        ["cost", "pric", "multiplier", "provider_specific_entry"].contains { key.contains($0) }
    }

    /// Whether the key says anything but zero.
    private func isSaid(_ key: String) -> Bool {
        guard let value = fields[key] else { return false }
        switch value.kind {
        case .number: return Self.decimal(value)?.roundedUp(decimals: Self.picoDecimals)?.value != 0
        case .array: return !value.elements.isEmpty
        case .object: return !value.members.isEmpty
        case .string, .yes: return true
        case .no, .null: return false
        }
    }
}

// MARK: - Numbers

extension LiteLLMPriceEntry {
    private static let picoDecimals = 12
    private static let nanoDecimals = 9

    /// Pico-dollars; nil where the key is not there.
    private mutating func rate(_ key: String) throws(Unusable) -> Int64? {
        try number(key, decimals: Self.picoDecimals, unit: "pico-dollar")
    }

    private static func decimal(_ value: JSONValue) -> DecimalNumber? {
        DecimalNumber(String(decoding: value.rawBytes, as: UTF8.self))
    }

    private mutating func fee(_ key: String) throws(Unusable) -> NanoUSD {
        NanoUSD(try number(key, decimals: Self.nanoDecimals, unit: "nano-dollar") ?? 0)
    }

    private mutating func number(_ key: String, decimals: Int, unit: String) throws(Unusable) -> Int64? {
        used.insert(key)
        guard let value = fields[key] else { return nil }
        guard value.kind == .number, let number = Self.decimal(value) else {
            throw Unusable(reason: "\(key) is not a number that a price can be")
        }
        guard let (amount, isExact) = number.roundedUp(decimals: decimals) else {
            throw Unusable(reason: "\(key) is negative or too large")
        }
        if !isExact { rounded.append("\(key) was rounded up to a \(unit)") }
        return amount
    }

    /// The rates of batches are kept as one percentage of the others: the higher one, in whole percents.
    private mutating func batchPercent(_ rates: TokenRates) throws(Unusable) -> Int {
        let input = try rate("input_cost_per_token_batches")
        let output = try rate("output_cost_per_token_batches")
        guard let input, let output else {
            // One alone is no discount for a whole call.
            return 100
        }
        var shares: [Int128] = []
        for (key, part, whole) in [("input", input, rates.input), ("output", output, rates.output)] {
            guard part <= whole else { throw Unusable(reason: "\(key) costs more in batches") }
            guard whole > 0 else { continue }
            let scaled = Int128(part) * 100
            shares.append((scaled + Int128(whole) - 1) / Int128(whole))
            if scaled % Int128(whole) != 0 { rounded.append("\(key) in batches was rounded up to a percent") }
        }
        if Set(shares).count > 1 { rounded.append("batches have the higher of two discounted shares") }
        return Int(shares.max() ?? 100)
    }
}

// MARK: - Tiers

extension LiteLLMPriceEntry {
    private static let above = "_above_"
    private static let unit = "_tokens"

    private static func optionalRate(_ name: String) -> WritableKeyPath<TokenRates, Int64?>? {
        switch name {
        case "cache_read_input_token_cost": \.cachedInput
        case "cache_creation_input_token_cost": \.cacheWrite5m
        case "cache_creation_input_token_cost_above_1hr": \.cacheWrite1h
        case "output_cost_per_reasoning_token": \.reasoning
        default: nil
        }
    }

    /// Keys such as "output_cost_per_token_above_200k_tokens". What a tier does not say is as in the base, which is
    /// how the file's makers read it; but a one-hour write is never cheaper than a five-minute one.
    private mutating func tiers(_ base: TokenRates) throws(Unusable) -> [PriceTier] {
        var tiers: [Int64: TokenRates] = [:]
        var hourly: Set<Int64> = []
        for key in fields.keys.sorted() {
            guard let (name, threshold) = try Self.tierKey(key), let rate = try rate(key) else { continue }
            var rates = tiers[threshold] ?? base
            switch name {
            case "input_cost_per_token": rates.input = rate
            case "output_cost_per_token": rates.output = rate
            default:
                guard let path = Self.optionalRate(name) else { continue }
                rates[keyPath: path] = rate
                if path == \.cacheWrite1h { hourly.insert(threshold) }
            }
            tiers[threshold] = rates
        }
        guard tiers.count <= ModelPrice.maxTiers else { throw Unusable(reason: "has too many tiers") }
        return tiers.keys.sorted().compactMap { threshold in
            guard var rates = tiers[threshold] else { return nil }
            if !hourly.contains(threshold), let write = rates.cacheWrite1h {
                rates.cacheWrite1h = max(write, rates.cacheWrite5m ?? rates.input)
            }
            return PriceTier(aboveInputTokens: threshold, rates: rates)
        }
    }

    /// The rate and the threshold that a tier's key names; nil for other keys, among them those of other units.
    private static func tierKey(_ key: String) throws(Unusable) -> (name: String, threshold: Int64)? {
        guard key.hasSuffix(unit), let cut = key.ranges(of: above).last else { return nil }
        let name = String(key[..<cut.lowerBound])
        guard name == "input_cost_per_token" || name == "output_cost_per_token" || optionalRate(name) != nil
        else { return nil }
        var digits = key[cut.upperBound...].dropLast(unit.count)
        var factor: Int64 = 1
        if digits.hasSuffix("k") { factor = 1000 } else if digits.hasSuffix("m") { factor = 1_000_000 }
        if factor > 1 { digits = digits.dropLast() }
        guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), digits.utf8.count <= 9,
            let count = Int64(digits), count > 0
        else { throw Unusable(reason: "\(key) cannot be read") }
        return (name, count * factor)
    }
}
