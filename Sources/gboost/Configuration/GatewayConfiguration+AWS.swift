package import Providers

extension GatewayConfiguration {
    /// Where Bedrock is asked, and by whose credentials.
    package struct AWSAccess: Hashable, Sendable {
        /// Credentials that sign requests.
        package struct Keys: Hashable, Sendable {
            package var accessKey: SecretReference
            package var secretKey: SecretReference
            /// Of credentials that end; a file is read at the start only.
            package var sessionToken: SecretReference?
        }
        package var region: String
        /// nil: `api_key` is one of Bedrock's own.
        package var keys: Keys?
    }

    static func awsAccess(
        _ prefix: String, _ layers: inout ConfigurationLayers
    ) throws(ConfigurationError) -> AWSAccess {
        guard let region = try layers.text("\(prefix).region") else {
            throw layers.failure("\(prefix).region", "is missing, as in eu-central-1")
        }
        guard region.utf8.count <= 40, ConfigurationFile.isRegion(region) else {
            throw layers.failure("\(prefix).region", "'\(region.prefix(40))' is not a region's name")
        }
        let accessKey = try secret("\(prefix).access_key_id", &layers)
        let secretKey = try secret("\(prefix).secret_access_key", &layers)
        let token = try secret("\(prefix).session_token", &layers)
        guard let accessKey, let secretKey else {
            guard accessKey == nil, secretKey == nil, token == nil else {
                throw layers.failure(
                    "\(prefix).\(accessKey == nil ? "access_key_id" : "secret_access_key")",
                    "is missing: the two stand together")
            }
            return AWSAccess(region: region, keys: nil)
        }
        return AWSAccess(
            region: region, keys: AWSAccess.Keys(accessKey: accessKey, secretKey: secretKey, sessionToken: token))
    }
}

extension ConfigurationFile {
    /// Lower-case letters, digits and dashes.
    static func isRegion(_ text: String) -> Bool {
        !text.isEmpty && text.allSatisfy { $0.isASCII && ($0.isLowercase || $0.isNumber || $0 == "-") }
    }
}

extension GatewayConfiguration.Provider {
    /// A secret of this provider's.
    func resolve(_ reference: SecretReference, _ field: String) throws(ConfigurationError) -> Providers.Secret {
        do {
            return try Providers.SecretReference("\(reference)").resolve()
        } catch {
            throw ConfigurationError(field: "providers.\(name).\(field)", message: "\(error)")
        }
    }

    /// Of a provider of the kind `bedrock`.
    func bedrockCredentials() throws(ConfigurationError) -> BedrockProvider.Credentials {
        guard let aws, let keys = aws.keys else { return .key }
        var signature = RequestSignature(
            region: aws.region, service: BedrockProvider.service,
            accessKey: try resolve(keys.accessKey, "access_key_id"),
            secretKey: try resolve(keys.secretKey, "secret_access_key"))
        if let token = keys.sessionToken { signature.sessionToken = try resolve(token, "session_token") }
        return .signature(signature)
    }
}
