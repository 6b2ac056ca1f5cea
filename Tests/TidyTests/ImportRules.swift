/// Which target may import what. This table is the architecture: what is absent from a line is a promise.
enum ImportRules {
    /// Modules of the package and its dependencies, by importing target.
    static let allowed: [String: Set<String>] = [
        "ThreadExecutor": ["CLinux"],
        "Postgres": ["CLibPQ", "ThreadExecutor", "Logging"],
        "Curl": ["CLibCurl", "CLinux", "ThreadExecutor"],
        "WireFormat": [],
        "GatewayCore": [],
        "Router": ["GatewayCore"],
        "Audit": ["Crypto"],
        "Outbox": ["GatewayCore", "Crypto"],
        "Inference": ["CLlama", "CLinux", "ThreadExecutor", "GatewayCore", "Subprocess", "Crypto", "Logging"],
        "Providers": ["Curl", "WireFormat", "GatewayCore", "Crypto", "Logging"],
        "Ledger": ["Postgres", "GatewayCore", "Audit", "Outbox", "Crypto", "Logging"],
        "EmbeddedPostgres": ["Subprocess", "Logging"],
        "GatewayServer": [
            "GatewayCore", "WireFormat", "Router", "Ledger", "Outbox", "Providers", "Inference", "Hummingbird",
            "HummingbirdCore", "HummingbirdHTTP2", "ServiceLifecycle", "UnixSignals", "Logging", "NIOCore", "NIOSSL",
            "NIOTLS", "NIOHTTP1", "NIOHTTPTypes", "NIOHTTPTypesHTTP1", "HTTPTypes", "Crypto", "CryptoExtras",
            "Mustache",
        ],
        "InferenceBench": ["Inference", "GatewayCore", "Logging", "ArgumentParser"],
        "LedgerBench": ["Ledger", "Audit", "Postgres", "GatewayCore", "Logging", "ArgumentParser"],
        "GatewayTesting": ["GatewayCore", "EmbeddedPostgres", "Logging"],
        "SimulatedProvider": [
            "GatewayCore", "WireFormat", "GatewayTesting", "Hummingbird", "ServiceLifecycle", "Logging", "NIOCore",
            "HTTPTypes",
        ],
        "gboost": [
            "GatewayServer", "SimulatedProvider", "GatewayTesting", "EmbeddedPostgres", "GatewayCore", "Router",
            "Ledger", "Audit", "Outbox", "Postgres", "Providers", "Curl", "Inference", "WireFormat",
            "ServiceLifecycle", "Logging", "UnixSignals", "ArgumentParser", "Configuration", "Crypto", "Yams",
        ],
    ]

    /// What every target may import, since it comes with the toolchain.
    static let standard: Set<String> = ["Foundation", "FoundationEssentials", "Synchronization", "Glibc", "Dispatch"]
    /// Targets that do no I/O: of the toolchain they get calendars and numbers.
    static let pure: Set<String> = ["GatewayCore", "Router", "WireFormat", "Audit", "Outbox"]
    static let pureStandard: Set<String> = ["Foundation", "FoundationEssentials"]

    private static let levels: Set<String> = ["public", "package", "internal", "fileprivate", "private"]
    private static let kinds: Set<String> = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]

    static func check(_ file: SourceFile) -> [Violation] {
        guard file.isSwift, file.isSource, let target = file.target else { return [] }
        var found: [Violation] = []
        let code = file.stripped.code.split(separator: "\n", omittingEmptySubsequences: false)
        for (index, line) in code.enumerated() {
            let words = line.split(whereSeparator: \.isWhitespace).map(String.init)
            guard let keyword = words.firstIndex(of: "import"), words[..<keyword].allSatisfy(isPrefix) else { continue }
            var rest = words[(keyword + 1)...]
            if let first = rest.first, kinds.contains(first) { rest = rest.dropFirst() }
            guard let module = rest.first?.split(separator: ".").first.map(String.init) else { continue }
            if !words[..<keyword].contains(where: levels.contains) {
                found.append(Violation(path: file.path, line: index + 1, message: "import without an access level"))
            }
            let free = pure.contains(target) ? pureStandard : standard
            if !free.contains(module), !(allowed[target] ?? []).contains(module) {
                let message = "\(target) may not import \(module)"
                found.append(Violation(path: file.path, line: index + 1, message: message))
            }
        }
        return found
    }

    private static func isPrefix(_ word: String) -> Bool {
        word.hasPrefix("@") || levels.contains(word)
    }
}
