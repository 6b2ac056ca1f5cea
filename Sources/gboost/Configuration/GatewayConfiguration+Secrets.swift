internal import Foundation
internal import GatewayServer
internal import Logging
internal import Providers

extension GatewayConfiguration {
    /// A reference to a secret, with the key of the configuration that holds it.
    struct NamedSecret: Hashable, Sendable {
        var field: String
        var reference: SecretReference

        /// Why there is no secret at it; nil: there is one.
        func problem(in environment: [String: String]) -> ConfigurationError? {
            do {
                _ = try reference.resolve(environment: environment)
                return nil
            } catch {
                return ConfigurationError(field: field, message: "\(error)")
            }
        }
    }

    /// Every reference that is given. The pepper's own file is none: it is made where nobody named one.
    var secretReferences: [NamedSecret] {
        var all: [(String, SecretReference?)] = [
            ("secrets.key_pepper", secrets.keyPepper), ("admin.key", administration.key),
            ("capture.key", capture.key), ("capture.previous_key", capture.previousKey),
            ("audit.signing_key", audit.signingKey), ("audit.next_signing_key", audit.nextSigningKey),
            ("audit.checkpoint_webhook_secret", audit.checkpointWebhook?.secret),
            ("audit.checkpoint_s3_access_key", audit.checkpointBucket?.accessKey),
            ("audit.checkpoint_s3_secret_key", audit.checkpointBucket?.secretKey),
        ]
        if case .reference(let reference) = database.location { all.append(("database.url", reference)) }
        return NamedSecret.given(all) + providers.flatMap(\.secretReferences)
    }

    /// The secrets that a start would stumble over, and the file of tokens' keys, all of them: a start names only the
    /// first.
    func unusableSecrets(
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) -> [ConfigurationError] {
        var problems = secretReferences.compactMap { $0.problem(in: environment) }
        func check(_ section: String, _ work: () throws -> Void) {
            guard !problems.contains(where: { $0.field.hasPrefix("\(section).") }) else { return }
            do { try work() } catch {
                problems.append(
                    error as? ConfigurationError ?? ConfigurationError(field: section, message: "\(error)"))
            }
        }
        check("secrets") { if secrets.keyPepper != nil { _ = try KeyPepper(secrets, environment: environment) } }
        check("admin") { try checkAdministrator(environment) }
        if let problem = unusableTokenKeys() { problems.append(problem) }
        check("capture") { _ = try textKeyring(environment: environment) }
        check("audit") { _ = try auditSigners(environment: environment) }
        return problems
    }

    private func checkAdministrator(_ environment: [String: String]) throws {
        let least = GatewayServer.Administration.minimumKeyBytes
        guard let key = administration.key else { return }
        guard try key.resolve(environment: environment).revealed.utf8.count >= least else {
            throw ConfigurationError(field: "admin.key", message: "has fewer than \(least) bytes")
        }
    }

    /// What is wrong with the certificate and its key; empty without TLS.
    func unusableTLS() -> [ConfigurationError] {
        guard let paths = server.tls else { return [] }
        do {
            _ = try tlsFiles(Logger(label: "gboost"))
            return []
        } catch {
            // Reading ends at the certificate, and whoever mends it should not have to come back for the key.
            let field = "server.tls_key"
            guard error.field != field, !FileManager.default.isReadableFile(atPath: paths.key) else { return [error] }
            return [error, ConfigurationError(field: field, message: "\(paths.key) cannot be read")]
        }
    }
}

extension GatewayConfiguration.NamedSecret {
    fileprivate static func given(_ all: [(String, SecretReference?)]) -> [Self] {
        all.compactMap { field, reference in reference.map { Self(field: field, reference: $0) } }
    }
}

extension GatewayConfiguration.Provider {
    /// What this provider is asked with.
    var secretReferences: [GatewayConfiguration.NamedSecret] {
        let keys = aws?.keys
        return GatewayConfiguration.NamedSecret.given([
            ("providers.\(name).api_key", apiKey), ("providers.\(name).access_key_id", keys?.accessKey),
            ("providers.\(name).secret_access_key", keys?.secretKey),
            ("providers.\(name).session_token", keys?.sessionToken),
        ])
    }
}
