extension RouteSettings {
    /// What settings are held to that are about to be saved. Saved ones are read without it: of a route that cannot be
    /// read nobody knows the name.
    package func validateForSaving() throws(RouteSettingsError) {
        try validate()
        if let problem = boundary.problem { throw RouteSettingsError(key: Key.boundary.rawValue, message: problem) }
        // All settings are shown, and may come back as they were: the default says nothing.
        guard target == .price || shadowPrice == RouteSettings().shadowPrice else {
            throw RouteSettingsError(key: Key.shadowPrice.rawValue, message: Self.strayShadowPrice(target))
        }
    }

    /// What is said of a λ that would be given and not be kept.
    package static func strayShadowPrice(_ target: QualityTarget) -> String {
        "is for the target price only; the target is \(target.rawValue)"
    }
}

extension StepBoundary {
    /// Why no new route may end its steps by it; nil: it may. The matcher that engines use is asked itself: a pattern
    /// that it does not take fails every request of a route, and the LLM is paid for each.
    package var problem: String? {
        guard case .pattern(let pattern) = self else { return nil }
        if let lengthProblem { return lengthProblem }
        do throws(BoundaryMatcher.Problem) {
            try BoundaryTrial.run(BoundaryMatcher.expression(pattern))
            return nil
        } catch {
            return "the pattern '\(pattern)' \(error.text)"
        }
    }

    /// Why a pattern is too short or too long; nil: it is neither.
    var lengthProblem: String? {
        guard case .pattern(let pattern) = self, !BoundaryMatcher.hasLength(pattern) else { return nil }
        return "the pattern \(BoundaryMatcher.Problem.length.text)"
    }
}
