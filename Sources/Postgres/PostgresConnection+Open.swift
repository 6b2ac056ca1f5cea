internal import CLibPQ
internal import ThreadExecutor

extension PostgresConnection {
    /// Connects, within the configuration's connect timeout. A connection is opened once.
    package func open() async throws(PostgresError) {
        guard case .new = phase else { throw PostgresError(.connection, "the connection was opened already") }
        phase = .connecting
        let limit = configuration.connectTimeout
        let timer = Task {
            try? await Task.sleep(for: limit)
            if !Task.isCancelled { self.giveUp() }
        }
        defer { timer.cancel() }
        do throws(PostgresError) {
            try await connect()
        } catch {
            end(error)
            throw error
        }
        phase = .open
        Task(executorPreference: ThreadTaskExecutor(executor)) { await self.pump() }
    }

    private func giveUp() {
        guard case .connecting = phase else { return }
        let error = PostgresError(.connection, "no connection within the connect timeout")
        connectFailure = connectFailure ?? error
        resolution.take()?.resume(returning: .failure(error))
        if let parked { readiness.cancel(parked) }
    }

    private func connect() async throws(PostgresError) {
        let keywords = configuration.keywords(addresses: try await addresses())
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
        if let role = configuration.role, configuration.isRoleRefused(handle.message) {
            return PostgresError(
                .connection,
                "the login role may not act as \(role): run \"gboost migrate\" as the owner, which makes "
                    + "it, then \"grant \(role) to\" the login role", sqlState: PostgresState.insufficientPrivilege)
        }
        return PostgresError(.connection, configuration.scrub(handle.message))
    }

    /// Every address of every host, so that libpq never has to resolve a name itself, which blocks.
    private func addresses() async throws(PostgresError) -> [(host: String, address: String, port: String)] {
        let endpoints = configuration.endpoints
        guard endpoints.contains(where: \.needsResolution) else { return [] }
        var all: [(host: String, address: String, port: String)] = []
        var failure: PostgresError?
        for endpoint in endpoints {
            if !endpoint.needsResolution {
                let isAddress = NameResolver.isNumeric(endpoint.host)
                all.append((endpoint.host, isAddress ? endpoint.host : "", endpoint.port))
                continue
            }
            switch await resolve(endpoint.host) {
            case .success(let found): all += found.map { (endpoint.host, $0, endpoint.port) }
            case .failure(let error): failure = error
            }
            if let connectFailure { throw connectFailure }
        }
        if all.isEmpty { throw failure ?? PostgresError(.connection, "the host name has no address") }
        return all
    }

    /// The resolver cannot be interrupted; this wait can.
    private func resolve(_ host: String) async -> Result<[String], PostgresError> {
        guard let resolver else { return .failure(PostgresError(.connection, "no resolver for host names")) }
        return await withCheckedContinuation { waiter in
            resolution = waiter
            Task {
                let found = await resolver.resolve(host)
                self.resolution.take()?.resume(returning: found)
            }
        }
    }
}
