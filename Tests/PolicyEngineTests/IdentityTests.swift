import Foundation
import OCI
import Testing

@testable import PolicyEngine

/// What an identities file means, and what it may not say.
@Suite("Identities")
struct IdentityTests {
    private static let github = "issuers:\n  github: { preset: github-actions, audience: shiplift }\n"

    private static func file(_ text: String) -> [(path: String, text: String)] {
        [("environments.yaml", Samples.environments), ("identities.yaml", "version: 1\nkind: Identities\n" + text)]
    }

    private static func rule(_ claims: String, _ grants: String = "{ verbs: promote, images: shop/**, environments: staging }") -> String {
        github + "rules:\n  - { name: r, issuer: github, claims: { \(claims) }, grants: \(grants) }\n"
    }

    private func set(_ text: String) throws -> PolicySet {
        try PolicySet(files: Self.file(text).map { PolicyFile(path: $0.path, text: $0.text) }, commit: nil)
    }

    private func permits(_ text: String, _ claims: [String: [String]], _ verb: Verb = .promote, _ image: String = "shop/api", _ environment: String = "staging") throws -> Bool {
        let set = try set(text)
        let issuer = try #require(set.identities.issuer(named: "github"))
        let (image, environment) = (try ImageName(parsing: image), try #require(EnvironmentName(parsing: environment)))
        return set.permissions(of: issuer, claims: claims).permissions.contains { $0.allows(verb, image, in: environment) }
    }

    @Test func aRuleGivesWhatItSaysToWhomItSays() throws {
        let text = Self.rule("repository_id: \"7\", environment: [staging, qa-*]")
        let good = ["repository_id": ["7"], "environment": ["staging"]]
        #expect(try permits(text, good) && permits(text, ["repository_id": ["7"], "environment": ["qa-1"]]))
        #expect(try !permits(text, good, .report) && !permits(text, good, .administer) && !permits(text, good, .promote, "shop/api", "production"))
        #expect(try !permits(text, ["repository_id": ["7"]]) && !permits(text, ["environment": ["staging"]]) && !permits(text, [:]))
    }

    /// Attack: a role for `shop/*` asks for `shop/a/b` and `shopx/a`.
    @Test(arguments: [("shop/api", true), ("shop/a/b", false), ("shopx/a", false), ("shop", false), ("xshop/a", false), ("a/shop/api", false)])
    func attackAnImageBesideThePattern(_ image: String, _ isAllowed: Bool) throws {
        let text = Self.rule("repository_id: \"7\"", "{ verbs: promote, images: shop/*, environments: all }")
        #expect(try permits(text, ["repository_id": ["7"]], .promote, image) == isAllowed)
        let permission = Permission(verbs: [.promote], images: ["shop/*"])
        #expect(permission.allows(.promote, try ImageName(parsing: image), in: nil) == isAllowed)
        #expect(!permission.allows(.promote, nil, in: nil))
    }

    /// Attack: another repository's token, with a name that holds, begins or ends with the right one, or looks like it.
    @Test(arguments: [
        "evil/acme/shop", "acme/shop-evil", "acme/shop/x", "acme/shop\nx", "x\nacme/shop", "acme/shop ", "Acme/shop", "acme/*", "*", "acme/sho", "", "acme/\u{73}hop\u{301}",
        // KELVIN SIGN: Unicode says that it is a K.
        "acme/shop\u{0}", "acme\u{2044}shop",
    ])
    func attackTheTokenOfAnotherRepository(_ name: String) throws {
        #expect(try !permits(Self.rule("repository: acme/shop"), ["repository": [name]]))
        #expect(try !permits(Self.rule("repository: acme/sho?"), ["repository": [name]]) || name == "acme/sho?")
        #expect(try permits(Self.rule("repository: acme/shop"), ["repository": ["acme/shop"]]))
    }

    @Test func attackALetterThatUnicodeTakesForAnother() throws {
        // U+212A is canonically equal to K, so that Swift's == says that they are one.
        #expect("\u{212A}" == "K")
        #expect(try !permits(Self.rule("repository: acme/K"), ["repository": ["acme/\u{212A}"]]))
        var set = try set(Self.github.replacing("audience: shiplift", with: "audience: shiplift, issuer: \"https://K.test\""))
        #expect(set.identities.issuer(of: "https://\u{212A}.test") == nil && set.identities.issuer(of: "https://K.test") != nil)
        set = try Samples.set()
        #expect(!set.names(["oidc:x#K"], include: Identity(id: "oidc:x#\u{212A}")) && set.names(["oidc:x#K"], include: Identity(id: "oidc:x#K")))
    }

    /// Attack: wildcards in claims that let others in. What could be matched by strangers is no rule.
    @Test(arguments: [
        ("repository: \"*\"", "takes any value"), ("repository: \"**\"", "takes any value"), ("repository: \"*/*\"", "takes any value"),
        ("repository: \"*/shop\"", "others at"), ("repository: \"acme*\"", "others at"), ("repository: \"acme**\"", "others at"), ("repository: \"ac?e/shop\"", "others at"),
        ("repository: \"regex:.*\"", "takes any value"), ("repository: \"regex:.*acme/shop\"", "others at"), ("environment: production", "others at"),
        ("ref: refs/heads/main", "others at"), ("repository: [acme/shop, \"*/shop\"]", "others at"), ("event_name: push, ref: \"**\"", "takes any value"),
    ])
    func attackWildcardsInClaims(_ claims: String, _ problem: String) {
        let mistakes = Samples.mistakes(Self.file(Self.rule(claims)))
        #expect(mistakes.contains { $0.file == "identities.yaml" && $0.line == 6 && $0.problem.contains(problem) }, "\(mistakes)")
    }

    @Test(arguments: [
        ("repository: acme/shop", true), ("repository: acme/*", true), ("repository_owner_id: \"7\"", false), ("repository: acme/shop, repository_id: \"1\"", false),
    ])
    func namesThatCanChangeHandsAreRemarked(_ claims: String, _ isRemarked: Bool) throws {
        let remarks = try set(Self.rule(claims)).remarks(at: Samples.now)
        #expect(remarks.contains { $0.file == "identities.yaml" && $0.line == 6 && $0.remedy.contains("repository_id") } == isRemarked)
    }

    @Test(arguments: [
        (rule("repository: acme/shop", "{ verbs: promote, images: shop/** }"), "does not say into which environments"),
        (rule("repository: acme/shop", "{ verbs: promote, environments: staging }"), "does not say for which images"),
        (rule("repository: acme/shop", "{ verbs: promote, images: shop/**, environments: nowhere }"), "environment 'nowhere' is not in"),
        (rule("repository: acme/shop", "{ verbs: approve, images: shop/**, environments: all }"), "lets a pipeline approve"),
        (rule("repository: acme/shop", "{ verbs: [override], images: shop/**, environments: all }"), "lets a pipeline approve"),
        (github + "rules: [{ name: r, issuer: gitlab, claims: { sub: a }, grants: { verbs: read } }]\n", "issuer 'gitlab' is not in"),
        ("issuers: { a: { preset: kubernetes, audience: b } }\n", "the issuer has no URL"),
        ("issuers: { a: { issuer: \"http://idp.test\", audience: b } }\n", "is not encrypted"),
        ("issuers: { a: { issuer: \"http://idp.test\", audience: b, plainHTTP: true } }\n", "is not encrypted"),
        ("issuers: { a: { issuer: \"http://127.0.0.1.evil.test\", audience: b, plainHTTP: true } }\n", "is not encrypted"),
        ("issuers: { a: { issuer: \"https://a\", audience: b, keys: { url: \"http://a/jwks\" } } }\n", "is not encrypted"),
        ("issuers: { a: { issuer: \"https://user@a\", audience: b } }\n", "is no URL of an issuer"),
        ("issuers: { a: { issuer: \"https://a\", audience: b }, c: { issuer: \"https://a\", audience: d } }\n", "stands here twice"),
        ("issuers: { a: { issuer: \"https://a\", audience: b, skew: 1h } }\n", "skew must be"),
        ("issuers: { a: { issuer: \"https://a\", audience: b, login: { clientID: c, scopes: profile } } }\n", "lack 'openid'"),
    ])
    func mistakesSayWhereTheyAre(_ text: String, _ problem: String) {
        let mistakes = Samples.mistakes(Self.file(text))
        #expect(mistakes.contains { $0.file == "identities.yaml" && $0.problem.contains(problem) && !$0.remedy.isEmpty && $0.line >= 3 }, "\(mistakes)")
    }

    @Test func aSecondFileIsRefused() {
        let mistakes = Samples.mistakes(Self.file(Self.github) + [("more.yaml", "version: 1\nkind: Identities\n" + Self.github)])
        #expect(mistakes.map(\.problem) == ["identities stand in identities.yaml already"])
    }

    @Test func theyAreAPartOfWhatIsInForce() throws {
        #expect(try set(Self.rule("repository_id: \"7\"")).version != set(Self.rule("repository_id: \"8\"")).version)
    }

    @Test func onlyClaimsThatSomethingLooksAtAreKept() throws {
        let set = try PolicySet(
            files: [
                PolicyFile(path: "environments.yaml", text: Samples.environments),
                PolicyFile(
                    path: "identities.yaml",
                    text: "version: 1\nkind: Identities\nissuers: { idp: { issuer: \"https://idp.example.test\", audience: a } }\n"
                        + "rules: [{ name: r, issuer: idp, claims: { department: ops }, grants: { verbs: read } }]\n"),
            ], commit: nil)
        let names = set.claimNames(of: try #require(set.identities.issuer(named: "idp")))
        #expect(names.isSuperset(of: ["department", "groups", "email"]) && !names.contains("repository") && !names.contains("address"))
    }
}
