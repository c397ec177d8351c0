import Foundation
import OCI
import Testing

@testable import PolicyEngine

@Suite("Reading policy files")
struct LoadingTests {
    @Test func readsEveryKeyOfAPolicy() throws {
        let set = try Samples.set(
            """
            version: 1
            kind: Policy
            name: release
            description: What may reach customers.
            mode: warn
            match:
              images: ["shop/**", "!shop/legacy", "regex:tools/[a-z]+"]
              from: staging
              to: production
            tags:
              semver: ">=1.0.0"
              prerelease: false
              patterns: ["1.*"]
              exclude: ["*-dirty"]
              target: ["{tag}", stable]
              existing: same-digest
            platforms: { require: [linux/amd64, linux/arm/v7] }
            labels: { require: { org.opencontainers.image.source: "https://git.example.test/*" } }
            """)
        let policy = try #require(set.policies.first)
        #expect(policy.name == "release" && policy.mode == .warn && policy.source == SourceLocation(file: "p0.yaml", line: 3))
        #expect(policy.images.map(\.description) == ["shop/**", "regex:tools/[a-z]+"])
        #expect(policy.excludedImages.map(\.description) == ["shop/legacy"])
        #expect(policy.from?.description == "staging" && policy.to?.description == "production" && policy.opensStep)
        let tags = try #require(policy.tags)
        #expect(tags.semver?.description == ">=1.0.0" && !tags.allowPrerelease && tags.existing == .sameDigest)
        #expect(tags.patterns.map(\.description) == ["1.*"] && tags.exclude.map(\.description) == ["*-dirty"])
        #expect(tags.target?.map(\.description) == ["{tag}", "stable"])
        #expect(policy.gates.map(\.name) == ["platforms", "label org.opencontainers.image.source"] && policy.defaults.isEmpty)
        #expect(policy.gates.map(\.text).first == "has linux/amd64, linux/arm/v7")
        #expect(policy.gates.map(\.source.line) == [17, 18])
    }

    @Test func readsEveryKeyOfAnEnvironment() throws {
        let set = try Samples.set(
            environments: """
                version: 1
                kind: Environments
                environments:
                  - name: production
                    registries:
                      - name: eu
                        url: https://EU.example.test:8443/
                        repository: prod/{image}
                        credentials: { fromFile: /run/secrets/eu }
                        tls: { ca: ca.pem, certificate: c.pem, key: k.pem }
                        proxy: { url: "http://proxy.example.test:3128", credentialsEnv: PROXY }
                        additionalHosts: [auth.example.test, "*.Storage.example.test"]
                        limits: { concurrency: 4, bytesPerSecond: 100000, bandwidth: 20MiB }
                        profile:
                          { mount: committed, origin: true, upload: post, chunkSize: 4MiB, resume: false, referrers: tag, conditionalPut: true, tags: immutable, probe: false }
                      - name: us
                        url: http://[::1]:80
                        plainHTTP: true
                        credentials: { fromEnv: US }
                      - { name: asia, url: "https://asia.example.test:443", credentials: dockerConfig }
                      - { name: africa, url: "https://africa.example.test", credentials: { dockerConfig: /etc/docker } }
                    tags: { immutable: ["v*"] }
                """)
        let environment = try #require(set.environments.first)
        let (release, plain) = (try Tag(parsing: "v1"), try Tag(parsing: "1"))
        #expect(environment.source == SourceLocation(file: "environments.yaml", line: 4))
        let registries = environment.registries
        #expect(registries.map(\.name) == ["eu", "us", "asia", "africa"])
        #expect(
            registries.map(\.url) == ["https://eu.example.test:8443", "http://[::1]", "https://asia.example.test", "https://africa.example.test"])
        #expect(registries.map(\.credentials) == [.file("/run/secrets/eu"), .environment("US"), .dockerConfig(nil), .dockerConfig("/etc/docker")])
        let eu = registries[0]
        #expect(eu.repository.description == "prod/{image}" && registries[1].repository.description == "{image}")
        #expect(eu.caFile == "ca.pem" && eu.clientCertificateFile == "c.pem" && eu.clientKeyFile == "k.pem")
        #expect(eu.proxy?.url == "http://proxy.example.test:3128" && eu.proxy?.credentialsEnvironment == "PROXY")
        #expect(eu.additionalHosts == ["auth.example.test", "*.storage.example.test"])
        #expect(
            eu.limits == RegistryDefinition.Limits(concurrency: 4, bytesPerSecond: 100_000, bandwidth: 20 << 20) && registries[1].limits == RegistryDefinition.Limits())
        var profile = RegistryDefinition.Profile()
        (profile.mount, profile.origin, profile.upload, profile.chunkSize, profile.resume) = (.committed, true, .post, 4 << 20, false)
        (profile.referrers, profile.conditionalPut, profile.tags, profile.probe) = (.tag, true, .immutable, false)
        #expect(eu.profile == profile && registries[1].profile == RegistryDefinition.Profile())
        #expect(!eu.plainHTTP && registries[1].plainHTTP)
        #expect(environment.isImmutable(release) && !environment.isImmutable(plain))
    }

    private static func shipped(_ name: String) throws -> PolicySet {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../\(name)").standardizedFileURL
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".yaml") }
        return try PolicySet(
            files: names.map { PolicyFile(path: $0, text: try String(contentsOf: folder.appending(path: $0), encoding: .utf8)) }, commit: nil)
    }

    @Test func theShippedFolderIsTheWayToProduction() throws {
        let set = try Self.shipped("Policies")
        #expect(set.environments.map(\.name.description) == ["dev", "test", "staging", "production"])
        let steps = set.policies.compactMap { policy in policy.from.flatMap { from in policy.to.map { "\(from) → \($0)" } } }
        #expect(Set(steps) == ["dev → test", "test → staging", "staging → production"])
    }

    /// What is shipped decides as its cases say, each of its rules is seen closed by one, and nothing in it is hardly meant.
    @Test(arguments: ["Policies", "examples/policies"])
    func theShippedFoldersPassTheirCases(_ name: String) throws {
        let set = try Self.shipped(name)
        let results = set.runCases()
        #expect(results.count > 10)
        for result in results { #expect(result.failures == [], "\(result.test.name) (\(result.test.source))") }
        #expect(set.rulesWithoutCases(results).map { "\($0.policy): \($0.gate)" } == [])
        #expect(set.remarks(at: Samples.now) == [])
    }

    @Test func theOrderOfFilesDoesNotMatter() throws {
        let files = [("b.yaml", Samples.policy("b")), ("environments.yaml", Samples.environments), ("a.yaml", Samples.policy("a"))]
            .map { PolicyFile(path: $0.0, text: $0.1) }
        let one = try PolicySet(files: files, commit: nil)
        let other = try PolicySet(files: files.reversed(), commit: nil)
        #expect(one.version == other.version && one.policies.map(\.name) == ["a", "b"] && other.policies.map(\.name) == ["a", "b"])
    }

    @Test func theVersionIsTheCommitOrTheContent() throws {
        let file = PolicyFile(path: "environments.yaml", text: Samples.environments)
        let renamed = PolicyFile(path: "e.yaml", text: Samples.environments)
        let edited = PolicyFile(path: "environments.yaml", text: Samples.environments + "\n")
        #expect(try PolicySet(files: [file], commit: "4f2a").version.description == "4f2a")
        let versions = try Set([file, renamed, edited].map { try PolicySet(files: [$0], commit: nil).version.description })
        #expect(versions.count == 3 && versions.allSatisfy { $0.hasPrefix("sha256:") })
    }
}

/// A file with one mistake, and where it is reported.
struct Mistake: Sendable, CustomTestStringConvertible {
    let lines: String
    let line: Int
    let column: Int
    let problem: String
    let remedy: String

    init(_ lines: String, at line: Int, _ column: Int, _ problem: String, _ remedy: String) {
        self.lines = lines
        self.line = line
        self.column = column
        self.problem = problem
        self.remedy = remedy
    }

    var testDescription: String { problem }
}

@Suite("Mistakes in policy files")
struct MistakeTests {
    /// Each stands behind a policy's four lines.
    private static let policyMistakes = [
        Mistake("tagz: {}", at: 5, 1, "a policy has no key 'tagz'", "did you mean 'tags'?"),
        Mistake("zzzzzzzz: {}", at: 5, 1, "a policy has no key 'zzzzzzzz'", "allowed: version, kind, name"),
        Mistake("[a, b]: {}", at: 5, 1, "a policy has no key '?'", "allowed: "),
        Mistake("mode: enforced", at: 5, 7, "mode can't be 'enforced'", "did you mean 'enforce'?"),
        Mistake("mode: [warn]", at: 5, 7, "mode can't be '?'", "use one of: enforce, warn"),
        Mistake("name: again", at: 3, 1, "a key stands here twice: name", "keep one of them"),
        Mistake("description: [a]", at: 5, 14, "description must be a text", "write one value"),
        Mistake("tags: 1.x", at: 5, 7, "tags must be a mapping", "write 'key: value' lines: semver"),
        Mistake("tags: { semver: newest }", at: 5, 17, "'newest' is no range of versions", "write for example '>=1.0.0 <2.0.0'"),
        Mistake("tags: { prerelease: no }", at: 5, 21, "prerelease must be true or false", "write true or false without quotes"),
        Mistake("tags: { patterns: [\"regex:(\"] }", at: 5, 20, "'regex:(' is no pattern: '(' without ')'", "use a glob"),
        Mistake("tags: { patterns: [] }", at: 5, 19, "patterns is an empty list", "name at least one value"),
        Mistake("tags: { exclude: {} }", at: 5, 18, "exclude must be a list", "write '- value' lines or [a, b]"),
        Mistake("tags: { target: [\"{semver.mayor}\"] }", at: 5, 18, "'{semver.mayor}' makes no tag", "use letters, digits"),
        Mistake("tags: { target: [] }", at: 5, 17, "target is an empty list", "name at least one value"),
        Mistake("tags: { existing: stay }", at: 5, 19, "existing can't be 'stay'", "use one of: move, same-digest"),
        Mistake("platforms: {}", at: 5, 12, "platforms requires none", "leave the key out"),
        Mistake("platforms: { require: [linux] }", at: 5, 24, "'linux' is no platform", "write os/architecture"),
        Mistake("platforms: { require: [] }", at: 5, 23, "require is an empty list", "name at least one value"),
        Mistake("labels: {}", at: 5, 9, "labels requires none", "leave the key out"),
        Mistake("labels: { require: [a] }", at: 5, 20, "labels are required by name", "write 'org.opencontainers.image.source"),
        Mistake("labels: { require: {} }", at: 5, 20, "labels are required by name", "write 'org.opencontainers.image.source"),
        Mistake("labels: { require: { a: \"\" } }", at: 5, 25, "a must be a text", "write one value"),
        Mistake("labels: { require: { a: \"regex:a{2\" } }", at: 5, 25, "'regex:a{2' is no pattern: '{' without '}'", "use a glob"),
        Mistake("labels: { require: { a: \"regex:\" } }", at: 5, 25, "'regex:' is no pattern: nothing stands behind 'regex:'", "use a glob"),
        Mistake("tags:\n  exclude:\n    - !shop", at: 7, 7, "'!shop' is a YAML tag", "put a text that begins with '!' in quotes"),
        Mistake("mode: warn\n---\nkind: Policy", at: 7, 1, "a second document begins here", "put one document into each file"),
        Mistake("  mode: warn", at: 5, 3, "not valid YAML: did not find expected key", "check indentation"),
        Mistake("mode: \"warn", at: 6, 1, "not valid YAML: found unexpected end of stream", "check indentation"),
        Mistake("mode: a\u{1}b", at: 5, 8, "not valid YAML: control characters are not allowed", "remove the character"),
    ]

    @Test(arguments: policyMistakes)
    func ofAPolicyAreReportedWithPlaceAndRemedy(_ mistake: Mistake) throws {
        let found = Samples.mistakes("version: 1\nkind: Policy\nname: p\nmatch: { images: [a], from: staging, to: production }\n\(mistake.lines)\n")
        #expect(found.count == 1)
        try expect(found, mistake, in: "p.yaml")
    }

    private static let matchMistakes = [
        Mistake("{}", at: 4, 8, "there is no 'images'", "add 'images: [\"shop/**\"]'"),
        Mistake("{ images: [], from: staging, to: production }", at: 4, 18, "images is an empty list", "name at least one"),
        Mistake(
            "{ images: [\"!a\"], from: staging, to: production }", at: 4, 18, "no images are matched",
            "name at least one pattern that does not begin with '!'"),
        Mistake("{ images: [\"regex:[\"], from: staging, to: production }", at: 4, 19, "'regex:[' is no image pattern", "use a glob"),
        Mistake(
            "{ images: [a], from: stagin, to: production }", at: 4, 29, "environment 'stagin' is not in environments.yaml",
            "did you mean 'staging'?"),
        Mistake(
            "{ images: [a], from: staging, to: moon }", at: 4, 42, "environment 'moon' is not in environments.yaml",
            "known: dev, staging, production"),
        Mistake("{ images: [a], from: Staging, to: production }", at: 4, 29, "'Staging' is no environment name", "use lowercase"),
        Mistake("{ images: [a], from: staging, to: staging }", at: 4, 42, "a promotion from 'staging' to itself moves nothing", "name two"),
        Mistake("{ images: [a], path: x, from: staging, to: production }", at: 4, 23, "match has no key 'path'", "allowed: images, from, to"),
    ]

    @Test(arguments: matchMistakes)
    func ofAMatchAreReportedWithPlaceAndRemedy(_ mistake: Mistake) throws {
        try expect(Samples.mistakes("version: 1\nkind: Policy\nname: p\nmatch: \(mistake.lines)\n"), mistake, in: "p.yaml")
    }

    private static let fileMistakes = [
        Mistake("", at: 1, 1, "the file is empty", "start it with 'version: 1'"),
        Mistake("# nothing\n", at: 1, 1, "the file is empty", "start it with 'version: 1'"),
        Mistake("- a", at: 1, 1, "the file must be a mapping", "start it with 'version: 1'"),
        Mistake("kind: Policy", at: 1, 1, "version 1 is the only one there is", "write 'version: 1'"),
        Mistake("version: 2\nkind: Policy", at: 1, 10, "version 1 is the only one there is", "write 'version: 1'"),
        Mistake("version: 1", at: 1, 1, "the file does not say its kind", "write 'kind: Environments', 'kind: Policy', 'kind: Identities' or 'kind: Cases'"),
        Mistake("version: 1\nkind: Polic", at: 2, 7, "kind can't be 'Polic'", "did you mean 'Policy'?"),
        Mistake("version: 1\nkind: Policy", at: 1, 1, "the policy has no name", "add 'name: to-production'"),
        Mistake("version: 1\nkind: Policy\nname:", at: 3, 6, "name must be a text", "write one value"),
        Mistake("version: 1\nkind: Policy\nname: a", at: 1, 1, "the policy does not say what it is about", "add 'match:' with images, from and to"),
        Mistake(
            "version: 1\nkind: Environments\nenvironments: []", at: 2, 7, "environments stand in environments.yaml already",
            "keep them in one file"),
    ]

    @Test(arguments: fileMistakes)
    func ofAFileAreReportedWithPlaceAndRemedy(_ mistake: Mistake) throws { try expect(Samples.mistakes(mistake.lines), mistake, in: "p.yaml") }

    private static let environmentMistakes = [
        Mistake("environments: []", at: 3, 15, "environments is an empty list", "name at least one"),
        Mistake("other: []", at: 3, 1, "the file has no key 'other'", "allowed: version, kind, environments"),
        Mistake("environments: [{ registries: [{ url: \"https://a\" }] }]", at: 3, 16, "an environment has no name", "add 'name: staging'"),
        Mistake("environments: [{ name: a_b }]", at: 3, 24, "'a_b' is no environment name", "use lowercase letters"),
        Mistake("environments: [{ name: a }]", at: 3, 16, "environment 'a' has no registries", "add 'registries:'"),
        Mistake("environments: [{ name: a, registries: [] }]", at: 3, 39, "registries is an empty list", "name at least one"),
        Mistake(
            "environments: [{ name: a, registries: [{ name: r }] }]", at: 3, 40, "a registry has no url",
            "add 'url: https://registry.example.com'"),
        Mistake(
            "environments:\n  - { name: a, registries: [{ url: \"https://a\" }] }\n  - { name: a, registries: [{ url: \"https://b\", name: b }] }",
            at: 5, 5,
            "environment 'a' is named twice", "give each its own name"),
        Mistake(
            "environments:\n  - { name: a, registries: [{ url: \"https://a\" }] }\n  - { name: b, registries: [{ url: \"https://b\", name: a }] }",
            at: 5, 5,
            "registry 'a' is named twice", "give each registry its own name"),
        Mistake(
            "environments:\n  - { name: a, registries: [{ url: \"https://r\" }] }\n  - { name: b, registries: [{ url: \"https://R:443/\" }] }",
            at: 5, 5,
            "registry 'b' has the same URL and repositories as another one", "need different repository templates, for example b/{image}"),
    ]

    @Test(arguments: environmentMistakes)
    func ofEnvironmentsAreReportedWithPlaceAndRemedy(_ mistake: Mistake) throws {
        try expect(Samples.mistakes(environments: "version: 1\nkind: Environments\n\(mistake.lines)\n"), mistake, in: "environments.yaml")
    }

    private static let registryMistakes = [
        Mistake("url: example.test", at: 7, 14, "'example.test' is no registry URL", "write https://HOST"),
        Mistake("url: \"https://example.test/v2\"", at: 7, 14, "'https://example.test/v2' is no registry URL", "without path"),
        Mistake("url: \"https://u:p@example.test\"", at: 7, 14, "'https://u:p@example.test' is no registry URL", "without path, user or query"),
        Mistake("url: \"http://example.test\"", at: 7, 14, "'http://example.test' is not encrypted", "use https://, or say 'plainHTTP: true'"),
        Mistake("url: \"https://a\"\n        repository: prod", at: 8, 21, "'prod' is no repository template", "with {image} once"),
        Mistake("url: \"https://a\"\n        repository: \"{image}/{image}\"", at: 8, 21, "is no repository template", "with {image} once"),
        Mistake("url: \"https://a\"\n        repository: \"Prod/{image}\"", at: 8, 21, "is no repository template", "lowercase"),
        Mistake("url: \"https://a\"\n        credentials: secret", at: 8, 22, "credentials must be a mapping", "write 'key: value' lines"),
        Mistake(
            "url: \"https://a\"\n        credentials: { fromFile: a, fromEnv: b }", at: 8, 22, "credentials must name one place",
            "write 'fromFile: PATH'"),
        Mistake("url: \"https://a\"\n        tls: { certificate: a }", at: 8, 14, "a client certificate needs both", "name both files, or neither"),
        Mistake("url: \"https://a\"\n        tls: { ca: [] }", at: 8, 20, "ca must be a text", "write one value"),
        Mistake(
            "url: \"https://a\"\n        proxy: { credentialsEnv: P }", at: 8, 16, "the proxy has no url",
            "add 'url: http://proxy.example.com:3128'"),
        Mistake("url: \"https://a\"\n        proxy: { url: \"ftp://p\" }", at: 8, 23, "'ftp://p' is no proxy URL", "write http://"),
        Mistake("url: \"https://a\"\n        additionalHosts: [\"*\"]", at: 8, 27, "'*' is no host", "write HOST, HOST:PORT or *.DOMAIN"),
        Mistake("url: \"https://a\"\n        additionalHosts: [\"a/b\"]", at: 8, 27, "'a/b' is no host", "write HOST"),
        Mistake("url: \"https://a\"\n        limits: { concurrency: 0 }", at: 8, 32, "concurrency must be a whole number", "from 1 to 256"),
        Mistake("url: \"https://a\"\n        limits: { bytesPerSecond: fast }", at: 8, 35, "bytesPerSecond must be a whole number", "from 1024"),
        Mistake("url: \"https://a\"\n        limits: { bandwidth: 12 }", at: 8, 30, "'12' is no bandwidth", "a size such as 8MiB"),
        Mistake("url: \"https://a\"\n        profile: { mount: some }", at: 8, 27, "mount can't be 'some'", "use one of: any, committed, never"),
        Mistake("url: \"https://a\"\n        profile: { chunkSize: 1KiB }", at: 8, 31, "'1KiB' is no chunkSize", "from 65536 bytes"),
        Mistake("url: \"https://a\"\n        plainHttp: true", at: 8, 9, "a registry has no key 'plainHttp'", "did you mean 'plainHTTP'?"),
    ]

    @Test(arguments: registryMistakes)
    func ofARegistryAreReportedWithPlaceAndRemedy(_ mistake: Mistake) throws {
        let text = "version: 1\nkind: Environments\nenvironments:\n  - name: a\n    registries:\n      - name: r\n        \(mistake.lines)\n"
        try expect(Samples.mistakes(environments: text), mistake, in: "environments.yaml")
    }

    private func expect(_ found: [PolicyDiagnostic], _ mistake: Mistake, in file: String) throws {
        let first = try #require(found.first)
        #expect("\(first.file):\(first.line):\(first.column)" == "\(file):\(mistake.line):\(mistake.column)")
        #expect(first.problem.contains(mistake.problem))
        #expect(first.remedy.contains(mistake.remedy))
    }

    @Test func ofAllFilesAreReportedTogether() {
        let found = Samples.mistakes([
            ("a.yaml", Samples.policy("same", "mode: x")), ("b.yaml", Samples.policy("same")),
            ("c.yaml", Samples.policy("c", "tagz: {}\nlabelz: {}")),
            ("environments.yaml", Samples.environments),
        ])
        #expect(found.map { "\($0.file):\($0.line)" } == ["a.yaml:5", "c.yaml:5", "c.yaml:6", "b.yaml:3"])
        #expect(found.last?.problem == "policy 'same' stands in a.yaml:3 already")
        #expect(found.last?.description == "b.yaml:3:1: policy 'same' stands in a.yaml:3 already; give each policy its own name")
    }

    @Test func aFolderWithoutEnvironmentsIsRefused() {
        let found = Samples.mistakes([("p.yaml", Samples.policy())])
        #expect(found.map(\.problem) == ["no file of kind Environments was found"])
        #expect(Samples.mistakes([]).count == 1)
    }

    @Test func oneMistakeInTheEnvironmentsIsNotReportedForEveryPolicy() {
        let broken = Samples.environments.replacing("https://prod", with: "ftp://prod")
        for text in [broken, "a: b: c", "version: 1\nkind: Environment\n"] {
            #expect(Samples.mistakes([("environments.yaml", text), ("p.yaml", Samples.policy())]).map(\.file) == ["environments.yaml"])
        }
    }

    @Test func aSuggestionIsMadeOnlyWhereItIsNear() {
        #expect(Spelling.nearest(to: "Semver", in: ["semver", "target"]) == "semver")
        #expect(Spelling.nearest(to: "x", in: ["a", "to"]) == nil)
        #expect(Spelling.nearest(to: String(repeating: "x", count: 900), in: ["semver"]) == nil)
    }
}
