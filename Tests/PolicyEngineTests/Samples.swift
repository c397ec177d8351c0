import Foundation
import OCI
import Testing

@testable import PolicyEngine

/// Policy files and facts to change for a test.
enum Samples {
    static let environments = """
        version: 1
        kind: Environments
        environments:
          - name: dev
            registries: [{ url: "https://dev.example.test" }]
          - name: staging
            registries: [{ url: "https://staging.example.test" }]
          - name: production
            registries: [{ url: "https://prod.example.test", repository: "prod/{image}" }]
            tags: { immutable: ["v*"] }
        groups:
          managers: [{ subject: "user:*" }, { issuer: "https://idp.example.test", claims: { groups: release-managers } }]
          ci: { issuer: "https://ci.example.test", claims: { repository: shop/*, ref: refs/heads/main } }
          commanders: { subject: "user:carol" }
        trust:
          build: { keyFile: build.pub }
          second: { keyFile: second.pub }
          scanner: { keyless: { issuer: "https://ci.example.test", subject: "https://ci.example.test/scan@*" } }
        """

    static let now = Date(timeIntervalSince1970: 1_795_528_496)
    static let digest = Digest(hashing: Data("the artifact".utf8))
    static let otherDigest = Digest(hashing: Data("another artifact".utf8))

    /// A policy from staging to production with some lines more.
    static func policy(_ name: String = "release", images: String = "[\"shop/**\"]", _ lines: String = "") -> String {
        """
        version: 1
        kind: Policy
        name: \(name)
        match: { images: \(images), from: staging, to: production }
        \(lines)
        """
    }

    static func set(_ policies: String..., environments: String = environments) throws(PolicyLoadError) -> PolicySet {
        let files = policies.enumerated().map { PolicyFile(path: "p\($0.offset).yaml", text: $0.element) }
        return try PolicySet(files: [PolicyFile(path: "environments.yaml", text: environments)] + files, commit: nil)
    }

    /// What is wrong with a policy file beside good environments.
    static func mistakes(_ text: String) -> [PolicyDiagnostic] { mistakes([("environments.yaml", environments), ("p.yaml", text)]) }

    static func mistakes(environments text: String) -> [PolicyDiagnostic] { mistakes([("environments.yaml", text)]) }

    static func mistakes(_ files: [(path: String, text: String)]) -> [PolicyDiagnostic] {
        do throws(PolicyLoadError) {
            _ = try PolicySet(files: files.map { PolicyFile(path: $0.path, text: $0.text) }, commit: nil)
            return []
        } catch { return error.diagnostics }
    }

    static func facts(
        image: String = "shop/api", from: String = "staging", to: String = "production", tag: String? = "1.4.2", requested: [String] = [],
        platforms: [String] = ["linux/amd64"], labels: [String: String] = [:], annotations: [String: String] = [:], isPresent: Bool = true,
        targetTags: [String: Digest] = [:]
    ) throws -> PromotionFacts {
        PromotionFacts(
            image: try ImageName(parsing: image), from: try #require(EnvironmentName(parsing: from)), to: try #require(EnvironmentName(parsing: to)),
            digest: digest, tag: try tag.map { try Tag(parsing: $0) }, requestedTargetTags: try requested.map { try Tag(parsing: $0) },
            requester: "token:ci", mediaType: .ociIndex, artifactType: nil,
            platforms: try platforms.map { PlatformFacts(platform: try #require(Platform(parsing: $0)), labels: labels, user: nil) },
            annotations: annotations, sizeBytes: 1, created: nil, presentInSource: isPresent,
            targetTags: try targetTags.map { CurrentTag(tag: try Tag(parsing: $0.key), digest: $0.value) })
    }
}

/// A gate, what is given, and what it must say.
struct GateExample: Sendable, CustomTestStringConvertible {
    let gate: String
    let given: String
    let outcome: GateOutcome
    let reason: String
    /// RFC 3339.
    let retryAt: String?

    init(_ gate: String, _ given: String, _ outcome: GateOutcome, _ reason: String, retryAt: String? = nil) {
        self.gate = gate
        self.given = given
        self.outcome = outcome
        self.reason = reason
        self.retryAt = retryAt
    }

    var testDescription: String { "\(gate) | \(given) → \(outcome)" }

    /// The time of all examples: a Wednesday.
    static let now = "2026-11-25T13:00:00Z"

    /// Asks the gate alone, from staging to production.
    func judge(at now: String = now) throws -> GateResult {
        let cases = """
            version: 1
            kind: Cases
            at: \(now)
            given: { image: shop/api, from: staging, to: production, tag: 1.4.2 }
            cases:
              - name: example
                expect: allow
                given: { \(given) }
            """
        let set = try Samples.set(Samples.policy("p", "gates:\n  - \(gate)"), cases)
        let result = try #require(set.runCases().first)
        let gates = result.decision.gates.filter { $0.policy == "p" && $0.gate != "source" }
        #expect(gates.count == 1)
        return try #require(gates.first)
    }

    func check(at now: String = now) throws {
        let result = try judge(at: now)
        #expect(result.outcome == outcome)
        #expect(result.reason == reason)
        #expect(result.retryAt.map { Timestamp.text($0) } == retryAt)
    }
}

extension Decision {
    /// The gates of this name that did not allow.
    func refusals(_ gate: String) -> [GateResult] { gates.filter { $0.gate == gate && $0.outcome != .allow } }
}

/// A small generator with a seed: a failure can be had again.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        // SplitMix64.
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
