internal import FoundationEssentials

extension ClusterLocation {
    /// The version that made the data, or nil where there is no data yet.
    var major: Int? {
        (try? String(contentsOfFile: data + "/PG_VERSION", encoding: .utf8)).flatMap {
            Int($0.prefix(while: \.isNumber))
        }
    }

    var socket: String { "\(sockets)/.s.PGSQL.\(EmbeddedCluster.port)" }

    /// The URL of the cluster's own database.
    var url: String {
        "postgresql://\(EmbeddedCluster.name)@/\(EmbeddedCluster.name)?host=\(sockets)&port=\(EmbeddedCluster.port)"
    }

    /// The last complaint in the server's log, for an error of one sentence.
    var lastLogLine: String {
        let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
        let lines = text.split(separator: "\n")
        let line = lines.last { $0.contains("FATAL") || $0.contains("PANIC") } ?? lines.last
        return line.map(String.init) ?? "it wrote no log"
    }
}
