import Testing

@testable import Audit

@Suite("Signed notes and checkpoints as C2SP has them")
struct NoteTests {
    /// The example in the documentation of the program that this form comes from.
    private static let publicKey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    private static let secretKey =
        "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
    private static let text =
        "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    private static let signature =
        "\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJ"
        + "nAM=\n"

    private static func signer(_ name: String, _ byte: UInt8) throws -> NoteSigner {
        try NoteSigner(name: name, seed: [UInt8](repeating: byte, count: 32))
    }

    @Test("the known example's keys are read, its note verifies, and a note signed here verifies with its key")
    func known() throws {
        let verifier = try NoteVerifier(Self.publicKey)
        #expect(verifier.text == Self.publicKey)
        let note = try SignedNote(Self.text + "\n" + Self.signature)
        #expect(note.text == Self.text)
        #expect(try note.verified(by: [verifier]) == [verifier])
        #expect(note.published == Self.text + "\n" + Self.signature)
        let signer = try NoteSigner(Self.secretKey)
        #expect(signer.verifier == verifier && signer.secretText == Self.secretKey)
        let own = try SignedNote(SignedNote(signing: "hello\n", by: [signer]).published)
        #expect(try own.verified(by: [verifier]) == [verifier])
    }

    @Test("a changed text, a changed signature, an unknown signer: each is told apart")
    func forged() throws {
        let verifier = try NoteVerifier(Self.publicKey)
        let changed = try SignedNote(Self.text.uppercased() + "\n" + Self.signature)
        #expect(throws: NoteError.self) { try changed.verified(by: [verifier]) }
        let other = try SignedNote(signing: "hello\n", by: [try Self.signer("PeterNeumann", 1)])
        let unknown = #expect(throws: NoteError.self) { try other.verified(by: [verifier]) }
        #expect(unknown?.description.contains("no key that is known") == true)
        for bad in ["", "\n\n", Self.text, Self.text + "\n" + "no signature\n", Self.text + "\n\u{2014} A !!\n"] {
            #expect(throws: NoteError.self) { try SignedNote(bad) }
        }
        for bad in ["", "a+b", Self.publicKey.replacing("c74f", with: "c74e"), "a+00000000+AAAA"] {
            #expect(throws: NoteError.self) { try NoteVerifier(bad) }
        }
        #expect(throws: NoteError.self) { try NoteSigner(Self.publicKey) }
        #expect(throws: NoteError.self) { try Self.signer("with space", 1) }
    }

    @Test("while a key is replaced both sign, and a reader who knows either is content")
    func rotation() throws {
        let (old, new) = (try Self.signer("gw/2026", 1), try Self.signer("gw/2027", 2))
        let checkpoint = Checkpoint(origin: "gw/escalations/7", size: 3, root: .empty)
        let note = try SignedNote(SignedNote(signing: checkpoint.text, by: [old, new]).published)
        for known in [old, new] { #expect(try note.verified(by: [known.verifier]) == [known.verifier]) }
        #expect(try note.verified(by: [old.verifier, new.verifier]).count == 2)
    }

    @Test("checkpoints that no known key has signed are told apart by what they say of themselves")
    func named() throws {
        let (old, new) = (try Self.signer("gw/2026", 1), try Self.signer("gw/2027", 2))
        var shelf = CheckpointShelf(keys: [new.verifier])
        func note(_ size: Int64) throws -> String {
            let checkpoint = Checkpoint(origin: "gw/escalations/7", size: size, root: .empty)
            return try SignedNote(signing: checkpoint.text, by: [old]).published
        }
        for size in [3, 12] as [Int64] { shelf.add(try note(size), expected: AuditLog(.escalations, tenant: 7)) }
        shelf.add(try note(12))
        shelf.add("nothing")
        let rest = "is signed by no key that is known"
        #expect(
            shelf.findings.map(\.message) == [
                "a checkpoint at 3 \(rest)", "a checkpoint at 12 \(rest)",
                "a checkpoint of escalations/7 at 12 \(rest)", "a checkpoint is not a signed note",
            ])
    }

    @Test("a checkpoint's text is read back, and a file of several notes falls apart into them")
    func checkpoints() throws {
        let log = AuditLog(.escalations, tenant: 7)
        let checkpoint = Checkpoint(origin: Checkpoint.origin("gw", log), size: 3, root: .empty)
        #expect(checkpoint.text == "gw/escalations/7\n3\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n")
        #expect(try Checkpoint(checkpoint.text) == checkpoint && checkpoint.log == log)
        for bad in ["gw\n03\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n", "gw\n3\nAAAA\n", "gw\n3\n"] {
            #expect(throws: NoteError.self) { try Checkpoint(bad) }
        }
        let note = try SignedNote(signing: checkpoint.text, by: [try Self.signer("a", 1), try Self.signer("b", 2)])
        #expect(Checkpoint.notes(note.published + note.published + "\n" + note.published).count == 3)
        #expect(Checkpoint.notes(note.published).first == note.published && Checkpoint.notes("\n").isEmpty)
    }
}
