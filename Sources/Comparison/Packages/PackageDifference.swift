public import OCI

/// A package whose versions are not the same on both sides. Several versions of one package may be there at once.
public struct PackageChange: Sendable, Hashable {
    public let type: String
    public let name: String
    /// Those that went away.
    public let before: [String]
    /// Those that came.
    public let after: [String]
}

/// Packages that came, went, and are there in another version, each sorted by type and name.
public struct PackageDifference: Sendable, Hashable {
    /// Whether there was a document to compare with. Where a version is there without one, nothing is said to have come or gone.
    public let isCompared: Bool
    public let added: [PackageChange]
    public let removed: [PackageChange]
    public let changed: [PackageChange]
    /// Packages that are the same on both sides.
    public let unchanged: Int
    public let total: Int
    /// The documents that were compared.
    public let before: [BillOfMaterials.Source]
    public let after: [BillOfMaterials.Source]

    /// `nil` where nothing is known of the new version's packages.
    init?(from before: ImageContents?, to after: ImageContents, remarks: inout [String]) {
        guard let new = BillOfMaterials.chosen(after, like: nil) else {
            remarks.append("no bill of materials of this version was found: attach one (SPDX or CycloneDX, in JSON) as a referrer")
            return nil
        }
        var now = new
        let then = before.flatMap { BillOfMaterials.chosen($0, like: new.format) }
        // Where only one format is on both sides, that one is compared.
        if let other = then, other.format != now.format, let same = BillOfMaterials.chosen(after, like: other.format), same.format == other.format { now = same }
        if before != nil, then == nil {
            remarks.append("no bill of materials of what is there was found, so packages can't be compared")
        }
        if let then, then.format != now.format {
            remarks.append(
                "the bills of materials are of different formats (\(then.format.rawValue), \(now.format.rawValue)): some packages may seem to have changed only for that")
        }
        for (side, contents, chosen) in [("this version", Optional(after), Optional(now)), ("what is there", before, then)] {
            guard let contents, let chosen, let uncovered = chosen.uncovered(in: contents) else { continue }
            remarks.append("no bill of materials of \(side) for \(uncovered)")
        }
        isCompared = then != nil
        self.before = then?.sources ?? []
        self.after = now.sources
        let (old, fresh) = (Self.versions(then?.packages ?? []), Self.versions(now.packages))
        var (added, removed, changed, unchanged): ([PackageChange], [PackageChange], [PackageChange], Int) = ([], [], [], 0)
        if then != nil || before == nil {
            for key in Set(old.keys).union(fresh.keys) {
                let (was, is_) = (old[key], fresh[key])
                let change = PackageChange(
                    type: key.type, name: key.name, before: (was ?? []).subtracting(is_ ?? []).sorted(), after: (is_ ?? []).subtracting(was ?? []).sorted())
                switch (was, is_) {
                case (nil, _): added.append(change)
                case (_, nil): removed.append(change)
                case (let was?, let is_?): if was == is_ { unchanged += 1 } else { changed.append(change) }
                }
            }
        }
        self.added = added.sorted(by: Self.isBefore)
        self.removed = removed.sorted(by: Self.isBefore)
        self.changed = changed.sorted(by: Self.isBefore)
        self.unchanged = unchanged
        total = fresh.count
    }

    private struct Key: Hashable {
        let type: String
        let name: String
    }

    /// A version that is not known is one too: `?`.
    private static func versions(_ packages: Set<Package>) -> [Key: Set<String>] {
        packages.reduce(into: [:]) { $0[Key(type: $1.type, name: $1.name), default: []].insert($1.version ?? "?") }
    }

    private static func isBefore(_ first: PackageChange, _ second: PackageChange) -> Bool { (first.type, first.name) < (second.type, second.name) }
}

extension BillOfMaterials {
    /// A document that was used, for people.
    public struct Source: Sendable, Hashable {
        public let format: Format
        public let origin: Origin
        public let subject: Digest
        public let packages: Int
    }

    /// The best documents that there are of one version, in one format: one about the artifact, or one about each platform.
    struct Chosen {
        let format: Format
        let packages: Set<Package>
        let sources: [Source]

        /// The platforms that no document covers; `nil` where all are.
        func uncovered(in contents: ImageContents) -> String? {
            if sources.contains(where: { $0.subject == contents.digest }) { return nil }
            let missing = contents.parts.filter { part in !sources.contains { $0.subject == part.digest } }
            return missing.isEmpty ? nil : missing.map { "\($0.platform)" }.joined(separator: ", ")
        }
    }

    /// - Parameter format: the format to prefer, where there are several.
    static func chosen(_ contents: ImageContents, like format: Format?) -> Chosen? {
        let subjects = [contents.digest] + contents.parts.map(\.digest)
        let usable = contents.boms.filter { subjects.contains($0.subject) }
        guard let first = usable.min(by: Self.isBetter) else { return nil }
        let wanted = format.flatMap { format in usable.contains { $0.format == format } ? format : nil } ?? first.format
        let same = usable.filter { $0.format == wanted }
        // What is said of the artifact as a whole stands for its platforms.
        let whole = same.filter { $0.subject == contents.digest }.min(by: isBetter)
        let best = whole.map { [$0] } ?? contents.parts.compactMap { part in same.filter { $0.subject == part.digest }.min(by: isBetter) }
        return Chosen(
            format: wanted, packages: best.reduce(into: []) { $0.formUnion($1.packages) },
            sources: best.map { Source(format: $0.format, origin: $0.origin, subject: $0.subject, packages: $0.packages.count) })
    }

    /// Better believed first, then the longer one, then by format: the order in which they were found does not matter.
    private static func isBetter(_ first: BillOfMaterials, _ second: BillOfMaterials) -> Bool {
        if first.origin != second.origin, first.origin < second.origin || second.origin < first.origin { return first.origin < second.origin }
        if first.packages.count != second.packages.count { return first.packages.count > second.packages.count }
        return (first.format.rawValue, "\(first.origin)") < (second.format.rawValue, "\(second.origin)")
    }
}
