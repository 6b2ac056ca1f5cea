package import Logging

/// The keys that tokens are signed with, kept, and read again when it is time. Those that are known are kept where no
/// newer ones can be had: an identity provider that is slow or away for a while holds nobody up and locks nobody out.
///
/// However many wait for keys, their source is asked once: one task asks, and everybody waits for that one. It is
/// nobody's own, so that it goes on when who caused it has left.
package actor TokenKeys {
    /// Keys, and which reading they are of.
    struct Loaded: Sendable {
        var set: TokenKeySet
        var version: Int
    }

    private let source: TokenKeySource
    private let logger: Logger
    private let now: @Sendable () -> ContinuousClock.Instant
    private var schedule: TokenKeySchedule
    private var loaded: Loaded?
    /// The version of the file that was read last, and what was wrong with it.
    private var file: (version: TokenKeyFile, failure: TokenKeyFailure?)?
    private var reading: Task<Void, Never>?
    /// Said once, not at each try.
    private var lastFailure: String?

    package init(
        _ source: TokenKeySource, logger: Logger,
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        self.source = source
        self.logger = logger
        self.now = now
        schedule =
            switch source {
            case .file: .file
            case .address: .address
            }
    }

    /// The keys to look for a token's in.
    func current() async throws(GatewayRefusal) -> Loaded {
        switch schedule.way(at: now()) {
        case .use: break
        case .useAndRead: begin(for: .use)
        case .readFirst: await read(for: .use)
        }
        return try known()
    }

    /// The keys for a token whose key is not among those of `version`: newer ones, where somebody has them already or
    /// it is not too soon to ask, else the same.
    func current(after version: Int) async throws(GatewayRefusal) -> Loaded {
        if loaded?.version == version { await read(for: .unknownKey) }
        return try known()
    }

    private func known() throws(GatewayRefusal) -> Loaded {
        guard let loaded, schedule.isUsable(at: now()) else {
            throw .tokenKeysUnavailable(lastFailure ?? "they were not read yet")
        }
        return loaded
    }

    private func read(for occasion: TokenKeySchedule.Occasion) async {
        begin(for: occasion)
        await finishReading()
    }

    private func begin(for occasion: TokenKeySchedule.Occasion) {
        guard reading == nil, schedule.isDue(for: occasion, at: now()) else { return }
        schedule.begin(at: now())
        reading = Task { await self.read() }
    }

    /// Waits for the reading that goes on, if one does.
    func finishReading() async {
        if let reading { await reading.value }
    }

    private func read() async {
        do {
            if let set = try await newer() {
                loaded = Loaded(set: set, version: (loaded?.version ?? 0) + 1)
                logger.info("the keys of tokens were read", metadata: ["keys": "\(set.keys.count)"])
            }
            schedule.succeed(at: now())
            lastFailure = nil
        } catch {
            let failure = "\(error)"
            if failure != lastFailure {
                logger.warning(
                    "the keys of tokens could not be read",
                    metadata: ["reason": "\(failure)", "known": "\(loaded?.set.keys.count ?? 0)"])
            }
            lastFailure = failure
        }
        reading = nil
    }

    /// Nil: they are as they were.
    private func newer() async throws -> TokenKeySet? {
        switch source {
        case .file(let path): try newer(in: path)
        case .address(let fetch): try TokenKeySet(await fetch())
        }
    }

    /// A version that is no set of keys is read once: tokens with unknown keys come as often as somebody likes.
    private func newer(in path: String) throws(TokenKeyFailure) -> TokenKeySet? {
        // Before it is read: what is written in between is then read again.
        let version = TokenKeyFile(path)
        if let file, file.version == version {
            if let failure = file.failure { throw failure }
            return nil
        }
        let document = try TokenKeySource.document(ofFile: path)
        do throws(TokenKeyFailure) {
            let set = try TokenKeySet(document)
            file = version.map { (version: $0, failure: nil) }
            return set
        } catch {
            file = version.map { (version: $0, failure: error) }
            throw error
        }
    }
}
