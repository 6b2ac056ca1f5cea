internal import Ledger
internal import Outbox

extension GatewayConfiguration {
    /// How events are delivered.
    package struct Outbox: Hashable, Sendable {
        /// Whether this gateway delivers. Where none does, events wait.
        package var isEnabled: Bool
        /// How long settlements are gathered for a batch of usage events.
        package var usageInterval: Double
        /// Tries of one event.
        package var maxAttempts: Int
        /// An event that has waited longer is given up after its next failure.
        package var maxAgeHours: Int
        /// Told events and dead letters that are older are dropped.
        package var retentionDays: Int
        /// Records that wait longer to be sealed are told of.
        package var auditLagLimit: Double
    }

    static func outbox(_ layers: inout ConfigurationLayers) throws(ConfigurationError) -> Outbox {
        enum Switch: String, CaseIterable {
            case on = "true"
            case off = "false"
        }
        return Outbox(
            isEnabled: try layers.choice("outbox.enabled", default: Switch.on) == .on,
            usageInterval: try interval("outbox.usage_interval", default: "10s", &layers),
            maxAttempts: try layers.integer("outbox.max_attempts", in: 1...10_000, default: 150),
            maxAgeHours: try layers.integer("outbox.max_age_hours", in: 1...720, default: 24),
            retentionDays: try layers.integer("outbox.retention_days", in: 1...3650, default: 30),
            auditLagLimit: try interval("outbox.audit_lag_limit", default: "60s", &layers))
    }

    /// How a gateway delivers.
    var deliverySettings: DeliverySettings {
        var settings = DeliverySettings()
        settings.usageInterval = .seconds(outbox.usageInterval)
        settings.policy.maxAttempts = outbox.maxAttempts
        settings.policy.maxAge = .seconds(outbox.maxAgeHours * 3600)
        settings.retention = .seconds(outbox.retentionDays * 86_400)
        settings.auditLagLimit = .seconds(outbox.auditLagLimit)
        return settings
    }
}
