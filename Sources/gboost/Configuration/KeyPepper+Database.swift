internal import Foundation
internal import Ledger
internal import Postgres
internal import Providers

extension GatewayConfiguration.Secrets {
    /// Where the pepper is looked for.
    var pepperPlace: String { keyPepper?.description ?? "file:\(pepperPath)" }

    /// Nobody named a pepper, and none was made here yet.
    var lacksPepper: Bool { keyPepper == nil && !FileManager.default.fileExists(atPath: pepperPath) }
}

extension KeyPepper {
    /// The pepper for a database's keys. One that its keys are not hashed with is refused, and none is made for keys
    /// that are there: the default file is looked for in the working directory, which may be another one this time.
    ///
    /// - Parameter isServing: a gateway's: see `PepperRecord`. It is not recorded before the gateway listens: a start
    ///   that fails must settle nothing.
    static func read(
        _ secrets: GatewayConfiguration.Secrets, for pool: PostgresPool, isServing: Bool
    ) async throws -> (pepper: KeyPepper, hasher: KeyHasher) {
        let record = try await PepperRecord.read(pool)
        if secrets.lacksPepper, record.isTaken {
            throw ConfigurationError(field: PepperRecord.field, message: missing(secrets))
        }
        let pepper = try KeyPepper(secrets)
        let hasher = try KeyHasher(pepper: pepper.bytes)
        do throws(LedgerError) { try record.check(hasher, isServing: isServing) } catch {
            throw naming(error, secrets)
        }
        return (pepper, hasher)
    }

    /// A gateway serves: what it hashes keys with becomes the database's pepper, unless another one has become it.
    static func adopt(
        _ hasher: KeyHasher, _ secrets: GatewayConfiguration.Secrets, for pool: PostgresPool
    ) async throws {
        do throws(LedgerError) { try await PepperRecord.adopt(hasher, pool) } catch { throw naming(error, secrets) }
    }

    private static func naming(_ error: LedgerError, _ secrets: GatewayConfiguration.Secrets) -> any Error {
        guard error.field == PepperRecord.field else { return error }
        return ConfigurationError(field: PepperRecord.field, message: "\(secrets.pepperPlace): \(error.message)")
    }

    fileprivate static func missing(_ secrets: GatewayConfiguration.Secrets) -> String {
        "there is none at \(secrets.pepperPath), and this database's keys are hashed with one: name that one, "
            + "as file:/path or env:NAME"
    }
}

extension DatabaseChecks {
    /// Whether gateways and commands of this configuration hash keys as the database's are. One that cannot be read is
    /// told of by the machine's checks.
    func keyHashes(_ pool: PostgresPool) async throws -> [Finding] {
        let check = "key hashes"
        let record = try await PepperRecord.read(pool)
        let secrets = configuration.secrets
        guard record.isTaken else { return [] }
        let remedy = "set secrets.key_pepper to the pepper that the gateways have"
        guard !secrets.lacksPepper else { return [.problem(check, KeyPepper.missing(secrets), remedy: remedy)] }
        guard let pepper = try? KeyPepper(secrets) else { return [] }
        if record.isUnproven {
            return [
                .warning(
                    check, "there is no telling yet whether \(secrets.pepperPlace) is the pepper of the keys",
                    remedy: "start a gateway with the right one, which records it: gboost serve")
            ]
        }
        do throws(LedgerError) {
            try record.check(KeyHasher(pepper: pepper.bytes))
        } catch {
            return [.problem(check, "\(secrets.pepperPlace): \(error.message)", remedy: remedy)]
        }
        return [.ok(check, "by the pepper at \(secrets.pepperPlace)")]
    }
}
