import OCI
import Testing

@testable import PolicyEngine

@Suite("Semantic versions")
struct SemanticVersionTests {
    /// The examples of semver.org for its grammar.
    @Test(arguments: [
        "0.0.4", "1.2.3", "10.20.30", "1.1.2-prerelease+meta", "1.1.2+meta", "1.1.2+meta-valid", "1.0.0-alpha", "1.0.0-beta", "1.0.0-alpha.beta",
        "1.0.0-alpha.beta.1", "1.0.0-alpha.1",
        "1.0.0-alpha0.valid", "1.0.0-alpha.0valid", "1.0.0-alpha-a.b-c-somethinglong+build.1-aef.1-its-okay", "1.0.0-rc.1+build.1",
        "2.0.0-rc.1+build.123", "1.2.3-beta", "10.2.3-DEV-SNAPSHOT",
        "1.2.3-SNAPSHOT-123", "1.0.0", "2.0.0", "1.1.7", "2.0.0+build.1848", "2.0.1-alpha.1227", "1.0.0-alpha+beta",
        "1.2.3----RC-SNAPSHOT.12.9.1--.12+788", "1.2.3----R-S.12.9.1--.12+meta",
        "1.2.3----RC-SNAPSHOT.12.9.1--.12", "1.0.0+0.build.1-rc.10000aaa-kk-0.1", "1.0.0-0A.is.legal", "v1.2.3", "20261125.3.0",
        "20261125134806.0.0", "999999999999999999.0.0",
    ])
    func areTaken(_ text: String) { #expect(SemanticVersion(parsing: text) != nil) }

    @Test(arguments: [
        "1", "1.2", "1.2.3-0123", "1.2.3-0123.0123", "1.1.2+.123", "+invalid", "-invalid", "-invalid+invalid", "-invalid.01", "alpha", "alpha.beta",
        "alpha.beta.1", "alpha.1", "alpha+beta",
        "alpha_beta", "alpha.", "alpha..", "beta", "1.0.0-alpha_beta", "-alpha.", "1.0.0-alpha..", "1.0.0-alpha..1", "1.0.0-alpha...1", "01.1.1",
        "1.01.1", "1.1.01", "1.2.3.DEV", "1.2-SNAPSHOT",
        "1.2.31.2.3----RC-SNAPSHOT.12.09.1--..12+788", "1.2-RC-SNAPSHOT", "-1.0.3-gamma+b7718", "+justmeta", "9.8.7+meta+meta",
        "9.8.7-whatever+meta+meta", "1.0.0+", "1.0.0-", "", "v", "V1.2.3", "vv1.2.3",
        "1.2.3 ", " 1.2.3", "1.2.٣", "1.2.3-é", "99999999999999999999999.999999999999999999.99999999999999999", "latest",
    ])
    func areRefused(_ text: String) { #expect(SemanticVersion(parsing: text) == nil) }

    @Test func haveThePrecedenceOfSection11() throws {
        let ascending = [
            "0.9.9", "1.0.0--1", "1.0.0-0", "1.0.0-1", "1.0.0-2", "1.0.0-10", "1.0.0-99999999999999999998", "1.0.0-99999999999999999999",
            "1.0.0-100000000000000000000", "1.0.0-A", "1.0.0-alpha",
            "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1", "1.1.0", "1.9.0",
            "1.10.0", "1.11.0", "2.0.0", "2.1.0", "2.1.1",
        ]
        // `-1` is no number but a word that begins with a hyphen: it stands behind all numbers.
        let sorted = ascending.filter { $0 != "1.0.0--1" }.flatMap { $0 == "1.0.0-100000000000000000000" ? [$0, "1.0.0--1"] : [$0] }
        let versions = try sorted.map { try #require(SemanticVersion(parsing: $0)) }
        for (i, one) in versions.enumerated() {
            for (j, other) in versions.enumerated() { #expect((one < other) == (i < j), "\(sorted[i]) < \(sorted[j])") }
        }
    }

    @Test func buildMetadataAndAVDoNotCount() { #expect(SemanticVersion(parsing: "v1.0.0-rc.1+a") == SemanticVersion(parsing: "1.0.0-rc.1+b")) }
}

@Suite("Ranges of versions")
struct SemanticVersionRangeTests {
    /// The forms that node-semver documents, with what is just inside and just outside.
    @Test(arguments: [
        ("1.2.3", ["1.2.3"], ["1.2.4", "1.2.3-rc.1", "1.2.2"]), ("=1.2.3", ["1.2.3"], ["1.2.4"]), ("v1.2.3", ["1.2.3"], ["1.2.4"]),
        (">=1.2.7 <1.3.0", ["1.2.7", "1.2.8", "1.2.99"], ["1.2.6", "1.3.0", "1.1.0"]),
        ("1.2.7 || >=1.2.9 <2.0.0", ["1.2.7", "1.2.9", "1.4.6"], ["1.2.8", "2.0.0"]), ("1.2.3 - 2.3.4", ["1.2.3", "2.3.4"], ["1.2.2", "2.3.5"]),
        ("1.2 - 2.3.4", ["1.2.0", "2.3.4"], ["1.1.9", "2.3.5"]),
        ("1.2.3 - 2.3", ["1.2.3", "2.3.9"], ["1.2.2", "2.4.0"]), ("1.2.3 - 2", ["1.2.3", "2.9.9"], ["1.2.2", "3.0.0", "3.0.0-rc.1"]),
        ("*", ["0.0.0", "9.9.9", "1.0.0-rc.1"], []), ("x", ["1.0.0"], []), ("X", ["1.0.0"], []),
        ("1.x", ["1.0.0", "1.9.9"], ["0.9.9", "2.0.0", "2.0.0-rc.1"]), ("1.X.x", ["1.0.0", "1.9.9"], ["2.0.0"]),
        ("1", ["1.0.0", "1.9.9"], ["2.0.0"]), ("1.2.x", ["1.2.0", "1.2.9"], ["1.3.0"]), ("1.2.*", ["1.2.0"], ["1.3.0"]),
        ("1.2", ["1.2.0", "1.2.9"], ["1.3.0", "1.1.9"]), ("~1.2.3", ["1.2.3", "1.2.9"], ["1.2.2", "1.3.0", "1.3.0-rc.1"]),
        ("~1.2", ["1.2.0", "1.2.9"], ["1.3.0"]), ("~1", ["1.0.0", "1.9.9"], ["2.0.0"]),
        ("~0.2.3", ["0.2.3", "0.2.9"], ["0.3.0"]), ("~0", ["0.0.0", "0.9.9"], ["1.0.0"]), ("~>1.2", ["1.2.5"], ["1.3.0"]),
        ("~1.2.3-beta.2", ["1.2.3-beta.2", "1.2.3", "1.2.9"], ["1.2.3-beta.1", "1.3.0"]),
        ("^1.2.3", ["1.2.3", "1.9.9", "1.3.0-rc.1"], ["1.2.2", "2.0.0", "2.0.0-rc.1"]), ("^0.2.3", ["0.2.3", "0.2.9"], ["0.2.2", "0.3.0"]),
        ("^0.0.3", ["0.0.3"], ["0.0.2", "0.0.4", "0.0.4-rc.1"]),
        ("^1.2.3-beta.2", ["1.2.3-beta.2", "1.2.3-beta.4", "1.9.9"], ["1.2.3-beta.1", "2.0.0"]),
        ("^0.0.3-beta", ["0.0.3-pr.2", "0.0.3"], ["0.0.3-alpha", "0.0.4"]), ("^1.2.x", ["1.2.0", "1.9.9"], ["2.0.0"]),
        ("^0.0.x", ["0.0.0", "0.0.9"], ["0.1.0"]), ("^0.0", ["0.0.9"], ["0.1.0"]), ("^1.x", ["1.0.0"], ["2.0.0"]),
        ("^0.x", ["0.0.0", "0.9.9"], ["1.0.0"]), ("^*", ["1.0.0"], []), ("^0.0.0", ["0.0.0"], ["0.0.1"]),
        (">1.2.3", ["1.2.4", "1.2.4-rc.1"], ["1.2.3"]), (">1.2", ["1.3.0"], ["1.2.9", "1.2.0"]), (">1", ["2.0.0"], ["1.9.9"]),
        (">=1.2", ["1.2.0"], ["1.1.9", "1.2.0-rc.1"]), ("<1.2", ["1.1.9"], ["1.2.0", "1.2.0-rc.1"]),
        ("<2.0.0", ["1.9.9", "1.9.9-rc.1"], ["2.0.0", "2.0.0-rc.1"]), ("<2.0.0-rc.2", ["2.0.0-rc.1"], ["2.0.0-rc.2", "2.0.0"]),
        ("<=1.2", ["1.2.9"], ["1.3.0", "1.3.0-rc.1"]), ("<=1.2.3", ["1.2.3", "1.2.3-rc.1"], ["1.2.4"]),
        (">= 1.0.0 < 2", ["1.0.0", "1.9.9"], ["0.9.9", "2.0.0"]), (">=1.0.0", ["1.0.0", "99.0.0"], ["1.0.0-rc.1", "0.9.9"]),
    ])
    func takeWhatIsInside(_ text: String, inside: [String], outside: [String]) throws {
        let range = try #require(SemanticVersionRange(parsing: text))
        for version in inside { #expect(range.contains(try #require(SemanticVersion(parsing: version))), "\(version)") }
        for version in outside { #expect(!range.contains(try #require(SemanticVersion(parsing: version))), "\(version)") }
    }

    @Test(arguments: [
        "", " ", "||", "1.x ||", "|| 1.x", "newest", ">", ">=", "> >1.0.0", "1.0.0 >", "1.2.3.4", "1.x.3", "x.1", ">*", "<*", "01.2.3", "1.02",
        "1.2.3-01", "^", "~", "1 - ", "- 1", "1 - 2 - 3", ">=1 - 2", "1.2-rc", "=>1.0.0", "1,2",
        "!1.0.0", "1.0.0 or 2.0.0", String(repeating: "1.0.0 || ", count: 30) + "1.0.0",
    ])
    func thatSayNothingAreRefused(_ text: String) { #expect(SemanticVersionRange(parsing: text) == nil) }
}

@Suite("Templates")
struct TemplateTests {
    @Test(arguments: [
        ("{tag}", "1.4.2", "1.4.2"), ("{tag}", "latest", "latest"), ("v{tag}", "1.4.2", "v1.4.2"), ("stable", "1.4.2", "stable"),
        ("{semver.major}.{semver.minor}", "v1.4.2", "1.4"),
        ("{semver.major}", "1.4.2-rc.1", "1"), ("{semver.major}.{semver.minor}.{semver.patch}", "1.4.2-rc3", "1.4.2"),
        ("{tag}-{semver.patch}", "1.4.2", "1.4.2-2"), ("{semver.major}", "latest", nil),
        ("{tag}{tag}", String(repeating: "a", count: 65), nil),
    ])
    func makeTargetTags(_ template: String, _ source: String, _ expected: String?) throws {
        let template = try #require(TagTemplate(parsing: template))
        #expect(template.tag(for: try Tag(parsing: source))?.description == expected)
    }

    @Test(arguments: [
        "", "{}", "{Tag}", "{tag", "tag}", "{semver}", "{semver.major", "{image}", "-{tag}", ".{tag}", "{tag}/x", "{tag} ", "é", "{tag}{", "{{tag}}",
        String(repeating: "a", count: 129),
    ])
    func thatMakeNoTagAreRefused(_ template: String) { #expect(TagTemplate(parsing: template) == nil) }

    @Test(arguments: [
        ("{image}", "shop/api"), ("prod/{image}", "prod/shop/api"), ("prod-{image}", "prod-shop/api"), ("{image}/prod", "shop/api/prod"),
        ("a/{image}/b", "a/shop/api/b"),
    ])
    func makeRepositoriesAndReadThemBack(_ template: String, _ repository: String) throws {
        let template = try #require(RepositoryTemplate(parsing: template))
        let image = try ImageName(parsing: "shop/api")
        #expect(try template.repository(for: image).description == repository)
        #expect(template.image(for: try RepositoryName(parsing: repository)) == image)
    }

    @Test(arguments: [
        "", "prod", "{image}{image}", "{image}/{image}", "Prod/{image}", "/{image}", "{image}/", "prod//{image}", "{Image}", "prod/{image",
        "é/{image}",
    ])
    func thatMakeNoRepositoryAreRefused(_ template: String) { #expect(RepositoryTemplate(parsing: template) == nil) }

    @Test func doNotClaimOthersRepositories() throws {
        let template = try #require(RepositoryTemplate(parsing: "prod/{image}"))
        for name in ["prod", "dev/shop/api", "production/shop", "xprod/shop"] {
            #expect(template.image(for: try RepositoryName(parsing: name)) == nil)
        }
        let around = try #require(RepositoryTemplate(parsing: "a/{image}/a"))
        #expect(around.image(for: try RepositoryName(parsing: "a/a")) == nil)
    }

    @Test func refuseAnImageThatMakesTheNameTooLong() throws {
        let template = try #require(RepositoryTemplate(parsing: "prod/{image}"))
        let image = try ImageName(parsing: String(repeating: "a", count: 255))
        #expect(throws: NameError.self) { try template.repository(for: image) }
    }
}
