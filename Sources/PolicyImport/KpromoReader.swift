import Yams

/// kpromo: registries, one of them the source, and digests with their tags; both in one file, or in a manifest and a list of images.
struct KpromoReader {
    private var source: ImportedPlace?
    private var targets: [ImportedPlace] = []
    private var images: [(file: String, line: Int, name: String, digests: [(line: Int, digest: String, tags: [String])])] = []

    mutating func read(_ root: Node, _ session: inout ImportSession) {
        if case .sequence = root { return readImages(root, &session) }
        guard let members = session.members(root, of: "a promoter manifest", known: ["registries", "images"], unsaid: ["imagesPath": "name that file beside this one"]) else {
            return
        }
        for node in session.items(members["registries"]) {
            guard
                let registry = session.members(
                    node, of: "a registry", known: ["name", "src"],
                    unsaid: ["service-account": "an account's credentials are named in environments.yaml by reference: write the line 'credentials:'"])
            else { continue }
            guard let name = session.text(registry["name"]), let reference = ImportedReference(name) else {
                session.remark(node, "a registry without a name; it is left out")
                continue
            }
            let place = ImportedPlace(host: reference.host, prefix: reference.path.joined(separator: "/"))
            guard session.text(registry["src"]) == "true" else {
                targets.append(place)
                continue
            }
            if let source, source != place {
                session.remark(node, "a second source: import the manifests of each source on their own; it is left out")
            } else {
                source = place
            }
        }
        if let images = members["images"] { readImages(images, &session) }
    }

    private mutating func readImages(_ node: Node, _ session: inout ImportSession) {
        for item in session.items(node) {
            guard let members = session.members(item, of: "an image", known: ["name", "dmap"]), let name = session.text(members["name"]) else { continue }
            var digests: [(Int, String, [String])] = []
            for (key, tags) in members["dmap"]?.mapping.map({ Array($0) }) ?? [] {
                guard let digest = key.scalar?.string else { continue }
                digests.append((key.mark?.line ?? 1, digest, session.items(tags).compactMap { session.text($0) }))
            }
            images.append((session.file, item.mark?.line ?? 1, name, digests))
        }
    }

    /// What all files together say.
    func finished() throws(ImportError) -> (rules: [ImportedRule], requests: [ImportedRequest], remarks: [ImportedFolder.Remark]) {
        guard let source else { throw ImportError(description: "no file names a registry with 'src: true'") }
        guard !targets.isEmpty else { throw ImportError(description: "no file names a registry to promote to") }
        guard let first = images.first else { throw ImportError(description: "no file names images: give the manifest and the list of images") }
        var seen: Set<String> = []
        let names = images.map(\.name).filter { seen.insert($0).inserted }
        let rule = ImportedRule(
            file: first.file, line: first.line, from: source, to: targets, images: names, keepsTags: true, note: "the images that were listed; tags never move, as before")
        let requests = images.flatMap { image in
            image.digests.map { digest in
                ImportedRequest(
                    file: image.file, line: digest.line, from: source, to: targets, image: image.name, digest: digest.digest, tags: digest.tags)
            }
        }
        let remark = ImportedFolder.Remark(
            file: first.file, line: first.line,
            text: "lists of digests are requests, not rules: they are in promotions.sh; who may ask is for roles and policy to say from now on")
        return ([rule], requests, requests.isEmpty ? [] : [remark])
    }
}
