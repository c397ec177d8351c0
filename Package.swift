// swift-tools-version: 6.2
import PackageDescription

/// One set of rules for every target: Swift 6 language mode, warnings are errors, imports are internal unless said otherwise.
let strict: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

/// The two targets that call C: every unsafe call is spelt `unsafe`, so a reviewer sees them all.
let wrapper: [SwiftSetting] = strict + [.strictMemorySafety()]

let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let metrics: Target.Dependency = .product(name: "Metrics", package: "swift-metrics")
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let cryptoExtras: Target.Dependency = .product(name: "CryptoExtras", package: "swift-crypto")
let certificates: Target.Dependency = .product(name: "X509", package: "swift-certificates")
let asn1: Target.Dependency = .product(name: "SwiftASN1", package: "swift-asn1")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")
let hummingbird: Target.Dependency = .product(name: "Hummingbird", package: "hummingbird")
let hummingbirdCore: Target.Dependency = .product(name: "HummingbirdCore", package: "hummingbird")
let hummingbirdHTTP2: Target.Dependency = .product(name: "HummingbirdHTTP2", package: "hummingbird")
let nioSSL: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")

let package = Package(
    name: "shiplift",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "shiplift", targets: ["shiplift"])
    ],
    dependencies: [
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.7.1"),
        .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
    ],
    targets: [
        // C libraries: module maps only.
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"]), .brew(["curl"])]),
        .systemLibrary(name: "CLibCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"]), .brew(["openssl"])]),
        .systemLibrary(name: "CZlib"),
        .systemLibrary(name: "CPostgres", pkgConfig: "libpq", providers: [.apt(["libpq-dev"]), .brew(["libpq"])]),

        // Values.
        .target(name: "OCI", dependencies: [crypto], swiftSettings: strict),

        // Registries and the copy engine.
        .target(name: "HTTPTransport", dependencies: ["CCurl", "CLibCrypto", logging], swiftSettings: wrapper),
        .target(name: "Registry", dependencies: ["HTTPTransport", "OCI", logging, metrics], swiftSettings: strict),
        .target(name: "Transfer", dependencies: ["Registry", "HTTPTransport", "OCI", logging], swiftSettings: strict),

        // Pure decisions.
        .target(name: "PolicyEngine", dependencies: ["OCI", yams], swiftSettings: strict),
        .target(name: "PolicyImport", dependencies: ["PolicyEngine", "OCI", yams], swiftSettings: strict),
        .target(name: "AuditLog", dependencies: ["OCI", crypto], swiftSettings: strict),
        .target(name: "Trust", dependencies: ["OCI", crypto, cryptoExtras, certificates, asn1], swiftSettings: strict),
        // What two versions of an image differ in.
        .target(name: "Comparison", dependencies: ["PolicyEngine", "OCI"], swiftSettings: strict),
        .target(name: "PromotionCore", dependencies: ["PolicyEngine", "Trust", "AuditLog", "Comparison", "OCI", crypto], swiftSettings: strict),

        // Policies from git.
        .target(
            name: "GitPolicies",
            dependencies: [
                "PromotionCore", "PolicyEngine", .product(name: "Subprocess", package: "swift-subprocess"), .product(name: "SystemPackage", package: "swift-system"),
            ], swiftSettings: strict),

        // PostgreSQL.
        .target(name: "Postgres", dependencies: ["CPostgres", logging, lifecycle], swiftSettings: wrapper),
        .target(
            name: "Storage", dependencies: ["PromotionCore", "PolicyEngine", "AuditLog", "Postgres", "OCI", logging, crypto],
            swiftSettings: strict),

        // The service.
        .target(name: "Gzip", dependencies: ["CZlib"], swiftSettings: wrapper),
        .target(name: "APIModel", swiftSettings: strict),
        .target(name: "Exposition", dependencies: [.product(name: "CoreMetrics", package: "swift-metrics")], swiftSettings: strict),
        .target(
            name: "API",
            dependencies: [
                "APIModel", "Gzip", "PromotionCore", "PolicyEngine", "AuditLog", "Comparison", "OCI", hummingbird, logging, crypto, yams,
                .product(name: "HTTPTypes", package: "swift-http-types"), .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"), .product(name: "HummingbirdCore", package: "hummingbird"),
            ], swiftSettings: strict),
        .target(
            name: "Worker", dependencies: ["PromotionCore", "PolicyEngine", "AuditLog", "OCI", logging, lifecycle],
            swiftSettings: strict),
        .executableTarget(
            name: "shiplift",
            dependencies: [
                "API", "APIModel", "AuditLog", "Comparison", "Exposition", "GitPolicies", "HTTPTransport", "OCI", "PolicyEngine", "PolicyImport", "Postgres", "PromotionCore",
                "Registry",
                "Storage", "Transfer", "Trust", "Worker", hummingbird, hummingbirdCore, hummingbirdHTTP2, nioSSL, certificates, asn1, logging, metrics, lifecycle, crypto, yams,
                .product(name: "CoreMetrics", package: "swift-metrics"), .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], swiftSettings: strict),

        // How long a decision takes: make bench-policy.
        .executableTarget(name: "policy-benchmark", dependencies: ["PolicyEngine", "OCI"], path: "Benchmarks/Policy", swiftSettings: strict),
        // The yardstick of make bench-api.
        .executableTarget(name: "bare-route", dependencies: [hummingbird], path: "Benchmarks/BareRoute", swiftSettings: strict),

        // Tests: one target a module without I/O; then those on real servers.
        .target(name: "TestSupport", dependencies: ["OCI", crypto, cryptoExtras], path: "Tests/TestSupport", swiftSettings: strict),
        .testTarget(name: "TestSupportTests", dependencies: ["TestSupport", "OCI"], swiftSettings: strict),
        .testTarget(name: "OCITests", dependencies: ["OCI"], swiftSettings: strict),
        .testTarget(name: "HTTPTransportTests", dependencies: ["HTTPTransport", "TestSupport", logging], swiftSettings: strict),
        .testTarget(name: "RegistryTests", dependencies: ["Registry", "HTTPTransport", "OCI", "TestSupport", logging], swiftSettings: strict),
        .testTarget(name: "TransferTests", dependencies: ["Transfer", "Registry", "HTTPTransport", "OCI", "TestSupport", logging], swiftSettings: strict),
        .testTarget(name: "PolicyEngineTests", dependencies: ["PolicyEngine", "OCI", yams], swiftSettings: strict),
        .testTarget(name: "PolicyImportTests", dependencies: ["PolicyImport", "PolicyEngine"], exclude: ["Fixtures"], swiftSettings: strict),
        .testTarget(name: "ComparisonTests", dependencies: ["Comparison", "PolicyEngine", "OCI"], swiftSettings: strict),
        .testTarget(name: "TrustTests", dependencies: ["Trust", "OCI", "TestSupport", crypto], resources: [.copy("Fixtures")], swiftSettings: strict),
        .testTarget(name: "AuditLogTests", dependencies: ["AuditLog", "TestSupport", crypto], exclude: ["entries-v1.txt", "verify_export.py"], swiftSettings: strict),
        .testTarget(
            name: "PromotionCoreTests", dependencies: ["PromotionCore", "PolicyEngine", "Trust", "AuditLog", "OCI", "TestSupport"], swiftSettings: strict),
        .testTarget(
            name: "GitPoliciesTests", dependencies: ["GitPolicies", "PromotionCore", "PolicyEngine", "AuditLog", "TestSupport"], swiftSettings: strict),
        .testTarget(name: "PostgresTests", dependencies: ["Postgres", "TestSupport", logging], swiftSettings: strict),
        .testTarget(
            name: "StorageTests", dependencies: ["Storage", logging, "PromotionCore", "PolicyEngine", "AuditLog", "Postgres", "OCI", "TestSupport"], swiftSettings: strict),
        .testTarget(
            name: "ExpositionTests", dependencies: ["Exposition", .product(name: "CoreMetrics", package: "swift-metrics")], swiftSettings: strict),
        .testTarget(
            name: "APITests",
            dependencies: [
                "API", "APIModel", "PromotionCore", "PolicyEngine", "AuditLog", "OCI", hummingbird, yams, .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "NIOCore", package: "swift-nio"), .product(name: "HummingbirdTesting", package: "hummingbird"),
            ], swiftSettings: strict),
        .testTarget(
            name: "EndToEndTests", dependencies: ["TestSupport", "APIModel", "OCI", crypto, yams], exclude: ["checkpoint_receivers.py"],
            swiftSettings: strict),
    ]
)
