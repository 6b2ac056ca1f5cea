internal import GatewayServer
internal import Logging

extension GatewayConfiguration {
    static func tls(_ layers: inout ConfigurationLayers) throws(ConfigurationError) -> TLSPaths? {
        let (certificate, key) = (try layers.text("server.tls_certificate"), try layers.text("server.tls_key"))
        switch (certificate, key) {
        case (nil, nil): return nil
        case (let certificate?, let key?): return TLSPaths(certificate: certificate, key: key)
        case (nil, _): throw layers.failure("server.tls_certificate", "is missing: server.tls_key is given")
        case (_, nil): throw layers.failure("server.tls_key", "is missing: server.tls_certificate is given")
        }
    }

    /// Reads the files, which are watched from then on.
    func tlsFiles(_ logger: Logger) throws(ConfigurationError) -> TLSFiles? {
        guard let paths = server.tls else { return nil }
        do {
            return try TLSFiles(certificate: paths.certificate, key: paths.key, logger: logger)
        } catch {
            switch error {
            case .certificate(let reason):
                throw ConfigurationError(field: "server.tls_certificate", message: "\(paths.certificate) \(reason)")
            case .key(let reason): throw ConfigurationError(field: "server.tls_key", message: "\(paths.key) \(reason)")
            }
        }
    }
}
