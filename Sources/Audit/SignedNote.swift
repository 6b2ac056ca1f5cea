internal import Foundation

/// A text with signatures under it (C2SP signed-note): the form that public transparency tools read.
package struct SignedNote: Hashable, Sendable {
    /// Longest note that is read.
    package static let maxBytes = 65_536
    /// Most signatures of one.
    package static let maxSignatures = 16
    private static let dash = "\u{2014} "

    /// One line under the text.
    struct Signature: Hashable, Sendable {
        var name: String
        var keyHash: UInt32
        var bytes: [UInt8]
    }

    /// What is signed; ends with a line feed.
    package let text: String
    let signatures: [Signature]

    /// `text`, signed by each of `signers`: two, while a key is being replaced.
    package init(signing text: String, by signers: [NoteSigner]) throws(NoteError) {
        self.text = text
        var all: [Signature] = []
        for signer in signers {
            all.append(
                Signature(
                    name: signer.verifier.name, keyHash: signer.verifier.keyHash,
                    bytes: try signer.signature(of: Array(text.utf8))))
        }
        signatures = all
    }

    /// Reads a note; nothing is checked yet.
    package init(_ note: String) throws(NoteError) {
        let wrong = NoteError("is not a signed note")
        guard note.utf8.count <= Self.maxBytes, let end = note.range(of: "\n\n", options: .backwards),
            note.hasSuffix("\n")
        else { throw wrong }
        text = String(note[..<end.lowerBound]) + "\n"
        var all: [Signature] = []
        for line in note[end.upperBound...].split(separator: "\n") {
            guard line.hasPrefix(Self.dash), all.count < Self.maxSignatures else { throw wrong }
            let parts = line.dropFirst(Self.dash.count).split(separator: " ", omittingEmptySubsequences: false)
            guard parts.count == 2, let bytes = Data(base64Encoded: String(parts[1])), bytes.count > 4 else {
                throw wrong
            }
            let keyHash = bytes.prefix(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            all.append(Signature(name: String(parts[0]), keyHash: keyHash, bytes: Array(bytes.dropFirst(4))))
        }
        guard !all.isEmpty else { throw wrong }
        signatures = all
    }

    /// The note as it is published.
    package var published: String {
        let lines = signatures.map { signature in
            let hash = stride(from: 24, through: 0, by: -8).map { UInt8(truncatingIfNeeded: signature.keyHash >> $0) }
            return "\(Self.dash)\(signature.name) \(Data(hash + signature.bytes).base64EncodedString())\n"
        }
        return text + "\n" + lines.joined()
    }

    /// Those of `keys` that signed it. Throws when a signature of one of them does not hold, or none has signed: a
    /// signature by somebody unknown says nothing, a false one by somebody known says that the note is forged.
    package func verified(by keys: [NoteVerifier]) throws(NoteError) -> [NoteVerifier] {
        var good: [NoteVerifier] = []
        for signature in signatures {
            guard let key = keys.first(where: { $0.name == signature.name && $0.keyHash == signature.keyHash }) else {
                continue
            }
            guard key.isValid(signature.bytes, of: Array(text.utf8)) else {
                throw NoteError("is forged: the signature of \(key.name) does not hold")
            }
            good.append(key)
        }
        guard !good.isEmpty else { throw NoteError("is signed by no key that is known") }
        return good
    }
}

/// What a log was at one moment (C2SP tlog-checkpoint): its name, how many records, their root.
package struct Checkpoint: Hashable, Sendable {
    /// "name/escalations/7": the deployment's name, then the log's.
    package var origin: String
    package var size: Int64
    package var root: AuditHash

    package init(origin: String, size: Int64, root: AuditHash) {
        self.origin = origin
        self.size = size
        self.root = root
    }

    /// Reads the text of a note.
    package init(_ text: String) throws(NoteError) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count >= 4, !lines[0].isEmpty, let size = Int64(lines[1]), size >= 0, String(size) == lines[1],
            let root = Data(base64Encoded: String(lines[2])).flatMap({ AuditHash(Array($0)) })
        else { throw NoteError("is not a checkpoint") }
        self.init(origin: String(lines[0]), size: size, root: root)
    }

    /// What is signed.
    package var text: String { "\(origin)\n\(size)\n\(Data(root.bytes).base64EncodedString())\n" }

    /// The log that it is of; nil when its origin does not end in one's name.
    package var log: AuditLog? {
        let parts = origin.split(separator: "/")
        return parts.count > 2 ? AuditLog(parts.suffix(2).joined(separator: "/")) : nil
    }

    /// A log's origin in a deployment.
    package static func origin(_ deployment: String, _ log: AuditLog) -> String { "\(deployment)/\(log)" }

    /// The notes of a file that one was appended to after another.
    package static func notes(_ file: String) -> [String] {
        var notes: [String] = []
        var lines: [Substring] = []
        var isSigned = false
        for line in file.split(separator: "\n", omittingEmptySubsequences: false) {
            let isSignature = line.hasPrefix("\u{2014} ")
            if isSigned, !isSignature {
                notes.append(lines.joined(separator: "\n") + "\n")
                lines = []
                isSigned = false
                if line.isEmpty { continue }
            }
            lines.append(line)
            isSigned = isSignature
        }
        let rest = lines.joined(separator: "\n")
        if !rest.allSatisfy(\.isWhitespace) { notes.append(rest + "\n") }
        return notes
    }
}
