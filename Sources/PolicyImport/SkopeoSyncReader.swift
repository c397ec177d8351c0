import Yams

/// `skopeo sync --src yaml`: a host, and below it images with tags, expressions over tags, or ranges. The destination is on its command line.
struct SkopeoSyncReader {
    let options: ImportOptions

    func read(_ root: Node, _ session: inout ImportSession) throws(ImportError) {
        guard let target = options.target else { throw ImportError(description: "skopeo's destination is on its command line: name it with --target REGISTRY/PATH") }
        guard case .mapping(let hosts) = root else { throw ImportError(description: "\(session.file) holds no registries") }
        for (key, value) in hosts {
            guard let host = key.scalar?.string,
                let members = session.members(
                    value, of: "a registry", known: ["images", "images-by-tag-regex", "images-by-semver", "tls-verify"],
                    unsaid: [
                        "credentials": "not taken over: put USER:PASSWORD into a file that only the service reads, and name it under 'credentials'",
                        "cert-dir": "name the files under 'tls: { ca: …, certificate: …, key: … }'",
                    ])
            else { continue }
            if session.text(members["tls-verify"]) == "false" {
                session.remark(
                    members["tls-verify"], "tls-verify: false: certificates are always checked; name the registry's authority under 'tls: { ca: … }', or use http and 'plainHTTP'")
            }
            for (name, tags) in members["images"]?.mapping.map({ Array($0) }) ?? [] { tagged(host, name, tags, target, &session) }
            for (name, expression) in members["images-by-tag-regex"]?.mapping.map({ Array($0) }) ?? [] {
                guard let patterns = session.expressions([expression], anchored: false) else { continue }
                rule(host, name, target, &session) { $0.tags = patterns }
            }
            for (name, range) in members["images-by-semver"]?.mapping.map({ Array($0) }) ?? [] {
                guard let semver = session.range([range]) else { continue }
                rule(host, name, target, &session) { $0.semver = semver }
            }
        }
    }

    private func tagged(_ host: String, _ name: Node, _ node: Node, _ target: String, _ session: inout ImportSession) {
        let tags = session.items(node).compactMap { session.text($0) }
        let (digests, plain) = (tags.filter { $0.hasPrefix("sha256:") }, tags.filter { !$0.hasPrefix("sha256:") })
        for digest in digests {
            guard let (image, from, to) = places(host, session.text(name) ?? "", target) else { continue }
            session.add(ImportedRequest(file: session.file, line: node.mark?.line ?? 1, from: from, to: [to], image: image, digest: digest, tags: []))
            session.remark(node, "\(digest): one digest is a request, not a rule: it is in promotions.sh")
        }
        if plain.isEmpty, !digests.isEmpty { return }
        rule(host, name, target, &session) { $0.tags = plain }
    }

    private func rule(_ host: String, _ name: Node, _ target: String, _ session: inout ImportSession, _ fill: (inout ImportedRule) -> Void) {
        guard let text = session.text(name), let (image, from, to) = places(host, text, target) else {
            return session.remark(name, "this is no name of an image; it is left out")
        }
        var rule = ImportedRule(file: session.file, line: name.mark?.line ?? 1, from: from, to: [to], images: [image])
        // skopeo copies images alone.
        rule.referrers = []
        fill(&rule)
        session.add(rule)
    }

    /// Without `--scoped` only the last part of a name is kept at the destination.
    private func places(_ host: String, _ name: String, _ target: String) -> (String, ImportedPlace, ImportedPlace)? {
        let destination = target.split(separator: "/").map(String.init)
        guard let targetHost = destination.first, let source = ImportedReference(host == "docker.io" ? name : "\(host)/\(name)") else { return nil }
        var path = Array(destination.dropFirst())
        if options.isScoped { path += [source.host] + source.path } else { path += [source.path.last ?? name] }
        return ImportedReference.split(source, ImportedReference(host: targetHost, path: path)).map { ($0.image, $0.from, $0.to) }
    }
}
