/// What we read of SPDX 2.2 and 2.3 (spdx.github.io/spdx-spec).
struct SPDXDocument: Decodable {
    struct Entry: Decodable {
        let name: String?
        let versionInfo: String?
        let primaryPackagePurpose: String?
        let externalRefs: [Reference]?

        /// `nil` where it is the image itself, or has no name.
        var package: Package? {
            guard primaryPackagePurpose != "CONTAINER" else { return nil }
            // One purl is enough to know it; scanners write the best one first.
            let url = externalRefs?.lazy.filter { $0.referenceType == "purl" }.compactMap { $0.referenceLocator.flatMap(PackageURL.init(parsing:)) }.first
            let version = versionInfo.flatMap { ["", "NOASSERTION", "NONE"].contains($0) ? nil : $0 }
            return Package(url: url, type: "", name: name, version: version)
        }
    }

    struct Reference: Decodable {
        let referenceType: String?
        let referenceLocator: String?
    }

    let spdxVersion: String
    let packages: [Entry]?
}

/// What we read of CycloneDX 1.x (cyclonedx.org/docs).
struct CycloneDXDocument: Decodable {
    struct Component: Decodable {
        let type: String?
        let group: String?
        let name: String?
        let version: String?
        let purl: String?
        let components: [Component]?

        fileprivate var package: Package? {
            guard !["container", "file", "data", "machine-learning-model"].contains(type ?? "") else { return nil }
            let full = [group, name].compactMap { $0.flatMap { $0.isEmpty ? nil : $0 } }.joined(separator: "/")
            return Package(
                url: purl.flatMap(PackageURL.init(parsing:)), type: type == "operating-system" ? "operating-system" : "", name: full,
                version: version.flatMap { $0.isEmpty ? nil : $0 })
        }
    }

    let bomFormat: String
    let components: [Component]?

    /// Components hold others; the reader of JSON bounds their depth.
    var all: Set<Package> {
        var found: Set<Package> = []
        var stack = components ?? []
        while let component = stack.popLast() {
            if let package = component.package { found.insert(package) }
            stack += component.components ?? []
        }
        return found
    }
}

extension Package {
    /// By its package URL, where it has one, else by type and name.
    fileprivate init?(url: PackageURL?, type: String, name: String?, version: String?) {
        // The image that the document is about is none of its packages.
        if let url, ["oci", "docker"].contains(url.type) { return nil }
        let shown = Shown.text(url?.name ?? name ?? "", limit: 200)
        guard !shown.isEmpty else { return nil }
        self.init(type: url?.type ?? type, name: shown, version: (url?.version ?? version).map { Shown.text($0, limit: 200) })
    }
}
