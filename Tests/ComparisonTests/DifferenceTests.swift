import Foundation
import OCI
import PolicyEngine
import Testing

@testable import Comparison

@Suite struct ImageDifferenceTests {
    static let amd64 = Platform(os: "linux", architecture: "amd64")
    static let arm64 = Platform(os: "linux", architecture: "arm64")

    static func digest(_ text: String) -> Digest { Digest(hashing: Data(text.utf8)) }

    static func contents(_ name: String, parts: [(Platform, (inout RuntimeConfiguration) -> Void)] = [(amd64, { _ in })], _ edit: (inout ImageContents) -> Void = { _ in })
        -> ImageContents
    {
        var contents = ImageContents(digest: digest(name), mediaType: .ociIndex)
        contents.parts = parts.map { platform, edit in
            var runtime = RuntimeConfiguration()
            edit(&runtime)
            return ImageContents.Part(platform: platform, digest: digest("\(name) \(platform)"), runtime: runtime)
        }
        edit(&contents)
        return contents
    }

    static func bom(_ contents: String, _ packages: [(String, String, String?)], format: BillOfMaterials.Format = .spdx, origin: BillOfMaterials.Origin = .attached)
        -> BillOfMaterials
    {
        BillOfMaterials(
            format: format, subject: digest(contents), origin: origin, packages: Set(packages.map { Package(type: $0.0, name: $0.1, version: $0.2) }))
    }

    static func scan(_ contents: String, _ findings: [(String, Severity?)], at seconds: Double = 0, scanner: String = "trivy") -> ScanFact {
        ScanFact(
            scanner: scanner, digest: digest(contents), completedAt: Date(timeIntervalSince1970: seconds),
            findings: findings.map { Finding(id: $0.0, severity: $0.1, package: "p") })
    }

    @Test func packagesAreMatchedByWhichTheyAre() throws {
        let before = Self.contents("a") { $0.boms = [Self.bom("a", [("deb", "ssl", "1"), ("deb", "gone", "1"), ("npm", "x", "1"), ("npm", "x", "2"), ("deb", "same", "1")])] }
        let after = Self.contents("b") { $0.boms = [Self.bom("b", [("deb", "ssl", "2"), ("deb", "came", nil), ("npm", "x", "2"), ("npm", "x", "3"), ("deb", "same", "1")])] }
        let found = try #require(ImageDifference(from: before, to: after).packages)
        #expect(found.added == [PackageChange(type: "deb", name: "came", before: [], after: ["?"])])
        #expect(found.removed == [PackageChange(type: "deb", name: "gone", before: ["1"], after: [])])
        #expect(
            found.changed == [
                PackageChange(type: "deb", name: "ssl", before: ["1"], after: ["2"]), PackageChange(type: "npm", name: "x", before: ["1"], after: ["3"]),
            ])
        #expect(found.unchanged == 1 && found.total == 4 && found.isCompared)
    }

    /// A document that somebody trusted signed is believed before one that anybody could attach, and the same format on both sides before a longer one.
    @Test func theBestDocumentIsTaken() throws {
        let before = Self.contents("a") { $0.boms = [Self.bom("a", [("deb", "ssl", "1")], format: .cyclonedx)] }
        let after = Self.contents("b") {
            $0.boms = [
                Self.bom("b", [("deb", "forged", "1"), ("deb", "more", "1")]), Self.bom("b", [("deb", "ssl", "2")], origin: .signed(by: "ci")),
                Self.bom("b", [("deb", "ssl", "3")], format: .cyclonedx, origin: .posted(by: "x")), Self.bom("elsewhere", [("deb", "not-ours", "1")], origin: .signed(by: "ci")),
            ]
        }
        let mixed = try #require(ImageDifference(from: before, to: after).packages)
        #expect(mixed.changed.map(\.after) == [["3"]])
        let alone = try #require(ImageDifference(from: nil, to: after).packages)
        #expect(alone.added.map(\.name) == ["ssl"] && alone.after.map(\.origin) == [.signed(by: "ci")])
    }

    @Test func platformsWithoutADocumentAreNamed() throws {
        let after = Self.contents("b", parts: [(Self.amd64, { _ in }), (Self.arm64, { _ in })]) { $0.boms = [Self.bom("b linux/amd64", [("deb", "a", "1")])] }
        let found = ImageDifference(from: nil, to: after)
        #expect(found.packages?.total == 1 && found.remarks.contains { $0.contains("no bill of materials of this version for linux/arm64") })
        let without = Self.contents("a")
        let compared = ImageDifference(from: without, to: after)
        #expect(compared.packages?.isCompared == false && compared.packages?.added == [] && compared.remarks.contains { $0.contains("can't be compared") })
        #expect(ImageDifference(from: without, to: without).packages == nil)
    }

    @Test func vulnerabilitiesAreNewFixedOrRemainTheWorstFirst() throws {
        let before = Self.contents("a") { $0.scans = [Self.scan("a", [("CVE-1", .low), ("CVE-2", .high), ("CVE-9", .low)]), Self.scan("other", [("CVE-8", .critical)])] }
        var renamed = Self.scan("b", [("CVE-3", .medium), ("CVE-4", .critical), ("CVE-5", nil), ("CVE-1", .low)])
        renamed = ScanFact(
            scanner: "trivy", digest: renamed.digest, completedAt: renamed.completedAt,
            findings: renamed.findings + [Finding(id: "GHSA-2", aliases: ["CVE-2"], severity: .high), Finding(id: "CVE-4", severity: .low, package: "q", fixedIn: "2")])
        let after = Self.contents("b") { $0.scans = [Self.scan("b", [("CVE-7", .critical)], at: -100), renamed] }
        let found = try #require(ImageDifference(from: before, to: after).vulnerabilities)
        #expect(found.added.map(\.id) == ["CVE-4", "CVE-5", "CVE-3"])
        #expect(found.remaining.map(\.id) == ["GHSA-2", "CVE-1"] && found.fixed.map(\.id) == ["CVE-9"])
        #expect(found.added.first?.severity == .critical && found.added.first?.packages == ["p", "q"] && found.added.first?.fixedIn == ["2"])
    }

    /// Who compares an old scan with a fresh one sees new vulnerabilities that are not new.
    @Test func howFarScansCanBeComparedIsSaid() {
        let before = Self.contents("a") { $0.scans = [Self.scan("a", [], scanner: "grype")] }
        let after = Self.contents("b") { $0.scans = [Self.scan("b", [("CVE-1", .low)], at: 3 * 86_400 + 5)] }
        let remarks = ImageDifference(from: before, to: after).remarks
        #expect(remarks.contains { $0.contains("3 days earlier") } && remarks.contains { $0.contains("grype before, trivy now") })
        let without = ImageDifference(from: Self.contents("a") { $0.scans = [] }, to: after)
        #expect(without.vulnerabilities?.isCompared == false && without.remarks.contains { $0.contains("no scan of what is there") })
        #expect(ImageDifference(from: before, to: Self.contents("b")).vulnerabilities == nil)
    }

    @Test func configurationIsComparedAndSecretsStayHidden() {
        let before = Self.contents(
            "a",
            parts: [
                (
                    Self.amd64,
                    {
                        $0.user = "1000"; $0.environment = ["A=1", "DB_PASSWORD=old", "SAME=x"]; $0.entrypoint = ["/run"]
                    }
                )
            ])
        let after = Self.contents(
            "b",
            parts: [
                (
                    Self.amd64,
                    {
                        $0.environment = ["A=2", "DB_PASSWORD=new", "SAME=x", "B"]; $0.entrypoint = ["/run", "--token=abc"]; $0.ports = ["80/tcp"]
                    }
                )
            ])
        let found = ImageDifference(from: before, to: after).configuration
        #expect(
            found == [
                Change(name: "entrypoint", before: "/run", after: "/run --token=•••"), Change(name: "env A", before: "1", after: "2"),
                Change(name: "env B", before: nil, after: ""), Change(name: "env DB_PASSWORD", before: "•••", after: "•••"),
                Change(name: "ports", before: nil, after: "80/tcp"), Change(name: "user", before: "1000", after: nil),
            ])
    }

    @Test func whatDiffersOnOnePlatformIsSaidOfIt() {
        let before = Self.contents(
            "a",
            parts: [
                (
                    Self.amd64,
                    {
                        $0.user = "1"; $0.labels = ["l": "1"]
                    }
                ),
                (
                    Self.arm64,
                    {
                        $0.user = "1"; $0.labels = ["l": "1"]
                    }
                ),
            ])
        let after = Self.contents(
            "b",
            parts: [
                (
                    Self.amd64,
                    {
                        $0.user = "2"; $0.labels = ["l": "2"]
                    }
                ),
                (
                    Self.arm64,
                    {
                        $0.user = "1"; $0.labels = ["l": "2"]
                    }
                ),
                (
                    Platform(os: "linux", architecture: "s390x"),
                    {
                        $0.user = "9"; $0.labels = ["l": "2"]
                    }
                ),
            ])
        let found = ImageDifference(from: before, to: after)
        #expect(found.configuration == [Change(name: "user", before: "1", after: "2", platforms: [Self.amd64])])
        #expect(found.labels == [Change(name: "l", before: "1", after: "2")])
        #expect(found.platformsAdded.map(\.architecture) == ["s390x"] && found.platformsKept == [Self.amd64, Self.arm64])
    }

    @Test func layersAreSharedOrNew() {
        func layer(_ name: String, _ size: Int64) -> Descriptor { Descriptor(mediaType: .ociManifest, digest: Self.digest(name), size: size) }
        let before = Self.contents("a") {
            $0.layers = [layer("base", 100), layer("old", 10)]; $0.sizeBytes = 110
        }
        let after = Self.contents("b") {
            $0.layers = [layer("base", 100), layer("new", 7), layer("more", 1)]; $0.sizeBytes = 108
        }
        let found = ImageDifference(from: before, to: after)
        #expect(found.layers.shared.bytes == 100 && found.layers.added.bytes == 8 && found.layers.added.layers == 2 && found.layers.removed.layers == 1)
        #expect(found.sizeBefore == 110 && found.sizeAfter == 108)
    }

    @Test func whereNothingIsThereEverythingIsNew() {
        let after = Self.contents("b", parts: [(Self.amd64, { $0.user = "1" })]) {
            $0.annotations = ["a": "b"]; $0.scans = [Self.scan("b", [("CVE-1", .low)])]
        }
        let found = ImageDifference(from: nil, to: after)
        #expect(found.configuration == [Change(name: "user", before: nil, after: "1")] && found.annotations == [Change(name: "a", before: nil, after: "b")])
        #expect(found.vulnerabilities?.added.count == 1 && found.sizeBefore == nil && found.platformsAdded == [Self.amd64])
    }
}

@Suite struct SourceTests {
    static func contents(_ source: String?, _ revision: String?) -> ImageContents {
        ImageDifferenceTests.contents(
            "x",
            parts: [
                (
                    ImageDifferenceTests.amd64,
                    {
                        $0.labels["org.opencontainers.image.source"] = source
                        $0.labels["org.opencontainers.image.revision"] = revision
                    }
                )
            ])
    }

    static let (old, new) = ("4f5e9b1c2d3a", "a1b2c3d4e5f6")

    @Test(arguments: [
        ("https://github.com/shop/api", "https://github.com/shop/api/compare/4f5e9b1c2d3a...a1b2c3d4e5f6"),
        ("https://github.com/shop/api.git", "https://github.com/shop/api/compare/4f5e9b1c2d3a...a1b2c3d4e5f6"),
        ("https://gitlab.example.test/group/sub/api", "https://gitlab.example.test/group/sub/api/-/compare/4f5e9b1c2d3a...a1b2c3d4e5f6"),
        ("https://bitbucket.org/shop/api/", "https://bitbucket.org/shop/api/branches/compare/a1b2c3d4e5f6%0D4f5e9b1c2d3a"),
    ])
    func forgesThatAreKnownGetALink(_ source: String, _ url: String) {
        #expect(ImageDifference(from: Self.contents(source, Self.old), to: Self.contents(source, Self.new)).source.compareURL == url)
    }

    @Test(arguments: [
        "http://github.com/shop/api", "https://github.com@evil.test/shop/api", "https://github.com:444/shop/api", "https://evil.test/shop/api", "javascript:alert(1)",
        "https://github.com/shop/api?x=y", "https://github.com/shop/../api", "https://github.com/shop/api/tree/main", "https://github.com/shop", "https://github.com/shop/a\npi",
        "https://gitlab.com/", "https://github.com/shop/api#x",
    ])
    func nothingElseDoes(_ source: String) {
        #expect(ImageDifference(from: Self.contents(source, Self.old), to: Self.contents(source, Self.new)).source.compareURL == nil)
    }

    @Test func bothMustNameTheSameRepositoryAndCommits() {
        let good = Self.contents("https://github.com/shop/api", Self.old)
        for other in [Self.contents("https://github.com/fork/api", Self.new), Self.contents("https://github.com/shop/api", "main"), Self.contents(nil, Self.new), good] {
            #expect(ImageDifference(from: good, to: other).source.compareURL == nil)
        }
    }
}

@Suite struct BaselineTests {
    static func tag(_ text: String) throws -> OCI.Tag { try OCI.Tag(parsing: text) }

    static func there(_ text: String, _ seconds: Double) throws -> TagThere {
        TagThere(tag: try tag(text), digest: ImageDifferenceTests.digest(text), since: Date(timeIntervalSince1970: seconds))
    }

    @Test func aTagThatMovesIsWhatItIsComparedWith() throws {
        let (stable, own) = (try Self.tag("stable"), ImageDifferenceTests.digest("own"))
        let moved = Baseline.choose(for: own, under: [stable], moving: [(stable, own), (try Self.tag("latest"), ImageDifferenceTests.digest("old"))], others: [])
        #expect(moved?.tag?.description == "latest" && moved?.reason.contains("would move") == true)
        let same = Baseline.choose(for: own, under: [stable], moving: [(stable, own)], others: [])
        #expect(same?.digest == own && same?.reason.contains("already") == true)
    }

    @Test func elseTheVersionNextBelow() throws {
        let others = try [Self.there("1.2.0", 9), Self.there("1.10.0", 1), Self.there("2.0.0", 2), Self.there("latest", 50), Self.there("sha256-aa.sig", 99)]
        func choice(_ tag: String, _ others: [TagThere]) throws -> String? {
            Baseline.choose(for: ImageDifferenceTests.digest("own"), under: [try Self.tag(tag)], moving: [], others: others)?.tag?.description
        }
        #expect(try choice("1.11.0", others) == "1.10.0")
        #expect(try choice("0.9.0", others) == "1.2.0")
        #expect(try choice("nightly", others) == "latest")
        #expect(try choice("1.0.0", [Self.there("main", 1)]) == "main")
        #expect(try choice("1.0.0", []) == nil)
    }
}
