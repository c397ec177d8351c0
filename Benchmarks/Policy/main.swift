import Foundation
import OCI
import PolicyEngine

// How long a decision takes: 1,000 rules of all kinds, all of which apply to the image, on one artifact. Ends with status 1 above a
// millisecond in the median.

let arguments = CommandLine.arguments.dropFirst().compactMap { Int($0) }
let rules = arguments.first ?? 1_000
let rounds = arguments.dropFirst().first ?? 2_000

/// Rules as people write them; `#` is a number, so that no two are the same.
let kinds = [
    "tag: { semver: \">=1.0.0 <1000#.0.0\", exclude: [\"*-dirty#\"] }", "labels: { require: { org.opencontainers.image.source: \"https://git.example.test/**\" } }",
    "labels: { require: { org.opencontainers.image.revision: \"regex:[0-9a-f]{40}\" } }", "platforms: { require: [linux/amd64, linux/arm64] }",
    "user: { root: forbidden }", "size: { max: #GiB }", "age: { max: 30d }", "soak: { for: 24h }", "path: { through: all }", "quota: { max: 1#, per: 1d }",
    "requesters: { allow: [ci, managers] }", "approvals: { count: 2, from: managers }", "evidence: { kind: e2e }", "sbom: { formats: [spdx, cyclonedx], by: build }",
    "signatures: { by: build }", "provenance: { by: build, builder: \"https://ci.example.test/**\", ref: refs/heads/main }",
    "vulnerabilities: { below: high, scanAge: 3d, by: scanner }", "freeze: { timezone: Europe/Berlin, deny: [{ name: n#, from: fri 16:00, to: mon 08:00 }] }",
    "check: { endpoint: ticket }", "anyOf: [{ evidence: { kind: waiver# } }, { not: { size: { max: 1B } } }]",
]

let environments = """
    version: 1
    kind: Environments
    environments:
      - { name: dev, registries: [{ url: "https://dev.example.test" }] }
      - { name: staging, registries: [{ url: "https://staging.example.test" }] }
      - { name: production, registries: [{ url: "https://production.example.test" }] }
    groups:
      managers: { issuer: "https://idp.example.test", claims: { groups: managers } }
      ci: { issuer: "https://ci.example.test", claims: { repository: shop/* } }
    trust:
      build: { keyFile: build.pub }
      scanner: { keyFile: scanner.pub }
    checks:
      ticket: { url: "https://checks.example.test/", secret: { fromEnv: TICKET } }
    """

func policies() -> [PolicyFile] {
    let gates = (1...rules).map { "  - { name: rule-\($0), \(kinds[$0 % kinds.count].replacing("#", with: "\($0)")) }" }
    let parts = stride(from: 0, to: gates.count, by: 50).map { Array(gates[$0..<min($0 + 50, gates.count)]) }
    return parts.enumerated().map { index, gates in
        let match = index == 0 ? "images: [\"shop/**\"], from: staging, to: production" : "images: [\"**\"], to: production"
        return PolicyFile(path: "p\(index).yaml", text: "version: 1\nkind: Policy\nname: p\(index)\nmatch: { \(match) }\ngates:\n\(gates.joined(separator: "\n"))\n")
    }
}

/// A release about which everything is known, and all of it good.
func release(at now: Date) throws -> PromotionFacts {
    guard let staging = EnvironmentName(parsing: "staging"), let production = EnvironmentName(parsing: "production"), let dev = EnvironmentName(parsing: "dev") else {
        throw BenchmarkError(description: "the sample's environments can't be read")
    }
    let digest = Digest(hashing: Data("release".utf8))
    let labels = [
        "org.opencontainers.image.source": "https://git.example.test/shop/api", "org.opencontainers.image.revision": String(repeating: "0a", count: 20),
    ]
    let platforms = ["amd64", "arm64"].map {
        PlatformFacts(platform: Platform(os: "linux", architecture: $0), labels: labels, user: "65532", digest: Digest(hashing: Data($0.utf8)))
    }
    var facts = PromotionFacts(
        image: try ImageName(parsing: "shop/api"), from: staging, to: production, digest: digest, tag: try Tag(parsing: "1.4.2"), requestedTargetTags: [],
        requester: "oidc:ci", mediaType: .ociIndex, artifactType: nil, platforms: platforms, annotations: [:], sizeBytes: 1 << 20,
        created: now.addingTimeInterval(-86_400).formatted(Date.ISO8601FormatStyle()), presentInSource: true, targetTags: [])
    let ci = Identity(id: "oidc:ci", issuer: "https://ci.example.test", claims: ["repository": ["shop/api"]])
    facts.requesterIdentity = ci
    facts.presence = [dev, staging].map { EnvironmentPresence(environment: $0, firstSeen: now.addingTimeInterval(-200_000), since: now.addingTimeInterval(-100_000)) }
    facts.signatures = [SignatureFact(signer: "build", identity: "key", digest: digest)]
    facts.provenance = [ProvenanceFact(signer: "build", digest: digest, builder: "https://ci.example.test/runner", ref: "refs/heads/main")]
    facts.sboms = [SBOMFact(format: .spdx, digest: digest, signer: "build")]
    let findings = (0..<50).map { Finding(id: "CVE-2026-\($0)", severity: .low, package: "p\($0)") }
    facts.scans = [ScanFact(scanner: "s", digest: digest, completedAt: now.addingTimeInterval(-3_600), findings: findings, signer: "scanner")]
    facts.evidence = [EvidenceFact(kind: "e2e", digest: digest, result: "passed", recordedAt: now, postedBy: ci)]
    facts.approvals = []
    facts.recentPromotions = []
    facts.checks = [CheckFact(endpoint: "ticket", digest: digest, outcome: .allow, reason: "CHG-7", askedAt: now)]
    return facts
}

struct BenchmarkError: Error, CustomStringConvertible {
    let description: String
}

func milliseconds(_ duration: Duration) -> Double { Double(duration.components.attoseconds) / 1e15 + Double(duration.components.seconds) * 1e3 }

func text(_ value: Double) -> String { String(format: "%.3f", value) }

let now = Date(timeIntervalSince1970: 1_795_608_000)  // a Wednesday
let clock = ContinuousClock()
let files = policies() + [PolicyFile(path: "environments.yaml", text: environments)]
var loaded: PolicySet?
let loading = try clock.measure { loaded = try PolicySet(files: files, commit: nil) }
guard let set = loaded else { throw BenchmarkError(description: "no policy was loaded") }
let facts = try release(at: now)
let decision = set.evaluate(facts, at: now)
guard decision.gates.count >= rules else { throw BenchmarkError(description: "only \(decision.gates.count) of \(rules) rules were asked") }
var times: [Double] = []
for _ in 0..<rounds {
    var outcome = decision
    times.append(milliseconds(clock.measure { outcome = set.evaluate(facts, at: now) }))
    guard outcome == decision else { throw BenchmarkError(description: "two evaluations of the same facts differ") }
}
times.sort()
let median = times[times.count / 2]
print("\(decision.gates.count) gates of \(set.policies.count) policies on one artifact, \(rounds) decisions (\(decision.outcome.rawValue))")
print("loading    \(text(milliseconds(loading))) ms, once for each version")
print("a decision \(text(median)) ms in the median, \(text(times[times.count * 9 / 10])) ms at the 90th percentile, \(text(times[times.count - 1])) ms at most")
exit(median < 1 ? 0 : 1)
