import OCI
import Testing

@testable import PolicyEngine

@Suite("Gates on what the image is")
struct ContentGateTests {
    private static let digest = "sha256:" + String(repeating: "0a", count: 32)

    private static let examples = [
        GateExample("tag: { semver: ^1, prerelease: false }", "", .allow, "1.4.2 is allowed"),
        GateExample("tag: { exclude: [\"*-dirty\"] }", "tag: 1-dirty", .deny, "tag 1-dirty is excluded by '*-dirty'"),
        GateExample("labels: { require: { a: \"x*\" } }", "labels: { a: xy }", .allow, "'xy' matches 'x*'"),
        GateExample("labels: { require: { a: \"x*\" } }", "labels: { b: xy }", .deny, "linux/amd64 has no such label; set a when the image is built"),
        GateExample("{ name: both, labels: { require: { a: x, b: y } } }", "labels: { a: x, b: y }", .allow, "'x' matches 'x', 'y' matches 'y'"),
        GateExample(
            "{ name: both, labels: { require: { a: x, b: y } } }", "labels: { a: x, b: z }", .deny, "linux/amd64 has 'z', which does not match 'y'"),
        GateExample("annotations: { require: { a: \"x*\" } }", "annotations: { a: xy }", .allow, "'xy' matches 'x*'"),
        GateExample("annotations: { require: { a: \"x*\" } }", "annotations: { a: yx }", .deny, "the manifest has 'yx', which does not match 'x*'"),
        GateExample(
            "annotations: { require: { a: \"x*\" } }", "labels: { a: x }", .deny, "the manifest has no such annotation; set a when the image is built"
        ),
        GateExample(
            "platforms: { require: [linux/amd64] }", "platforms: [linux/amd64, linux/arm64]", .allow, "the image has linux/amd64, linux/arm64"),
        GateExample("platforms: { require: [linux/arm64] }", "", .deny, "missing linux/arm64; the image has linux/amd64"),
        GateExample(
            "platforms: { require: [linux/amd64], others: forbidden }", "platforms: [linux/amd64, windows/amd64]", .deny,
            "windows/amd64 must not be in the image"),
        GateExample("platforms: { require: [linux/amd64], others: forbidden }", "", .allow, "the image has linux/amd64"),
        GateExample("user: { root: forbidden }", "user: \"65532:0\"", .allow, "runs as '65532:0'"),
        GateExample("user: { root: forbidden }", "user: app", .allow, "runs as 'app'"),
        GateExample("user: { root: forbidden }", "", .deny, "linux/amd64 names no user and runs as root; set USER when the image is built"),
        GateExample("user: { root: forbidden }", "user: \"\"", .deny, "linux/amd64 names no user and runs as root; set USER when the image is built"),
        GateExample(
            "user: { root: forbidden }", "user: \":1000\"", .deny, "linux/amd64 names no user and runs as root; set USER when the image is built"),
        GateExample("user: { root: forbidden }", "user: root", .deny, "linux/amd64 runs as 'root', which is root; set another USER"),
        GateExample("user: { root: forbidden }", "user: \"0:1000\"", .deny, "linux/amd64 runs as '0:1000', which is root; set another USER"),
        GateExample("user: { root: forbidden }", "user: \"00\"", .deny, "linux/amd64 runs as '00', which is root; set another USER"),
        GateExample("user: { root: forbidden }", "platforms: []", .deny, "the artifact has no image that could name a user"),
        GateExample(
            "user: { root: forbidden }", "platforms: [{ platform: linux/amd64, user: \"1\" }, { platform: linux/arm64, user: \"0\" }]", .deny,
            "linux/arm64 runs as '0', which is root; set another USER"),
        GateExample(
            "user: { root: forbidden, numeric: true }", "user: app", .deny, "linux/amd64 runs as 'app', which may be any number; set USER to a number"
        ),
        GateExample("user: { root: forbidden, numeric: true }", "user: \"1000\"", .allow, "runs as '1000'"),
        GateExample(
            "baseImages: { names: [base/*], digests: [\"\(digest)\"] }", "labels: { org.opencontainers.image.base.name: base/go }", .allow,
            "built on an allowed base image"),
        GateExample(
            "baseImages: { names: [base/*], digests: [\"\(digest)\"] }",
            "annotations: { org.opencontainers.image.base.name: x, org.opencontainers.image.base.digest: \"\(digest)\" }", .allow,
            "built on an allowed base image"),
        GateExample(
            "baseImages: { names: [base/*] }", "labels: { org.opencontainers.image.base.name: evil/base/go }", .deny,
            "linux/amd64 is built on 'evil/base/go', which is none of: base/*"),
        GateExample(
            "baseImages: { names: [base/*] }", "", .deny,
            "linux/amd64 does not name its base image; set org.opencontainers.image.base.name and org.opencontainers.image.base.digest when it is built"
        ),
        GateExample("baseImages: { names: [base/*] }", "platforms: []", .deny, "the artifact has no image that could name its base"),
        GateExample(
            "mediaTypes: { allow: [\"application/vnd.oci.**\"] }", "", .allow, "'application/vnd.oci.image.index.v1+json' is allowed"),
        GateExample(
            "mediaTypes: { allow: [\"application/vnd.oci.**\"] }", "mediaType: application/vnd.docker.distribution.manifest.v2+json", .deny,
            "'application/vnd.docker.distribution.manifest.v2+json' is none of: application/vnd.oci.**"),
        GateExample(
            "artifactTypes: { allow: [\"**.helm.**\"] }", "artifactType: application/vnd.cncf.helm.config.v1+json", .allow,
            "'application/vnd.cncf.helm.config.v1+json' is allowed"),
        GateExample(
            "artifactTypes: { allow: [\"**.helm.**\"] }", "artifactType: application/wasm", .deny, "'application/wasm' is none of: **.helm.**"),
        // An index without an artifact type is judged by its media type.
        GateExample("artifactTypes: { allow: [\"**.helm.**\"] }", "", .deny, "'application/vnd.oci.image.index.v1+json' is none of: **.helm.**"),
        GateExample("size: { max: 500MiB }", "size: 500MiB", .allow, "500 MiB of at most 500 MiB"),
        GateExample("size: { max: 500MiB }", "size: 524288001B", .deny, "the artifact has 500 MiB; at most 500 MiB are allowed"),
        GateExample("size: { max: 1GB }", "size: 1500MB", .deny, "the artifact has 1.3 GiB; at most 953.6 MiB are allowed"),
        GateExample("age: { max: 30d }", "created: 30d ago", .allow, "built 30d ago, at most 30d is allowed"),
        GateExample("age: { max: 30d }", "created: 721h ago", .deny, "built 30d 1h ago; at most 30d is allowed: build it anew"),
        GateExample("age: { max: 30d }", "", .deny, "the image does not say when it was built"),
        GateExample("age: { max: 30d }", "created: in 4m", .allow, "built 0s ago, at most 30d is allowed"),
        GateExample("age: { max: 30d }", "created: in 6m", .deny, "built at 2026-11-25T13:06:00Z, which is in the future"),
        GateExample("age: { max: 30d, of: firstSeen }", "firstSeen: 2d ago", .allow, "first seen 2d ago, at most 30d is allowed"),
        GateExample("age: { max: 30d, of: firstSeen }", "firstSeen: 31d ago", .deny, "first seen 31d ago; at most 30d is allowed: build it anew"),
        GateExample("age: { max: 30d, of: firstSeen }", "created: 2d ago", .wait, "it is not known when sha256:03473f89a784… was first seen"),
    ]

    @Test(arguments: examples)
    func say(_ example: GateExample) throws { try example.check() }

    @Test func aTimeThatIsNoneIsDenied() throws {
        let set = try Samples.set(Samples.policy("p", "gates: [{ age: { max: 30d } }]"))
        let facts = try Samples.facts()
        let odd = PromotionFacts(
            image: facts.image, from: facts.from, to: facts.to, digest: facts.digest, tag: facts.tag, requestedTargetTags: [], requester: "a",
            mediaType: .ociIndex, artifactType: nil, platforms: [], annotations: [:], sizeBytes: 1, created: "yesterday", presentInSource: true,
            targetTags: [])
        #expect(
            set.evaluate(odd, at: Samples.now).refusals("age").map(\.reason) == ["the image says that it was built at 'yesterday', which is no time"])
    }
}

@Suite("Gates on where the digest has been")
struct HistoryGateTests {
    private static let examples = [
        GateExample("soak: { for: 24h }", "presence: { staging: 24h ago }", .allow, "in staging for 1d of 24h"),
        GateExample(
            "soak: { for: 24h }", "presence: { staging: 23h ago, dev: 9d ago }", .wait, "in staging for 23h of 24h, until 2026-11-25T14:00:00Z",
            retryAt: "2026-11-25T14:00:00Z"),
        GateExample("soak: { for: 24h, in: dev }", "presence: { staging: 1h ago, dev: 9d ago }", .allow, "in dev for 9d of 24h"),
        GateExample("soak: { for: 24h }", "presence: { dev: 9d ago }", .wait, "sha256:03473f89a784… is not in staging; it must be there for 24h"),
        GateExample("soak: { for: 24h }", "presence: {}", .wait, "sha256:03473f89a784… is not in staging; it must be there for 24h"),
        GateExample("soak: { for: 24h }", "", .wait, "it is not known since when sha256:03473f89a784… is in staging; it must be there for 24h"),
        GateExample(
            "soak: { for: 24h }", "presence: { staging: { firstSeen: 9d ago, since: 90m ago } }", .wait,
            "in staging for 1h 30m of 24h, until 2026-11-26T11:30:00Z", retryAt: "2026-11-26T11:30:00Z"),
        GateExample(
            "soak: { for: 24h, continuous: false }", "presence: { staging: { firstSeen: 9d ago, since: 90m ago } }", .allow,
            "in staging for 9d of 24h"),
        GateExample(
            "soak: { for: 24h }", "presence: { staging: { firstSeen: 9d ago, since: unknown } }", .wait,
            "sha256:03473f89a784… is not in staging; it must be there for 24h"),
        GateExample(
            "soak: { for: 24h }", "presence: { staging: in 1h }", .wait, "in staging for 0s of 24h, until 2026-11-26T14:00:00Z",
            retryAt: "2026-11-26T14:00:00Z"),
        GateExample("path: { through: all }", "presence: { dev: 9d ago, staging: 1h ago }", .allow, "has been in dev, staging"),
        GateExample(
            "path: { through: all }", "presence: { staging: 1h ago }", .deny, "sha256:03473f89a784… has never been in dev; promote it to dev first"),
        GateExample("path: { through: [staging] }", "presence: { staging: { firstSeen: 9d ago, since: unknown } }", .allow, "has been in staging"),
        GateExample(
            "path: { through: all }", "", .wait, "it is not known where sha256:03473f89a784… has been; it must have been in dev, staging"),
        GateExample("quota: { max: 2, per: 24h }", "recentPromotions: []", .allow, "0 of 2 in 24h"),
        GateExample("quota: { max: 2, per: 24h }", "recentPromotions: [{ at: 2h ago }, { at: 25h ago }, { at: 24h ago }]", .allow, "1 of 2 in 24h"),
        GateExample(
            "quota: { max: 2, per: 24h }", "recentPromotions: [{ at: 2h ago }, { at: 20h ago }]", .wait,
            "2 of 2 in 24h entered production; the next may at 2026-11-25T17:00:00Z", retryAt: "2026-11-25T17:00:00Z"),
        GateExample(
            "quota: { max: 1, per: 24h }", "recentPromotions: [{ at: 2h ago }, { at: 20h ago }, { at: 3h ago }]", .wait,
            "3 of 1 in 24h entered production; the next may at 2026-11-26T11:00:00Z", retryAt: "2026-11-26T11:00:00Z"),
        GateExample("quota: { max: 1, per: 1h }", "recentPromotions: [{ image: shop/web, at: 1m ago }]", .allow, "0 of 1 in 1h"),
        GateExample(
            "quota: { max: 1, per: 1h, of: environment }", "recentPromotions: [{ image: shop/web, at: 10m ago }]", .wait,
            "1 of 1 in 1h entered production; the next may at 2026-11-25T13:50:00Z", retryAt: "2026-11-25T13:50:00Z"),
        GateExample(
            "quota: { max: 1, per: 1h, of: requester }", "requester: token:a, recentPromotions: [{ requester: token:b, at: 10m ago }]", .allow,
            "0 of 1 in 1h"),
        GateExample(
            "quota: { max: 1, per: 1h, of: requester }", "requester: token:a, recentPromotions: [{ requester: token:a, at: 10m ago }]", .wait,
            "1 of 1 in 1h entered production; the next may at 2026-11-25T13:50:00Z", retryAt: "2026-11-25T13:50:00Z"),
        GateExample(
            "quota: { max: 2, per: 24h }", "", .wait, "it is not known how many promotions entered production; at most 2 per 24h are allowed"),
    ]

    @Test(arguments: examples)
    func say(_ example: GateExample) throws { try example.check() }
}
