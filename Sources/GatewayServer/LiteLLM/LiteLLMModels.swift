internal import GatewayCore
internal import Hummingbird
internal import Ledger
internal import WireFormat

/// `/model/info` of LiteLLM's: what a key may put into `model`, with its price.
struct LiteLLMModels: Sendable {
    let services: GatewayServices

    /// For a key: its own; for the administrator: the tenant's that `organization_id` names, or the configured one.
    func list(_ request: Request, _ context: GatewayContext) async throws -> [UInt8] {
        var allowance = ModelAllowance()
        let tenantID: Int64
        switch try await LiteLLMAsker.of(request, services) {
        case .key(let caller): (tenantID, allowance) = (caller.tenant.id, caller.models)
        case .administrator:
            guard let administration = services.administration else { throw GatewayRefusal.notAdministrator }
            let name = request.uri.queryParameters["organization_id"].map(String.init) ?? administration.tenant
            do { tenantID = try await administration.store.tenant(named: name).id } catch {
                throw GatewayRefusal(LiteLLMFieldNames.spelled(error))
            }
        case .nobody: throw GatewayRefusal.invalidKey
        }
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("data")
        writer.beginArray()
        for route in await services.catalog.routes(tenantID: tenantID) where allowance.allows(route.name) {
            await write(route.name, route.llm, to: &writer)
        }
        for model in await services.catalog.pricedModels()
        where services.providers[model.provider] != nil && allowance.allows(model.description) {
            await write(model.description, model, to: &writer)
        }
        writer.endArray()
        writer.endObject()
        return writer.bytes
    }

    private func write(_ name: String, _ model: ModelReference, to writer: inout JSONWriter) async {
        let price = await services.catalog.price(model)
        writer.beginObject()
        writer.member("model_name", name)
        writer.key("litellm_params")
        writer.beginObject()
        writer.member("model", model.description)
        writer.endObject()
        writer.key("model_info")
        writer.beginObject()
        writer.member("id", name)
        writer.key("input_cost_per_token")
        write(price?.rates.input, to: &writer)
        writer.key("output_cost_per_token")
        write(price?.rates.output, to: &writer)
        writer.endObject()
        writer.endObject()
    }

    /// Pico-dollars as dollars, exactly.
    private func write(_ pico: Int64?, to writer: inout JSONWriter) {
        if let pico { writer.raw("\(pico)e-12".utf8) } else { writer.null() }
    }
}
