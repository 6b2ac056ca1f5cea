internal import CLibPQ
internal import ThreadExecutor

extension PostgresConnection {
    /// Connects, within the configuration's connect timeout. A connection is opened once.
    package func open() async throws(PostgresError) {
        guard case .new = phase else { throw PostgresError(.connection, "the connection was opened already") }
        phase = .connecting
        do throws(PostgresError) {
            let servers = configuration.alternatives
            if servers.isEmpty { try await connect() } else { try await connect(toOneOf: servers) }
        } catch {
            end(error)
            throw error
        }
        phase = .open
        Task(executorPreference: ThreadTaskExecutor(executor)) { await self.pump() }
    }

    /// What the URL names is one server, or libpq's to choose from.
    private func connect() async throws(PostgresError) {
        let endpoints = configuration.endpoints
        // libpq knows by itself what needs no resolution.
        let named = endpoints.contains(where: \.needsResolution) ? endpoints : []
        let late = PostgresError(
            .connection, "no answer within \(configuration.connectTimeout), the connect timeout")
        try await connect(to: named, within: configuration.connectTimeout, orThrow: late)
    }

    /// Tries one server after the other, so that one that is silent does not take the time of all.
    private func connect(toOneOf servers: [PostgresConfiguration.Endpoint]) async throws(PostgresError) {
        let end = ContinuousClock.now + configuration.connectTimeout
        var failures: [PostgresError] = []
        for (index, server) in servers.enumerated() {
            let rest = ContinuousClock.now.duration(to: end)
            let share = configuration.share(of: rest, among: servers.count - index)
            let name = [server.host.isEmpty ? server.address : server.host, server.port].filter { !$0.isEmpty }
            let late = PostgresError(
                .connection, "\(name.joined(separator: ":")): no connection within its share of the connect timeout")
            do throws(PostgresError) {
                return try await connect(to: [server], within: share, orThrow: late)
            } catch {
                // Closed meanwhile: there is nothing to go on for.
                guard case .connecting = phase else { throw error }
                failures.append(error)
                abandonAttempt()
            }
        }
        // All of them, as libpq does: the last one may only say that a standby is one.
        throw PostgresError(
            .connection, failures.map(\.message).joined(separator: "\n"),
            sqlState: failures.compactMap(\.sqlState).first)
    }

    /// Leaves nothing of an attempt that failed to the next one, which may get the same descriptor.
    private func abandonAttempt() {
        readiness.forget(PQsocket(handle.raw))
        handle.finish()
        connectFailure = nil
    }

    private func giveUp(_ error: PostgresError) {
        guard case .connecting = phase else { return }
        connectFailure = connectFailure ?? error
        resolution.take()?.resume(returning: .failure(error))
        if let parked { readiness.cancel(parked) }
    }

    private func connect(
        to endpoints: [PostgresConfiguration.Endpoint], within limit: Duration, orThrow late: PostgresError
    ) async throws(PostgresError) {
        let timer = Task {
            try? await Task.sleep(for: limit)
            if !Task.isCancelled { self.giveUp(late) }
        }
        defer { timer.cancel() }
        let keywords = configuration.keywords(addresses: try await addresses(of: endpoints))
        if let connectFailure { throw connectFailure }
        guard handle.start(keywords) else { throw connectError() }
        var poll = PGRES_POLLING_WRITING
        while poll != PGRES_POLLING_OK {
            switch poll {
            case PGRES_POLLING_READING: await connectStep(.read)
            case PGRES_POLLING_WRITING: await connectStep(.write)
            default: throw connectError()
            }
            if let connectFailure { throw connectFailure }
            // libpq may close this socket and go on with another one, perhaps of the same number.
            readiness.forget(PQsocket(handle.raw))
            poll = PQconnectPoll(handle.raw)
        }
        guard PQsetnonblocking(handle.raw, 1) == 0, PQenterPipelineMode(handle.raw) == 1 else { throw connectError() }
    }

    private func connectStep(_ interest: EpollWait.Interest) async {
        guard PQsocket(handle.raw) >= 0 else { return }
        do {
            _ = try await ready(for: interest)
        } catch {
            connectFailure = connectFailure ?? PostgresError(.connection, "the socket cannot be waited for")
        }
    }

    private func connectError() -> PostgresError {
        configuration.roleRefusal(handle.message)
            ?? PostgresError(.connection, configuration.scrub(handle.message))
    }

    /// Every address of every host, so that libpq never has to resolve a name itself, which blocks.
    private func addresses(
        of endpoints: [PostgresConfiguration.Endpoint]
    ) async throws(PostgresError) -> [(host: String, address: String, port: String)] {
        var all: [(host: String, address: String, port: String)] = []
        var failure: PostgresError?
        for endpoint in endpoints {
            if !endpoint.needsResolution {
                all.append((endpoint.host, endpoint.address, endpoint.port))
                continue
            }
            switch await resolve(endpoint.host) {
            case .success(let found): all += found.map { (endpoint.host, $0, endpoint.port) }
            case .failure(let error): failure = error
            }
            if let connectFailure { throw connectFailure }
        }
        if all.isEmpty, !endpoints.isEmpty {
            throw failure ?? PostgresError(.connection, "the host name has no address")
        }
        return all
    }

    /// The resolver cannot be interrupted; this wait can.
    private func resolve(_ host: String) async -> Result<[String], PostgresError> {
        guard let resolver else { return .failure(PostgresError(.connection, "no resolver for host names")) }
        var lookup: Task<Void, Never>?
        // An answer that comes too late must not pass for that of the next name.
        defer { lookup?.cancel() }
        return await withCheckedContinuation { waiter in
            resolution = waiter
            lookup = Task {
                let found = await resolver.resolve(host)
                if !Task.isCancelled { self.resolution.take()?.resume(returning: found) }
            }
        }
    }
}
