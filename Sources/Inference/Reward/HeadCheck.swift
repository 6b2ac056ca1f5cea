package import GatewayCore

/// Whether gateways would serve a reward head, asked before they try: what they refuse is a route that never escalates.
package enum HeadCheck {
    /// nil: they would, or it is no head, or its base is not there, which others say.
    package static func misfit(
        of file: String, as kind: RewardKind?, base name: String?, among models: [ModelRecord]
    ) async -> HeadMisfit? {
        guard let kind, kind != .tokens, let base = models.first(where: { $0.name == name }), base.kind != .prm else {
            return nil
        }
        let below = models.first { $0.name == base.base }
        return await RewardHeadFile.misfit(of: file, as: kind, on: base, below: below)
    }
}
