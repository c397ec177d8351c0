import Yams

/// regclient's regsync: a list of sources and targets, with expressions over tags that always match whole tags.
enum RegsyncReader {
    private static let schedule = "Shiplift promotes when it is asked: let a pipeline or a scheduled job call 'shiplift promote'"
    private static let always = "this is always so"
    private static let tuning = "the copy engine finds this out itself; see 'limits' of a registry"
    private static let unsaid = [
        "interval": schedule, "schedule": schedule, "ratelimit": "a registry's own limits are kept without being told; see 'limits' of a registry",
        "backup": "previous digests of tags are in the tag history; no copy under another tag is made", "hooks": "nothing is run; let a pipeline do it",
        "platform": "a promotion moves an image as it is, with all its platforms and so by the same digest",
        "platforms": "a promotion moves an image as it is, with all its platforms and so by the same digest", "digestTags": "cosign's tags go with 'referrers'",
        "fastCheck": always, "forceRecursive": "what is there is known or asked for; see 'shiplift registry'", "includeExternal": "foreign layers stay where they are",
        "mediaTypes": "add a gate 'mediaTypes' where it matters", "referrerSource": "referrers are looked for where the image is",
        "referrerTarget": "referrers go where the image goes", "referrerSlow": tuning,
    ]
    private static let general = [
        "parallel": tuning, "blobLimit": tuning, "cacheCount": tuning, "cacheTime": tuning, "skipDockerConfig": "credentials are read only where environments.yaml says so",
        "userAgent": "requests name Shiplift",
    ]
    private static let chosen: Set<String> = ["referrers", "referrerFilters"]

    static func read(_ root: Node, _ session: inout ImportSession) {
        guard let members = session.members(root, of: "regsync's configuration", known: ["version", "creds", "defaults", "sync"]) else { return }
        var plain: Set<String> = []
        for node in session.items(members["creds"]) { credentials(node, &plain, &session) }
        var defaults: [String: Node] = [:]
        if let node = members["defaults"] {
            defaults = session.members(node, of: "defaults", known: chosen, unsaid: unsaid.merging(general) { $1 }) ?? [:]
        }
        for node in session.items(members["sync"]) { step(node, defaults, plain, &session) }
    }

    private static func credentials(_ node: Node, _ plain: inout Set<String>, _ session: inout ImportSession) {
        let secret = "not taken over: put USER:PASSWORD into a file that only the service reads, and name it under 'credentials'"
        guard
            let members = session.members(
                node, of: "credentials", known: ["registry", "tls"],
                unsaid: [
                    "user": secret, "pass": secret, "token": secret, "regcert": "write it to a file and name it under 'tls: { ca: … }'",
                    "clientCert": "write it to a file and name it under 'tls: { certificate: …, key: … }'", "clientKey": secret,
                    "hostname": "write the registry's own host into 'url'", "pathPrefix": "write it into 'repository'", "mirrors": "mirrors are not asked",
                    "priority": tuning, "repoAuth": always, "blobChunk": "see 'profile: { chunkSize: … }'", "blobMax": tuning, "reqPerSec": tuning,
                    "reqConcurrent": "see 'limits: { concurrency: … }'", "scheme": "write it into 'url'", "credExpire": "credentials are read each time they are needed",
                    "credHelper": "not run: write what it gives into a file that the service reads", "apiOpts": tuning,
                ]), let registry = session.text(members["registry"])
        else { return }
        switch session.text(members["tls"]) {
        case "disabled": plain.insert(registry)
        case "insecure": session.remark(members["tls"], "tls: insecure: certificates are always checked; name the registry's authority under 'tls: { ca: … }'")
        default: break
        }
    }

    private static func step(_ node: Node, _ defaults: [String: Node], _ plain: Set<String>, _ session: inout ImportSession) {
        let known = chosen.union(["source", "target", "type", "tags", "tagSets", "repos"])
        guard let members = session.members(node, of: "a sync entry", known: known, unsaid: unsaid) else { return }
        let whole = { (text: String) in text.split(separator: "/").map(String.init) }
        guard let sourceText = session.text(members["source"]), let targetText = session.text(members["target"]) else {
            return session.remark(node, "a sync entry needs a source and a target; it is left out")
        }
        if (sourceText + targetText).contains("{{") { return session.remark(members["source"], "templates are not read: write what they give; the entry is left out") }
        if [sourceText, targetText].contains(where: { $0.hasPrefix("ocidir://") || $0.hasPrefix("ocifile://") }) {
            return session.remark(members["source"], "a folder is no registry; the entry is left out")
        }
        let kind = session.text(members["type"]) ?? "image"
        var (image, from, to): (String, ImportedPlace, ImportedPlace)
        var request: ImportedReference?
        var tags = Tags()
        switch kind {
        case "registry":
            let (source, target) = (whole(sourceText), whole(targetText))
            guard let sourceHost = source.first, let targetHost = target.first else { return }
            from = ImportedPlace(host: sourceHost, prefix: source.dropFirst().joined(separator: "/"))
            to = ImportedPlace(host: targetHost, prefix: target.dropFirst().joined(separator: "/"))
            image = "**"
        case "repository", "image":
            guard let source = ImportedReference(sourceText), let target = ImportedReference(targetText), let split = ImportedReference.split(source, target) else {
                return session.remark(
                    members["source"], "'\(sourceText)' and '\(targetText)' end in different names: an image has one name in all environments; the entry is left out")
            }
            (image, from, to) = split
            if kind == "image" {
                if source.digest != nil {
                    request = source
                    tags.target = [target.tag].compactMap(\.self)
                } else {
                    tags.patterns = [source.tag ?? "latest"]
                    if let name = target.tag, name != source.tag ?? "latest" { tags.target = [name] }
                }
            }
        default: return session.remark(members["type"], "type '\(kind)' is none of image, repository and registry; the entry is left out")
        }
        (from.plainHTTP, to.plainHTTP) = (plain.contains(from.host), plain.contains(to.host))
        if let request, let digest = request.digest {
            session.add(
                ImportedRequest(
                    file: session.file, line: node.mark?.line ?? 1, from: from, to: [to], image: image, digest: digest, tags: tags.target))
            return session.remark(node, "one digest is a request, not a rule: it is in promotions.sh")
        }
        guard kind == "image" || readTags(members, &tags, &session), let images = images(image, members["repos"], &session) else { return }
        session.add(
            ImportedRule(
                file: session.file, line: node.mark?.line ?? 1, from: from, to: [to], images: images, tags: tags.patterns, exclude: tags.exclude, semver: tags.semver,
                target: tags.target, referrers: referrers(members, defaults, &session)))
    }

    private struct Tags {
        var patterns: [String] = []
        var exclude: [String] = []
        var semver: String?
        var target: [String] = []
    }

    /// False where the rule has to be left out.
    private static func readTags(_ members: [String: Node], _ tags: inout Tags, _ session: inout ImportSession) -> Bool {
        var sets = session.items(members["tagSets"])
        if let node = members["tags"] { sets.insert(node, at: 0) }
        guard sets.count <= 1 else {
            session.remark(members["tagSets"], "several sets of tags: write a policy for each; the entry is left out")
            return false
        }
        guard let node = sets.first else { return true }
        guard let set = session.members(node, of: "tags", known: ["allow", "deny", "semverRange"]) else { return false }
        guard let allow = session.expressions(session.items(set["allow"]), anchored: true),
            let deny = session.expressions(session.items(set["deny"]), anchored: true),
            let semver = session.range(session.items(set["semverRange"]))
        else { return false }
        guard allow.isEmpty || semver == nil else {
            session.remark(set["semverRange"], "expressions and a range of versions in one set: write a policy by hand; the entry is left out")
            return false
        }
        (tags.patterns, tags.exclude, tags.semver) = (allow, deny, semver)
        return true
    }

    private static func images(_ image: String, _ repos: Node?, _ session: inout ImportSession) -> [String]? {
        guard image == "**", let repos else { return [image] }
        guard let set = session.members(repos, of: "repos", known: ["allow", "deny"]),
            let allow = session.expressions(session.items(set["allow"]), anchored: true), let deny = session.expressions(session.items(set["deny"]), anchored: true)
        else { return nil }
        return (allow.isEmpty ? ["**"] : allow) + deny.map { "!" + $0 }
    }

    /// regsync takes what refers to an image along only where it is told to.
    private static func referrers(_ members: [String: Node], _ defaults: [String: Node], _ session: inout ImportSession) -> [String]? {
        guard session.text(members["referrers"] ?? defaults["referrers"]) == "true" else { return [] }
        let filters = session.items(members["referrerFilters"] ?? defaults["referrerFilters"])
        let types = filters.compactMap { filter -> String? in
            session.members(filter, of: "a filter", known: ["artifactType"], unsaid: ["annotations": "referrers are chosen by their type alone"])
                .flatMap { session.text($0["artifactType"]) }
        }
        return types.isEmpty ? nil : types
    }
}
