internal import Foundation
internal import GatewayCore
package import Ledger

/// A month's cost as FOCUS 1.0 has it (FinOps Open Cost and Usage Specification), for programs that take that.
package enum FocusText {
    /// As the specification names them.
    package static let columns = [
        "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd",
        "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency",
        "ChargePeriodEnd", "ChargePeriodStart", "ConsumedQuantity", "ConsumedUnit", "ContractedCost", "EffectiveCost",
        "InvoiceIssuerName", "ListCost", "PricingQuantity", "PricingUnit", "ProviderName", "PublisherName",
        "ResourceId", "ResourceName", "ServiceCategory", "ServiceName", "SkuId", "SkuPriceId", "SubAccountId",
        "SubAccountName", "Tags",
    ]

    /// The columns, then a row of each charge.
    package static func csv(_ rows: [FocusRow]) -> String { CSVText.render([columns] + rows.map(cells)) }

    private static func cells(_ row: FocusRow) -> [String] {
        let cost = NanoUSD(row.nanoUSD).usdString
        let model = "\(row.provider)/\(row.model)"
        let tokens = String(row.inputTokens + row.outputTokens)
        var tags = ["key": String(row.keyID), "calls": String(row.calls)]
        tags["route"] = row.route
        let values = [
            "BilledCost": cost, "BillingAccountId": String(row.tenantID), "BillingAccountName": row.tenant,
            "BillingCurrency": "USD", "BillingPeriodEnd": time(row.billing.upperBound),
            "BillingPeriodStart": time(row.billing.lowerBound), "ChargeCategory": "Usage",
            "ChargeClass": chargeClass(row), "ChargeDescription": description(row, model),
            "ChargeFrequency": "Usage-Based", "ChargePeriodEnd": time(row.charge.upperBound),
            "ChargePeriodStart": time(row.charge.lowerBound), "ConsumedQuantity": tokens, "ConsumedUnit": "Tokens",
            "ContractedCost": cost, "EffectiveCost": cost, "InvoiceIssuerName": row.provider, "ListCost": cost,
            "PricingQuantity": tokens, "PricingUnit": "Tokens", "ProviderName": row.provider,
            "PublisherName": row.provider, "ResourceId": model, "ResourceName": row.model,
            "ServiceCategory": "AI and Machine Learning", "ServiceName": row.model, "SkuId": model,
            "SkuPriceId": String(row.priceID), "SubAccountId": row.teamID.map { String($0) } ?? "",
            "SubAccountName": row.team ?? "", "Tags": (try? AdminJSON.line(tags)) ?? "",
        ]
        return columns.map { values[$0] ?? "" }
    }

    /// FOCUS has a correction only where charges of an earlier billing period are corrected, which are on an invoice.
    /// What corrects calls of the same period is a charge of it like any other. Nothing stands for null.
    private static func chargeClass(_ row: FocusRow) -> String {
        row.isCorrection && row.charge.upperBound <= row.billing.lowerBound ? "Correction" : ""
    }

    private static func description(_ row: FocusRow, _ model: String) -> String {
        if row.isChargeback { return "Work of the local model \(row.model)" }
        return row.isCorrection ? "Correction of calls of \(model)" : "Calls of \(model)"
    }

    private static func time(_ date: Date) -> String { date.formatted(.iso8601) }
}
