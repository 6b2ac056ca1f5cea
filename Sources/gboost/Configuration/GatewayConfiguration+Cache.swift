internal import GatewayServer

extension GatewayConfiguration {
    /// How much memory kept answers may take, of tenants that want theirs kept.
    package struct Cache: Hashable, Sendable {
        /// 0: none are kept.
        package var memoryBytes: Int
        package var tenantBytes: Int
    }

    static func cache(_ layers: inout ConfigurationLayers) throws(ConfigurationError) -> Cache {
        let memory = try layers.integer("cache.memory_bytes", in: 0...(1 << 40), default: 1 << 26)
        return Cache(
            memoryBytes: memory,
            tenantBytes: try layers.integer("cache.tenant_bytes", in: 0...(1 << 40), default: memory / 4))
    }

    var cachedAnswers: CachedAnswers? {
        guard cache.memoryBytes > 0, cache.tenantBytes > 0 else { return nil }
        return CachedAnswers(totalBytes: cache.memoryBytes, tenantBytes: cache.tenantBytes)
    }
}
