import Yams

/// A name that another file must explain: looked up when all files are read.
struct Reference: Sendable, Hashable {
    enum Kind: Sendable, Hashable {
        case environment, group, signer, check
        /// Somebody whose evidence counts: a group, or a signer.
        case source
    }

    let kind: Kind
    let name: String
    let line: Int
    let column: Int
}

extension YAMLReader {
    mutating func knownEnvironment(_ node: Node, _ what: String) -> EnvironmentName? {
        guard let name = environmentName(node, what) else { return nil }
        refer(to: .environment, name.description, node)
        return name
    }

    mutating func environmentName(_ node: Node, _ what: String) -> EnvironmentName? {
        guard let text = string(node, what) else { return nil }
        guard let name = EnvironmentName(parsing: text) else {
            report(node, "'\(text)' is no environment name", "use lowercase letters, digits and '-', beginning with a letter")
            return nil
        }
        return name
    }

    /// Groups, and ids, which have a colon.
    mutating func people(_ node: Node?, _ what: String) -> [String] { names(node, what, .group, allowsIDs: true) }

    /// Signers of the trust section.
    mutating func signers(_ node: Node?, _ what: String) -> [String] { names(node, what, .signer, allowsIDs: false) }

    /// Whoever may bring evidence: signers, groups, ids.
    mutating func sources(_ node: Node?, _ what: String) -> [String] { names(node, what, .source, allowsIDs: true) }

    private mutating func names(_ node: Node?, _ what: String, _ kind: Reference.Kind, allowsIDs: Bool) -> [String] {
        guard let node else { return [] }
        var names: [String] = []
        for item in list(node, what) {
            guard let text = string(item, what) else { continue }
            if names.contains(text) { report(item, "'\(text)' stands here twice", "name it once") }
            if !(allowsIDs && text.contains(":")) { refer(to: kind, text, item) }
            names.append(text)
        }
        return names
    }
}
