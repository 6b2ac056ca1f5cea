import GatewayCore
import Ledger
import Testing

@testable import gboost

/// What is made of a file, before any database is asked.
extension LiteLLMImportTests {
    private static func plan(_ yaml: String) throws -> LiteLLMPlan {
        try LiteLLMPlan(LiteLLMSource(yaml: yaml, path: "litellm.yaml"), tenant: "litellm", environment: [:])
    }

    @Test("deployments of one name, their weights and fallbacks become groups that the configuration takes")
    func groups() throws {
        let plan = try Self.plan(
            """
            model_list:
              - { model_name: gpt, litellm_params: { model: openai/a, weight: 0.75 } }
              - { model_name: gpt, litellm_params: { model: mistral/b, weight: "0.25" } }
              - { model_name: small, litellm_params: { model: openai/c } }
              - { model_name: also, litellm_params: { model: openai/a } }
            router_settings: { routing_strategy: simple-shuffle, model_group_alias: { big: gpt } }
            litellm_settings: { fallbacks: [{ big: [small, gone] }, { small: [gpt] }] }
            """)
        let groups = plan.groups.map(\.yaml)
        // Calls of "also" are not to be spread, so the group is that of the other deployment.
        let first = #"  - { name: "gpt", model: "mistral/b", deployments: "openai/a, mistral/b", weights: "3, 1", "#
        #expect(
            groups == [
                first + "balance: \"weighted\", fallbacks: \"openai/c\" }\n",
                "  - { name: \"small\", model: \"openai/c\", fallbacks: \"mistral/b, openai/a\" }\n",
            ])
        #expect(plan.routes.map { "\($0.name) \($0.model)" }.contains("gpt mistral/b"))
        let told = plan.remarks.map { "\($0.path): \($0.reason)" }
        #expect(told == ["litellm_settings.fallbacks[0]: gone is not served here"])
        let configuration = try ConfigurationTests.load(
            "database: { url: \"postgresql://app@db/gboost\" }\nproviders:\n"
                + plan.providers.map(\.yaml).joined() + "model_groups:\n" + groups.joined())
        #expect(configuration.groups.map(\.group.fallbacks.count) == [1, 2])
        #expect(configuration.groups.first?.group.deployments.map(\.weight) == [3, 1])
    }

    @Test("what a deployment may cost and do becomes its model's budget and limits")
    func deploymentLimits() throws {
        let plan = try Self.plan(
            """
            model_list:
              - model_name: gpt
                litellm_params:
                  { model: openai/g, max_budget: 5, budget_duration: 1d, max_parallel_requests: 3, rpm: 100, tpm: 500 }
              - { model_name: "openai/*", litellm_params: { model: "openai/*", rpm: 7 } }
              - { model_name: other, litellm_params: { model: openai/g, rpm: 9 } }
            """)
        let limits = plan.resources.filter { [.budget, .limit].contains($0.name.kind) }
        let units = ["requests", "tokens", "parallel"].map { "tenant model openai/g \($0) for paid" }
        #expect(
            limits.map(\.name.text) == ["tenant model openai/g day"] + units
                + ["tenant model openai/* requests for paid"])
        guard case .budget(let draft, key: _)? = limits.first?.draft else {
            Issue.record("no budget")
            return
        }
        #expect(draft.model == "openai/g" && draft.limit == NanoUSD(5_000_000_000) && draft.window == .day)
        let told = plan.remarks.map { "\($0.path): \($0.reason)" }
        #expect(told.contains { $0.hasPrefix("model_list[0].litellm_params.tpm: 500 lets next to no call through") })
        #expect(told.contains("model_list[2]: openai/g has other limits by an entry before, and keeps them"))
    }

    @Test(
        "a section that is not what it should be is named",
        arguments: [
            ("model_list: { a: 1 }", "model_list"), ("model_list: 5", "model_list"),
            ("model_list: [5]", "model_list[0]"),
            ("router_settings: { model_group_alias: [a] }", "router_settings.model_group_alias"),
            ("litellm_settings: { fallbacks: { a: [b] } }", "litellm_settings.fallbacks"),
        ])
    func malformed(yaml: String, path: String) throws {
        #expect(try Self.plan(yaml).remarks.map(\.path) == [path])
    }

    @Test("a price in quotes is one; a second one of a model, one of nothing and one that is none are named")
    func prices() throws {
        let input = "litellm_params: { output_cost_per_token: 0.00001, input_cost_per_token"
        var plan = try Self.plan(
            """
            model_list:
              - { model_name: a, \(input): "0.0000025", model: openai/m } }
              - { model_name: b, \(input): 2.5e-06, model: openai/m } }
              - { model_name: c, \(input): 3e-6, model: openai/m } }
              - model_name: d
                litellm_params: { model: openai/free, input_cost_per_token: 0, output_cost_per_token: 0 }
              - { model_name: e, \(input): cheap, model: openai/odd } }
            """)
        try plan.addPrices(nil)
        #expect(plan.prices.map(\.model.description) == ["openai/m"])
        #expect(plan.prices.first?.rates.input == 2_500_000)
        let told = plan.remarks.map { "\($0.path): \($0.reason)" }
        for text in [
            "model_list[2]: its price is not used: an entry before it has another one for openai/m",
            "model_list[3]: its price is not used: all its rates are zero",
            "model_list[4].litellm_params.input_cost_per_token: 'cheap' is not a decimal number",
        ] {
            #expect(told.contains { $0.hasPrefix(text) }, "\(text) in \(told)")
        }
        #expect(!told.contains { $0.hasPrefix("model_list[1]") })
    }
}
