import Foundation
import GatewayTesting
import Glibc
import Testing

@testable import Inference

@Suite("Directories of engine hosts' sockets")
struct EngineDirectoryTests {
    private let files = FileManager.default

    /// A directory in the place of /tmp.
    private func parent() throws -> String {
        let path = TestFiles.path("hosts")
        try files.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }

    private func entries(_ path: String) throws -> Set<String> { Set(try files.contentsOfDirectory(atPath: path)) }

    private func name(_ directory: EngineDirectory) -> String { URL(filePath: directory.path).lastPathComponent }

    @Test("that of a killed gateway goes with all that is in it at the next start, that of one that lives stays")
    func abandoned() throws {
        let parent = try parent()
        let killed = try #require(EngineDirectory.make(in: parent))
        for name in ["0.sock", "0.sock.log", "0.adapters/1-a.gguf"] {
            let path = "\(killed.path)/\(name)"
            try files.createDirectory(
                atPath: URL(filePath: path).deletingLastPathComponent().path, withIntermediateDirectories: true)
            try Data("x".utf8).write(to: URL(filePath: path))
        }
        let living = try #require(EngineDirectory.make(in: parent))
        #expect(try entries(parent) == [name(killed), name(living)])
        #expect(try entries(killed.path).count == 4)
        // As the kernel does at a process's end.
        close(killed.lock)
        let next = try #require(EngineDirectory.make(in: parent))
        #expect(try entries(parent) == [name(living), name(next)])
        #expect(try entries(living.path) == [EngineDirectory.lockName])
        living.remove()
        next.remove()
        #expect(try entries(parent).isEmpty)
    }

    @Test("what is not known to be a dead gateway's is left alone: without a lock's file, another name, a link, a file")
    func others() throws {
        let parent = try parent()
        let prefix = "\(parent)/\(EngineDirectory.prefix)"
        func directory(_ path: String, lock name: String?, mode: Int = 0o700) throws {
            try files.createDirectory(
                atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: mode])
            try files.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
            if let name { try Data().write(to: URL(filePath: "\(path)/\(name)")) }
        }
        try directory("\(prefix)earlier", lock: nil)
        // As it is between its making and its lock.
        try directory("\(prefix)begun", lock: EngineDirectory.lockName + ".new")
        try directory("\(prefix)open", lock: EngineDirectory.lockName, mode: 0o770)
        try directory("\(parent)/another", lock: EngineDirectory.lockName)
        try files.createSymbolicLink(atPath: "\(prefix)link", withDestinationPath: "\(parent)/another")
        try Data().write(to: URL(filePath: "\(prefix)file"))
        let before = try entries(parent)
        EngineDirectory.removeAbandoned(in: parent)
        #expect(try entries(parent) == before)
        #expect(try entries("\(parent)/another") == [EngineDirectory.lockName])
        // The same directory that nobody else can write into is one.
        try files.setAttributes([.posixPermissions: 0o700], ofItemAtPath: "\(prefix)open")
        EngineDirectory.removeAbandoned(in: parent)
        #expect(try entries(parent) == before.subtracting([EngineDirectory.prefix + "open"]))
    }

    @Test("another user's is left alone", .enabled(if: geteuid() == 0))
    func another() throws {
        let parent = try parent()
        let killed = try #require(EngineDirectory.make(in: parent))
        close(killed.lock)
        #expect(chown(killed.path, 1, 1) == 0)
        EngineDirectory.removeAbandoned(in: parent)
        #expect(try entries(parent) == [name(killed)])
        #expect(chown(killed.path, 0, 0) == 0)
        EngineDirectory.removeAbandoned(in: parent)
        #expect(try entries(parent).isEmpty)
    }

    @Test("gateways that start at once, each over the remains of others, keep what they made")
    func together() async throws {
        let parent = try parent()
        for _ in 0..<20 { close(try #require(EngineDirectory.make(in: parent)).lock) }
        let kept = await withTaskGroup(of: EngineDirectory?.self) { group in
            for _ in 0..<64 { group.addTask { EngineDirectory.make(in: parent) } }
            var made: [EngineDirectory] = []
            for await directory in group { if let directory { made.append(directory) } }
            return made
        }
        #expect(kept.count == 64)
        #expect(try entries(parent) == Set(kept.map(name)))
        for directory in kept {
            #expect(try entries(directory.path) == [EngineDirectory.lockName])
            directory.remove()
        }
    }
}
