import Foundation

/// What SLSA provenance says (slsa.dev/provenance/v0.2 and v1), in the words that policies match.
public struct Provenance: Sendable, Hashable {
    public let builder: String
    public let buildType: String
    /// The repository that was built, as a URI without `git+` and without the ref.
    public let source: String?
    public let ref: String?
    /// `shop/api/.github/workflows/build.yml@refs/heads/main`: as the token of the builder's issuer spells it.
    public let workflow: String?

    init(_ statement: Statement) throws(TrustError) {
        switch statement.predicateType {
        case "https://slsa.dev/provenance/v0.2": try self.init(version02: statement.content)
        case "https://slsa.dev/provenance/v1": try self.init(version1: statement.content)
        default: throw .otherType(signed: statement.predicateType, expected: "https://slsa.dev/provenance/v1")
        }
    }

    private init(version02 predicate: JSON) throws(TrustError) {
        guard let builder = predicate["builder"]?["id"]?.text, !builder.isEmpty, let buildType = predicate["buildType"]?.text else {
            throw .malformed("the provenance", reason: "it names no builder.id or no buildType")
        }
        let invoked = predicate["invocation"]?["configSource"]
        self.init(builder, buildType, SourceURI(invoked?["uri"]?.text), path: invoked?["entryPoint"]?.text, ref: nil)
    }

    private init(version1 predicate: JSON) throws(TrustError) {
        guard let builder = predicate["runDetails"]?["builder"]?["id"]?.text, !builder.isEmpty,
            let definition = predicate["buildDefinition"], let buildType = definition["buildType"]?.text
        else { throw .malformed("the provenance", reason: "it names no runDetails.builder.id or no buildDefinition.buildType") }
        let parameters = definition["externalParameters"]
        if let workflow = parameters?["workflow"] {
            self.init(builder, buildType, SourceURI(workflow["repository"]?.text), path: workflow["path"]?.text, ref: workflow["ref"]?.text)
        } else {
            // What was asked for from outside; a dependency is not what somebody chose to build.
            let asked = parameters?["source"]
            self.init(builder, buildType, SourceURI(asked?.text ?? asked?["uri"]?.text), path: nil, ref: parameters?["ref"]?.text)
        }
    }

    private init(_ builder: String, _ buildType: String, _ uri: SourceURI, path: String?, ref: String?) {
        self.builder = builder
        self.buildType = buildType
        source = uri.repository
        // Two that contradict each other are none.
        let agreed = ref == nil || uri.ref == nil || ref == uri.ref
        self.ref = agreed ? ref ?? uri.ref : nil
        if let path, !path.isEmpty, let ref = self.ref, let repository = uri.path {
            workflow = "\(repository)/\(path.hasPrefix("/") ? String(path.dropFirst()) : path)@\(ref)"
        } else {
            workflow = nil
        }
    }
}

/// `git+https://github.com/shop/api@refs/heads/main`, taken apart.
private struct SourceURI {
    let repository: String?
    let ref: String?
    /// The repository without its host: `shop/api`.
    let path: String?

    init(_ text: String?) {
        guard let text, !text.isEmpty else {
            (repository, ref, path) = (nil, nil, nil)
            return
        }
        var rest = text.hasPrefix("git+") ? String(text.dropFirst(4)) : text
        let authority = rest.range(of: "://").map { rest[$0.upperBound...] } ?? rest[...]
        let slash = authority.firstIndex(of: "/") ?? authority.endIndex
        // A user before the host has an '@' as well.
        if let at = rest[slash...].lastIndex(of: "@") {
            ref = String(rest[rest.index(after: at)...])
            rest = String(rest[..<at])
        } else {
            ref = nil
        }
        repository = rest
        let parts = rest.range(of: "://").map { rest[$0.upperBound...] } ?? rest[...]
        path = parts.firstIndex(of: "/").map { String(parts[parts.index(after: $0)...]) }
    }
}

extension Statement {
    /// Reads the predicate as SLSA provenance.
    public func provenance() throws(TrustError) -> Provenance { try Provenance(self) }
}
