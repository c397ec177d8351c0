import Foundation
import OCI
import Yams

extension YAMLReader {
    /// Reads a document of kind Identities.
    mutating func identities(_ document: Node) -> Identities {
        var identities = Identities()
        guard let members = members(document, of: "the file", allowed: ["version", "kind", "issuers", "rules"]) else { return identities }
        if let node = members["issuers"] {
            for (name, key, value) in named(node, "issuers") {
                guard let issuer = issuer(value, name, key) else { continue }
                if identities.issuer(of: issuer.issuer) != nil {
                    report(key, "the issuer '\(issuer.issuer)' stands here twice", "keep one of them: its tokens name the issuer, and not your name for it")
                }
                identities.issuers.append(issuer)
            }
        } else {
            report(document, "no issuers are named", "add 'issuers:' with those whose tokens count")
        }
        for item in members["rules"].map({ list($0, "rules") }) ?? [] {
            guard let rule = rule(item, identities.issuers) else { continue }
            if identities.rules.contains(where: { $0.name == rule.name }) { report(item, "rule '\(rule.name)' stands here twice", "give each its own name") }
            identities.rules.append(rule)
        }
        return identities
    }

    static let issuerKeys = [
        "preset", "issuer", "audience", "algorithms", "keys", "additionalHosts", "ca", "skew", "maximumLife", "plainHTTP", "login",
    ]

    private mutating func issuer(_ node: Node, _ name: String, _ key: Node) -> TrustedIssuer? {
        guard let members = members(node, of: "an issuer", allowed: Self.issuerKeys) else { return nil }
        let preset = members["preset"].map { choice($0, "preset", TrustedIssuer.Preset.self) } ?? .generic
        let allowsPlain = members["plainHTTP"].flatMap { bool($0, "plainHTTP") } ?? false
        let audiences = required(members["audience"], "audience", in: node, "add the audience that its tokens are made for: 'audience: https://shiplift.example.com'")
            .map { texts($0, "audience") }
        guard let preset, let issuer = issuerURL(members["issuer"], preset, in: node, plain: allowsPlain), let audiences else { return nil }
        return TrustedIssuer(
            name: name, source: SourceLocation(file: file, line: key.mark?.line ?? 1), preset: preset, issuer: issuer, audiences: audiences,
            algorithms: members["algorithms"].map { algorithms($0) } ?? ["RS256"], keys: members["keys"].flatMap { keys($0, plain: allowsPlain) } ?? .discovery,
            additionalHosts: hosts(members["additionalHosts"]), caFile: members["ca"].flatMap { string($0, "ca") },
            skewSeconds: members["skew"].flatMap { seconds($0, "skew", in: 0...300, of: node) } ?? 60,
            maximumLifeSeconds: members["maximumLife"].flatMap { seconds($0, "maximumLife", in: 60...31_536_000, of: node) } ?? 86_400,
            login: members["login"].flatMap { login($0) })
    }

    private mutating func issuerURL(_ node: Node?, _ preset: TrustedIssuer.Preset, in mapping: Node, plain: Bool) -> String? {
        guard let node else {
            if let shared = preset.issuer { return shared }
            report(mapping, "the issuer has no URL", "add 'issuer: https://idp.example.com', as its tokens spell it in 'iss'")
            return nil
        }
        return issuerAddress(node, "issuer", plain: plain)
    }

    /// A URL that is asked for keys: https, and http to this machine alone.
    private mutating func issuerAddress(_ node: Node, _ what: String, plain: Bool) -> String? {
        guard let text = string(node, what) else { return nil }
        guard text.utf8.count <= 500, let parts = URLComponents(string: text), let host = parts.host, !host.isEmpty, parts.user == nil, parts.password == nil,
            parts.query == nil, parts.fragment == nil, parts.scheme == "https" || parts.scheme == "http"
        else {
            report(node, "'\(text.excerpt)' is no URL of an issuer", "write https://HOST or https://HOST/PATH, without user, query and fragment")
            return nil
        }
        if parts.scheme == "http", !plain || !["127.0.0.1", "[::1]", "::1", "localhost"].contains(host) {
            report(node, "'\(text)' is not encrypted", "use https://; for tests, 'plainHTTP: true' allows http:// to this machine")
            return nil
        }
        return text
    }

    private mutating func keys(_ node: Node, plain: Bool) -> TrustedIssuer.Keys? {
        if node.scalar?.string == "discovery" { return .discovery }
        guard let members = members(node, of: "keys", allowed: ["url", "file"]), members.count == 1, let (key, value) = members.first else {
            report(node, "the keys must come from one place", "write 'discovery', or one of 'url: https://…/jwks' and 'file: keys/issuer.jwks.json'")
            return nil
        }
        if key == "url" { return issuerAddress(value, "url", plain: plain).map { .url($0) } }
        return self.file(value, "file").map { .file($0) }
    }

    private mutating func algorithms(_ node: Node) -> [String] {
        var algorithms: [String] = []
        for item in list(node, "algorithms") {
            guard let text = string(item, "algorithms") else { continue }
            guard TrustedIssuer.algorithms.contains(text) else {
                report(item, "'\(text.excerpt)' is no algorithm of tokens that count", "use one of: \(TrustedIssuer.algorithms.joined(separator: ", "))")
                continue
            }
            algorithms.append(text)
        }
        return algorithms
    }

    private mutating func seconds(_ node: Node, _ what: String, in range: ClosedRange<Int>, of mapping: Node) -> Int? {
        guard let duration = duration(node, what, in: mapping) else { return nil }
        guard range.contains(Int(duration.seconds)) else {
            report(node, "\(what) must be \(range.lowerBound)s to \(range.upperBound)s", "write for example '60s'")
            return nil
        }
        return Int(duration.seconds)
    }

    private mutating func login(_ node: Node) -> TrustedIssuer.Login? {
        guard let members = members(node, of: "login", allowed: ["clientID", "clientSecret", "scopes"]),
            let clientNode = required(members["clientID"], "clientID", in: node, "add the id under which the issuer knows Shiplift"),
            let client = string(clientNode, "clientID")
        else { return nil }
        let scopes = members["scopes"].map { texts($0, "scopes") } ?? ["openid", "profile", "email"]
        guard scopes.contains("openid"), scopes.allSatisfy({ !$0.contains(" ") && $0.utf8.allSatisfy { (0x21...0x7E).contains($0) } }) else {
            report(members["scopes"] ?? node, "the scopes lack 'openid', or one has a character that none has", "write for example 'scopes: [openid, profile, groups]'")
            return nil
        }
        return TrustedIssuer.Login(clientID: client, clientSecret: members["clientSecret"].flatMap { checkSecret($0) }, scopes: scopes)
    }

    mutating func texts(_ node: Node, _ what: String) -> [String] {
        var texts: [String] = []
        for item in list(node, what) { if let text = string(item, what) { texts.append(text) } }
        return texts
    }
}

extension YAMLReader {
    private mutating func rule(_ node: Node, _ issuers: [TrustedIssuer]) -> IdentityRule? {
        guard let members = members(node, of: "a rule", allowed: ["name", "issuer", "claims", "grants"]) else { return nil }
        let name = required(members["name"], "name", in: node, "name the rule: audit entries and refusals say it").flatMap { string($0, "name") }
        let issuerNode = required(members["issuer"], "issuer", in: node, "name one of 'issuers:'")
        let claimsNode = required(members["claims"], "claims", in: node, "say whose tokens: without claims everybody's at the issuer would count")
        let grantsNode = required(members["grants"], "grants", in: node, "say what they may: 'grants: [{ verbs: promote, images: shop/**, environments: staging }]'")
        guard let name, let issuerNode, let claimsNode, let grantsNode, let issuerName = string(issuerNode, "issuer") else { return nil }
        guard let issuer = issuers.first(where: { $0.name == issuerName }) else {
            let nearest = Spelling.nearest(to: issuerName, in: issuers.map(\.name))
            report(issuerNode, "issuer '\(issuerName.excerpt)' is not in 'issuers:'", nearest.map { "did you mean '\($0)'?" } ?? "add it there")
            return nil
        }
        var claims: [String: [TextPattern]] = [:]
        for (claim, _, value) in named(claimsNode, "claims") { claims[claim] = claimPatterns(value, claim) }
        checkIdentifies(claims, issuer, claimsNode)
        var permissions: [Permission] = []
        for item in grantsNode.mapping == nil ? list(grantsNode, "grants") : [grantsNode] { if let found = permission(item) { permissions.append(found) } }
        if issuer.preset != .generic, permissions.contains(where: { !$0.verbs.isDisjoint(with: [.approve, .override]) }) {
            report(grantsNode, "rule '\(name)' lets a pipeline approve or override, and that needs a person", "grant it to people, who log in by another issuer")
        }
        return IdentityRule(name: name, source: SourceLocation(file: file, line: node.mark?.line ?? 1), issuer: issuerName, claims: claims, permissions: permissions)
    }

    private mutating func claimPatterns(_ node: Node, _ claim: String) -> [TextPattern] {
        var patterns: [TextPattern] = []
        for item in list(node, claim) {
            guard let pattern = pattern(item, claim) else { continue }
            guard pattern.description.hasPrefix("regex:") ? !pattern.matches("") && !pattern.matches("/\u{1}/") : pattern.description.contains(where: { !"*?/".contains($0) })
            else {
                report(item, "'\(pattern)' takes any value of '\(claim)'", "say which, or leave the claim out")
                continue
            }
            patterns.append(pattern)
        }
        return patterns
    }

    /// Where an issuer serves everybody, a rule must say whose tokens it means, so that nobody else can come to match it.
    private mutating func checkIdentifies(_ claims: [String: [TextPattern]], _ issuer: TrustedIssuer, _ node: Node) {
        let identifying = issuer.preset.stableClaims + issuer.preset.nameClaims
        guard !identifying.isEmpty, !claims.isEmpty else { return }
        let isPinned = claims.contains { name, patterns in
            identifying.contains(name) && !patterns.isEmpty && patterns.allSatisfy { $0.isPlain || Self.pinsOwner($0) }
        }
        guard !isPinned else { return }
        report(
            node, "the claims don't say whose tokens they are: others at '\(issuer.issuer)' could match",
            "add one of \(identifying.joined(separator: ", ")), written out at least to its first '/'")
    }

    /// A glob that has its owner's part written out: `acme/*`, and neither `*/shop` nor `acme*`.
    private static func pinsOwner(_ pattern: TextPattern) -> Bool {
        let text = pattern.description
        guard !text.hasPrefix("regex:"), let wildcard = text.firstIndex(where: { $0 == "*" || $0 == "?" }) else { return false }
        return text[..<wildcard].contains("/")
    }

    private mutating func permission(_ node: Node) -> Permission? {
        guard let members = members(node, of: "a grant", allowed: ["verbs", "images", "environments"]),
            let verbsNode = required(members["verbs"], "verbs", in: node, "say what: 'verbs: [promote]'")
        else { return nil }
        var verbs: Set<Verb> = []
        for item in list(verbsNode, "verbs") { if let verb = choice(item, "verbs", Verb.self) { verbs.insert(verb) } }
        let concerned = verbs.subtracting([.read, .administer])
        if !concerned.isEmpty, members["images"] == nil { report(node, "the grant does not say for which images", "add 'images: shop/**'; '**' is all") }
        if !concerned.subtracting([.report]).isEmpty, members["environments"] == nil {
            report(node, "the grant does not say into which environments", "add 'environments: [staging]'; 'all' is all")
        }
        var images: [String] = []
        for text in members["images"].map({ texts($0, "images") }) ?? [] {
            do { images.append(try ImagePattern(parsing: text).description) } catch {
                report(members["images"] ?? node, "'\(text.excerpt)' is no image pattern: \(error.description)", "use a glob such as shop/** or regex:…")
            }
        }
        var environments: [EnvironmentName] = []
        if let list = members["environments"], list.scalar?.string != "all" {
            for item in self.list(list, "environments") { if let name = knownEnvironment(item, "environments") { environments.append(name) } }
            // Nothing that is left of a list of mistakes may mean all.
            guard !environments.isEmpty else { return nil }
        }
        guard !verbs.isEmpty, members["images"] == nil || !images.isEmpty else { return nil }
        return Permission(verbs: verbs, images: images, environments: environments)
    }
}
