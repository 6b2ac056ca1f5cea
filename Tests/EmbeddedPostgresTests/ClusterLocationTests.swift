import Foundation
import Testing

@testable import EmbeddedPostgres

struct ClusterLocationTests {
    @Test("a short path keeps the socket beside the data; a long or odd one moves it")
    func sockets() {
        func sockets(_ root: String) -> String {
            ClusterLocation(root: root, named: root, account: ServerAccount(uid: 7, gid: 7)).sockets
        }
        #expect(sockets("/home/a/.gboost/postgres") == "/home/a/.gboost/postgres/run")
        let long = "/home/" + String(repeating: "x", count: 90)
        #expect(sockets(long) == "/tmp/gboost-7-\(ClusterLocation.hash(long))")
        #expect(sockets("/home/a b").hasPrefix("/tmp/gboost-7-"))
        #expect(sockets("/home/a'b,c").hasPrefix("/tmp/gboost-7-"))
    }

    @Test(
        "absolute paths have no dots and no trailing slash in them",
        arguments: [("/a/./b/../c/", "/a/c"), ("/", "/"), ("//a", "/a"), ("/../a", "/a")])
    func absolute(from: String, to: String) {
        #expect(ClusterLocation.absolute(from) == to)
    }

    @Test("the path's hash is FNV-1a, always 16 digits")
    func hash() {
        // The function's published test vectors.
        #expect(ClusterLocation.hash("") == "cbf29ce484222325")
        #expect(ClusterLocation.hash("a") == "af63dc4c8601ec8c")
        #expect(ClusterLocation.hash("foobar") == "85944171f73967e8")
    }

    @Test("the version is read from what the server prints")
    func version() {
        #expect(ServerBinaries.parseMajor("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n") == 15)
        #expect(ServerBinaries.parseMajor("postgres (PostgreSQL) 18beta2") == 18)
        #expect(ServerBinaries.parseMajor("psql 15") == nil)
        #expect(ServerBinaries.parseMajor("postgres (PostgreSQL)") == nil)
    }

    @Test("an account is found by its whole name")
    func passwd() {
        let text = "root:x:0:0::/:/bin/sh\npostgres2:x:5:5::/:/bin/sh\npostgres:x:104:111:,,,:/var:/bin/sh\nbroken\n"
        #expect(ServerAccount.named("postgres", inPasswd: text) == ServerAccount(uid: 104, gid: 111))
        #expect(ServerAccount.named("postgre", inPasswd: text) == nil)
        #expect(ServerAccount.named("broken", inPasswd: text) == nil)
    }

    @Test(
        "root's cluster goes with the link to it: a path whose link was removed gets another one",
        .enabled(if: geteuid() == 0))
    func partedCluster() throws {
        let named = FileManager.default.temporaryDirectory.appending(path: "gboost-parted-\(UUID())").path()
        let first = try ClusterLocation.prepare(named)
        // A start that failed before there was data is taken up again.
        #expect(unlink(named) == 0)
        #expect(try ClusterLocation.prepare(named).root == first.root)
        try FileManager.default.createDirectory(atPath: first.data, withIntermediateDirectories: false)
        #expect(try ClusterLocation.prepare(named).root == first.root)

        #expect(unlink(named) == 0)
        let second = try ClusterLocation.prepare(named)
        #expect(second.root != first.root)
        #expect(FileManager.default.fileExists(atPath: first.data))
        second.remove()
        first.remove()
    }

    @Test("the settings keep commits safe unless a test asks otherwise")
    func settings() {
        let location = ClusterLocation(root: "/r", named: "/r", account: .current)
        let durable = EmbeddedCluster(directory: "/r").settings(location)
        for line in ["fsync = on", "full_page_writes = on", "synchronous_commit = on", "listen_addresses = ''"] {
            #expect(durable.contains(line + "\n"))
        }
        #expect(EmbeddedCluster(directory: "/r", options: .forTests).settings(location).contains("fsync = off\n"))
    }
}
