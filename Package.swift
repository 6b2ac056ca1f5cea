// swift-tools-version: 6.2
import PackageDescription

/// Language settings of every target. Warnings are errors; the upcoming features are the ones the house style names.
let common: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableUpcomingFeature("InferIsolatedConformances"),
    .enableUpcomingFeature("ImmutableWeakCaptures"),
]
/// Everything that is not a C wrapper also promises memory safety.
let strict = common + [.strictMemorySafety()]

let log: Target.Dependency = .product(name: "Logging", package: "swift-log")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let hummingbird: Target.Dependency = .product(name: "Hummingbird", package: "hummingbird")
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let subprocess: Target.Dependency = .product(name: "Subprocess", package: "swift-subprocess")
let nio: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")

let package = Package(
    name: "gboost-gateway",
    products: [.executable(name: "gboost", targets: ["gboost"])],
    dependencies: [
        .package(url: "https://github.com/hummingbird-project/hummingbird", exact: "2.28.1", traits: []),
        .package(url: "https://github.com/hummingbird-project/swift-mustache", exact: "2.1.1"),
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras", exact: "1.35.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", exact: "2.37.6"),
        .package(url: "https://github.com/apple/swift-http-types", exact: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-configuration", exact: "1.4.0", traits: []),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
        .package(url: "https://github.com/apple/swift-async-algorithms", exact: "1.1.4"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", exact: "2.13.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", exact: "1.0.2", traits: []),
    ],
    targets: [
        .systemLibrary(name: "CLinux"),
        .systemLibrary(name: "CLibPQ", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .systemLibrary(name: "CLibCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(name: "CLlama", pkgConfig: "llama"),

        .target(name: "ThreadExecutor", dependencies: ["CLinux"], swiftSettings: common),
        .target(name: "Postgres", dependencies: ["CLibPQ", "ThreadExecutor", log], swiftSettings: common),
        .target(name: "Curl", dependencies: ["CLibCurl", "CLinux"], swiftSettings: common),
        .target(name: "WireFormat", swiftSettings: strict),
        .target(name: "GatewayCore", swiftSettings: strict),
        .target(name: "Router", dependencies: ["GatewayCore"], exclude: ["README.md"], swiftSettings: strict),
        .target(name: "Audit", dependencies: [crypto], exclude: ["README.md"], swiftSettings: strict),
        .target(
            name: "Outbox", dependencies: ["GatewayCore", crypto], exclude: ["README.md"], swiftSettings: strict),
        .target(
            name: "Inference",
            dependencies: ["CLinux", "CLlama", "ThreadExecutor", "GatewayCore", subprocess, crypto, log],
            swiftSettings: common),
        .target(
            name: "Providers", dependencies: ["Curl", "WireFormat", "GatewayCore", crypto, log], swiftSettings: strict),
        .target(
            name: "Ledger", dependencies: ["Postgres", "GatewayCore", "Audit", "Outbox", crypto, log],
            // Lets tests kill a gateway at a chosen moment; a release build has none of it.
            swiftSettings: strict + [.define("GBOOST_FAILPOINTS", .when(configuration: .debug))]),
        .target(name: "EmbeddedPostgres", dependencies: [subprocess, log], swiftSettings: strict),
        .target(
            name: "GatewayServer",
            dependencies: [
                "GatewayCore", "WireFormat", "Router", "Ledger", "Outbox", "Providers", "Inference", hummingbird,
                lifecycle, log, nio, crypto, .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "HummingbirdHTTP2", package: "hummingbird"),
                .product(name: "CryptoExtras", package: "swift-crypto"),
                .product(name: "Mustache", package: "swift-mustache"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "NIOTLS", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
                .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras"),
            ],
            swiftSettings: strict),
        .target(
            name: "GatewayTesting", dependencies: ["GatewayCore", "EmbeddedPostgres", log], swiftSettings: strict),
        .target(
            name: "SimulatedProvider",
            dependencies: [
                "GatewayCore", "WireFormat", "GatewayTesting", hummingbird, lifecycle, log, nio,
                .product(name: "HTTPTypes", package: "swift-http-types"),
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "gboost",
            dependencies: [
                "GatewayServer", "SimulatedProvider", "GatewayTesting", "EmbeddedPostgres", "GatewayCore", "Router",
                "Ledger", "Audit", "Outbox", "Postgres", "Providers", "Curl", "Inference", "WireFormat", lifecycle,
                log, crypto,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
                .product(name: "Configuration", package: "swift-configuration"),
                .product(name: "Yams", package: "Yams"),
            ],
            swiftSettings: strict),

        .executableTarget(
            name: "LedgerBench",
            dependencies: [
                "Ledger", "Audit", "Postgres", "GatewayCore", log,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict),

        .executableTarget(
            name: "InferenceBench",
            dependencies: [
                "Inference", "GatewayCore", log, .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: common),

        .testTarget(name: "ThreadExecutorTests", dependencies: ["ThreadExecutor"], swiftSettings: common),
        .testTarget(
            name: "EmbeddedPostgresTests", dependencies: ["EmbeddedPostgres", "GatewayTesting"], swiftSettings: common),
        .testTarget(
            name: "PostgresTests",
            dependencies: ["Postgres", "EmbeddedPostgres", "GatewayTesting", log, "ThreadExecutor"],
            swiftSettings: common),
        .testTarget(name: "CurlTests", dependencies: ["CLinux", "Curl", "GatewayTesting"], swiftSettings: common),
        .testTarget(name: "WireFormatTests", dependencies: ["WireFormat"], swiftSettings: common),
        .testTarget(
            name: "GatewayCoreTests", dependencies: ["GatewayCore", "GatewayTesting"], swiftSettings: common),
        .testTarget(name: "AuditTests", dependencies: ["Audit", crypto], swiftSettings: common),
        .testTarget(name: "OutboxTests", dependencies: ["Outbox", "GatewayCore", crypto], swiftSettings: common),
        .testTarget(name: "RouterTests", dependencies: ["Router", "GatewayCore"], swiftSettings: common),
        .testTarget(
            name: "InferenceTests",
            dependencies: [
                "Inference", "CLlama", "WireFormat", "GatewayCore", "GatewayTesting", "gboost", log, crypto,
            ],
            exclude: ["Scripts"], swiftSettings: common),
        .testTarget(
            name: "ProvidersTests",
            dependencies: ["Providers", "Curl", "WireFormat", "GatewayCore", "GatewayTesting", crypto],
            swiftSettings: common),
        .testTarget(
            name: "LedgerTests",
            dependencies: [
                "Ledger", "Audit", "Outbox", "Postgres", "GatewayCore", "EmbeddedPostgres", "GatewayTesting",
            ],
            swiftSettings: common),
        .testTarget(
            name: "SimulatedProviderTests",
            dependencies: [
                "SimulatedProvider", "GatewayTesting", "GatewayCore", "WireFormat", "Curl", lifecycle, log,
                .product(name: "HTTPTypes", package: "swift-http-types"),
            ],
            swiftSettings: common),
        .testTarget(
            name: "GatewayServerTests",
            dependencies: [
                "GatewayServer", "GatewayCore", "Outbox", "WireFormat", "Router", "GatewayTesting", "Ledger",
                "Postgres", "EmbeddedPostgres", crypto, log, nio, hummingbird,
                .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "CryptoExtras", package: "swift-crypto"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
            ],
            swiftSettings: common),
        .testTarget(
            name: "EndToEndTests",
            dependencies: [
                "gboost", "GatewayTesting", "EmbeddedPostgres", "Postgres", "Curl", "SimulatedProvider", "GatewayCore",
                "Inference", log, subprocess,
            ],
            exclude: ["Scripts"], swiftSettings: common),
        .testTarget(
            name: "GBoostTests",
            dependencies: [
                "gboost", "Audit", "Curl", "GatewayCore", "GatewayServer", "GatewayTesting", "Inference", "Ledger",
                "Outbox", "Postgres", "Providers", "SimulatedProvider", "EmbeddedPostgres", log, crypto,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: common),
        .testTarget(name: "TidyTests", swiftSettings: common),
    ])
