import Foundation
import Yams

/// Harbor's replication policies: one object, or the list that its API gives. JSON is YAML, so lines are known.
struct HarborReader {
    let options: ImportOptions

    private static let schedule = "Shiplift promotes when it is asked: let a pipeline or a scheduled job call 'shiplift promote'"
    private static let unsaid = [
        "trigger": schedule, "speed": "see 'limits: { bandwidth: … }' of the registry",
        "copy_by_chunk": "see 'profile: { chunkSize: … }'; where a body is too large it goes in parts by itself",
        "replicate_deletion": "nothing is deleted", "deletion": "nothing is deleted",
        "single_active_replication": "promotions of one image to one environment follow each other anyway",
    ]
    private static let silent: Set<String> = ["id", "description", "creation_time", "update_time"]

    func read(_ root: Node, _ session: inout ImportSession) throws(ImportError) {
        let policies = root.sequence.map(Array.init) ?? [root]
        for policy in policies { try read(policy: policy, &session) }
    }

    private func read(policy node: Node, _ session: inout ImportSession) throws(ImportError) {
        let known: Set = ["name", "enabled", "src_registry", "dest_registry", "dest_namespace", "dest_namespace_replace_count", "filters", "override"]
        guard let members = session.members(node, of: "a replication policy", known: known.union(Self.silent), unsaid: Self.unsaid) else { return }
        let name = session.text(members["name"]) ?? "a policy"
        if session.text(members["enabled"]) == "false" { return session.remark(node, "'\(name)' is switched off; it is left out") }
        guard let source = try place(members["src_registry"], &session), let target = try place(members["dest_registry"], &session) else {
            return session.remark(node, "'\(name)' names no registry on one side; it is left out")
        }
        var rule = ImportedRule(file: session.file, line: node.mark?.line ?? 1, from: source, to: [target], images: ["**"], note: name.replacing("\n", with: " "))
        guard filters(members["filters"], &rule, &session) else { return }
        if session.text(members["override"]) == "false" { rule.keepsTags = true }
        let count = session.text(members["dest_namespace_replace_count"]).flatMap { Int($0) } ?? -1
        let space = session.text(members["dest_namespace"]) ?? ""
        guard space.isEmpty || move(&rule, to: space, replacing: count) else {
            return session.remark(
                members["dest_namespace"],
                "'\(space)' takes the place of \(count == -1 ? "all" : "\(count)") parts of names that the filter does not name: an image has one name in all environments; '\(name)' is left out"
            )
        }
        session.add(rule)
    }

    /// The registry, or the Harbor itself, which the file does not name.
    private func place(_ node: Node?, _ session: inout ImportSession) throws(ImportError) -> ImportedPlace? {
        var members: [String: Node] = [:]
        if let node, case .mapping = node {
            members =
                session.members(
                    node, of: "a registry", known: ["id", "url", "name", "type", "description", "status", "creation_time", "update_time"],
                    unsaid: [
                        "credential": "not taken over: put USER:PASSWORD into a file that only the service reads, and name it under 'credentials'",
                        "insecure": "certificates are always checked; name the registry's authority under 'tls: { ca: … }'",
                        "token_service_url": "name its host under 'additionalHosts' where it is another one",
                        "ca_certificate": "write it to a file and name it under 'tls: { ca: … }'",
                    ]) ?? [:]
        }
        let isLocal = members["url"] == nil || session.text(members["id"]) == "0"
        guard let text = isLocal ? options.local : session.text(members["url"]) else {
            throw ImportError(description: "\(session.file):\(node?.mark?.line ?? 1): this side is the Harbor itself: name its address with --local https://harbor.example.com")
        }
        let type = session.text(members["type"]) ?? "harbor"
        if type == "docker-hub" { return ImportedPlace(host: "docker.io", prefix: "") }
        guard let url = URLComponents(string: text), let host = url.host, ["http", "https"].contains(url.scheme) else { return nil }
        if !url.path.isEmpty, url.path != "/" { session.remark(members["url"], "'\(url.path)' of the address is left out: registries are asked at their root") }
        return ImportedPlace(host: host + (url.port.map { ":\($0)" } ?? ""), prefix: "", plainHTTP: url.scheme == "http")
    }

    /// False where the rule has to be left out.
    private func filters(_ node: Node?, _ rule: inout ImportedRule, _ session: inout ImportSession) -> Bool {
        for filter in session.items(node) {
            guard let members = session.members(filter, of: "a filter", known: ["type", "value", "decoration"]) else { return false }
            let excludes = session.text(members["decoration"]) == "excludes"
            let kind = session.text(members["type"]) ?? ""
            switch (kind, session.text(members["value"])) {
            case ("name", let text?), ("tag", let text?):
                if text.isEmpty { continue }
                guard let globs = Self.globs(text) else {
                    session.remark(filter, "'\(text)': this pattern can't be said here; the policy is left out, write one by hand")
                    return false
                }
                if kind == "name" { rule.images = globs } else if excludes { rule.exclude = globs } else { rule.tags = globs }
            case ("label", _):
                let labels = session.items(members["value"]).compactMap { session.text($0) }
                if excludes {
                    session.remark(filter, "what has the label \(labels.joined(separator: ", ")) in Harbor can't be seen from here; the policy is left out")
                    return false
                }
                rule.evidence += labels.map { "label-\($0.lowercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "-" }.reduce(into: "") { $0.append($1) })" }
                session.remark(
                    filter, "labels are Harbor's own: the gate 'evidence' stands for them; post it where the label was set ('shiplift evidence post DIGEST --kind label-…')")
            case ("resource", let text?):
                if text == "chart" {
                    session.remark(filter, "charts of the old chart museum are no images; the policy is left out")
                    return false
                }
            default:
                session.remark(filter, "a filter of type '\(kind)' can't be said here; the policy is left out")
                return false
            }
        }
        return true
    }

    /// Harbor's `{a,b}` as single patterns; nil for what ours don't have.
    static func globs(_ text: String) -> [String]? {
        guard !text.contains("["), !text.contains("\\") else { return nil }
        guard let open = text.firstIndex(of: "{") else { return text.contains("}") ? nil : [text] }
        guard let close = text[open...].firstIndex(of: "}") else { return nil }
        var result: [String] = []
        for choice in text[text.index(after: open)..<close].split(separator: ",", omittingEmptySubsequences: false) {
            guard let rest = globs(String(text[..<open]) + choice + String(text[text.index(after: close)...])), result.count < 100 else { return nil }
            result += rest
        }
        return result
    }

    /// Puts another namespace in the place of the first parts of the names; false where those are not named.
    private func move(_ rule: inout ImportedRule, to space: String, replacing count: Int) -> Bool {
        guard count != 0 else {
            rule.to[0].prefix = space
            return true
        }
        var (prefixes, rests): (Set<[String]>, [String]) = ([], [])
        for pattern in rule.images {
            let parts = pattern.split(separator: "/").map(String.init)
            let replaced = count == -1 ? parts.count - 1 : count
            // All parts: only where there is exactly one more.
            guard replaced >= 0, parts.count > replaced, !(count == -1 && (parts.last ?? "").contains("**")) else { return false }
            let (head, tail) = (Array(parts.prefix(replaced)), parts.dropFirst(replaced).joined(separator: "/"))
            guard !head.contains(where: { $0.contains("*") || $0.contains("?") }) else { return false }
            prefixes.insert(head)
            rests.append(tail)
        }
        guard prefixes.count == 1, let prefix = prefixes.first else { return false }
        rule.from.prefix = prefix.joined(separator: "/")
        rule.to[0].prefix = space
        rule.images = rests
        return true
    }
}
