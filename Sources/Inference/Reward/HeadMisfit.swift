package import GatewayCore

/// Why gateways would not serve a reward head on its base model.
package struct HeadMisfit: Error, Hashable, Sendable {
    /// What is wrong: the head's own file, or the model that it is to belong to.
    package enum Place: String, Hashable, Sendable { case file, base }
    package var place: Place
    package var message: String
}

extension RewardHeadFile {
    /// Reads a head's file as gateways do, and compares it with its base model as that was registered; nil: it fits.
    ///
    /// Nothing is loaded: the length of a hidden state is read off the base's header, and not compared where that
    /// cannot be read here.
    /// - Parameter below: the model that an adapter is laid over.
    package static func misfit(
        of path: String, as kind: RewardKind, on base: ModelRecord, below: ModelRecord?
    ) async -> HeadMisfit? {
        let head: RewardHeadFile
        do throws(RewardHeadFailure) { head = try RewardHeadFile(contentsOf: path) } catch {
            return HeadMisfit(place: .file, message: error.description)
        }
        if kind == .sharedHead, case .state(let state) = head, state.frame != nil {
            return HeadMisfit(
                place: .file,
                message: "reward head \(path): field \"frame\" needs a model that reads: the kind is head")
        }
        guard !RemoteEndpoint.isMeant(base.file) else {
            return HeadMisfit(
                place: .base, message: "\(base.name) is held by another server, which gives no hidden states")
        }
        let files: BaseFiles
        do throws(LocalModelError) { files = try BaseFiles(base, below: below) } catch {
            return HeadMisfit(place: .base, message: "\(base.name): an adapter needs its base model")
        }
        guard head.baseSHA256 == files.identity else {
            return HeadMisfit(
                place: .base,
                message: "reward head \(path) was made for another model: its field \"base_sha256\" is "
                    + "\(head.baseSHA256.prefix(12))…, and \(base.name) is \(files.identity.prefix(12))…")
        }
        guard let width = head.stateLength, let header = try? await GGUFFile.checked(files.model.path),
            header.embeddingLength != Int64(width)
        else { return nil }
        return HeadMisfit(
            place: .file,
            message: "reward head \(path): field \"n_embd\" is \(width), \(base.name) has \(header.embeddingLength)")
    }

    /// What the base model is known by: see `BaseFiles.identity`.
    private var baseSHA256: String {
        switch self {
        case .state(let head): head.baseSHA256
        case .answer(let head): head.baseSHA256
        }
    }

    /// Length of the hidden states that it reads; nil: it reads none.
    private var stateLength: Int? {
        switch self {
        case .state(let head): head.embeddingLength
        case .answer(let head): head.readsState ? head.embeddingLength : nil
        }
    }
}
