import OCI
import Yams

/// Platforms that must be in the image.
struct PlatformGate: Gate {
    static let kind = "platforms"
    let required: [Platform]
    let forbidsOthers: Bool

    init?(_ node: Node, _ reader: inout YAMLReader) {
        guard let members = reader.members(node, of: "platforms", allowed: ["require", "others"]) else { return nil }
        required = reader.platforms(members["require"], in: node)
        forbidsOthers = members["others"].flatMap { reader.choice($0, "others", Others.self) } == .forbidden
    }

    private enum Others: String, CaseIterable { case allowed, forbidden }

    var text: String { "has \(required.map(\.description).joined(separator: ", "))\(forbidsOthers ? " and no others" : "")" }

    func add(to needs: inout FactNeeds) { needs.platforms = true }

    func judge(_ context: GateContext) -> Verdict {
        let found = context.facts.platforms.map(\.platform)
        let seen = context.platforms
        let missing = required.filter { required in !found.contains { $0.satisfies(required) } }
        guard missing.isEmpty else { return .deny("missing \(missing.map(\.description).joined(separator: ", ")); the image has \(seen)") }
        let others = forbidsOthers ? found.filter { platform in !required.contains { platform.satisfies($0) } } : []
        guard others.isEmpty else { return .deny("\(others.map(\.description).joined(separator: ", ")) must not be in the image") }
        return .allow("the image has \(seen)")
    }
}

/// The user that the image runs as.
struct UserGate: Gate {
    static let kind = "user"
    /// A name may stand for any number, and only the image's own files know which.
    let mustBeNumeric: Bool

    init?(_ node: Node, _ reader: inout YAMLReader) {
        guard let members = reader.members(node, of: "user", allowed: ["root", "numeric"]) else { return nil }
        mustBeNumeric = members["numeric"].flatMap { reader.bool($0, "numeric") } ?? false
        switch members["root"].flatMap({ reader.choice($0, "root", Root.self) }) {
        case .forbidden: break
        case nil:
            if members["root"] == nil { reader.report(node, "user does not say what is forbidden", "write 'root: forbidden'") }
        }
    }

    private enum Root: String, CaseIterable { case forbidden }

    var text: String { "no platform runs as root\(mustBeNumeric ? ", the user is a number" : "")" }

    func add(to needs: inout FactNeeds) { needs.configurations = true }

    func judge(_ context: GateContext) -> Verdict {
        guard !context.facts.platforms.isEmpty else { return .deny("the artifact has no image that could name a user") }
        for platform in context.facts.platforms {
            let user = platform.user ?? ""
            let name = user[..<(user.utf8.firstIndex(of: UInt8(ascii: ":")) ?? user.endIndex)]
            guard !name.isEmpty else { return .deny("\(platform.platform) names no user and runs as root; set USER when the image is built") }
            let number = Int(name)
            guard name != "root", number != 0 else {
                return .deny("\(platform.platform) runs as '\(user.excerpt)', which is root; set another USER")
            }
            if mustBeNumeric, number == nil {
                return .deny("\(platform.platform) runs as '\(user.excerpt)', which may be any number; set USER to a number")
            }
        }
        var users: [String] = []
        for case let user? in context.facts.platforms.map(\.user) where !users.contains(user) { users.append(user) }
        return .allow("runs as \(users.map { "'\($0.excerpt)'" }.joined(separator: ", "))")
    }
}

/// What the image says it was built on (image-spec, annotations.md "org.opencontainers.image.base").
struct BaseImageGate: Gate {
    static let kind = "baseImages"
    static let nameKey = "org.opencontainers.image.base.name"
    static let digestKey = "org.opencontainers.image.base.digest"
    let names: [TextPattern]
    let digests: [Digest]

    init?(_ node: Node, _ reader: inout YAMLReader) {
        guard let members = reader.members(node, of: "baseImages", allowed: ["names", "digests"]) else { return nil }
        names = reader.patterns(members["names"], "names")
        digests = reader.digests(members["digests"], "digests")
        if members.isEmpty { reader.report(node, "no base image is allowed", "add names, digests, or both") }
    }

    var text: String {
        let allowed = names.map { "'\($0)'" } + digests.map(\.label)
        return "base image is one of \(allowed.joined(separator: ", "))"
    }

    func add(to needs: inout FactNeeds) { needs.configurations = true }

    func judge(_ context: GateContext) -> Verdict {
        let facts = context.facts
        guard !facts.platforms.isEmpty else { return .deny("the artifact has no image that could name its base") }
        for platform in facts.platforms {
            let name = platform.labels[Self.nameKey] ?? facts.annotations[Self.nameKey]
            let digest = platform.labels[Self.digestKey] ?? facts.annotations[Self.digestKey]
            guard name != nil || digest != nil else {
                return .deny("\(platform.platform) does not name its base image; set \(Self.nameKey) and \(Self.digestKey) when it is built")
            }
            let isAllowed =
                digest.map { text in digests.contains { $0.description == text } } == true
                || name.map { text in names.contains { $0.matches(text) } } == true
            guard isAllowed else {
                let seen = [name, digest].compactMap(\.self).map { "'\($0.excerpt)'" }.joined(separator: " ")
                return .deny("\(platform.platform) is built on \(seen), which is none of: \(allowed)")
            }
        }
        return .allow("built on an allowed base image")
    }

    private var allowed: String { (names.map(\.description) + digests.map(\.description)).joined(separator: ", ") }
}
