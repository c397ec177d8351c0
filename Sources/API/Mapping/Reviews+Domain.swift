import APIModel
import Comparison
import OCI
import PolicyEngine
import PromotionCore

extension ReviewResource {
    /// Most items of a list.
    private static let most = 500

    init(_ review: Review) {
        let found = review.difference
        self.init(
            at: review.at, image: review.image.description, from: review.from.description, to: review.to.description, digest: review.digest.description,
            source: Sources(before: found.source.before.map(Source.init), after: found.source.after.map(Source.init), compareUrl: found.source.compareURL),
            platforms: Platforms(
                added: found.platformsAdded.map(Self.text), removed: found.platformsRemoved.map(Self.text), kept: found.platformsKept.map(Self.text)),
            layers: Layers(
                shared: Layers.Tally(found.layers.shared), new: Layers.Tally(found.layers.added), removed: Layers.Tally(found.layers.removed)),
            size: Size(before: found.sizeBefore, after: found.sizeAfter))
        promotion = review.promotion?.id.description
        state = review.promotion?.state.rawValue
        tag = review.sourceTag?.description
        targetTags = review.tags.map(\.description)
        there = review.there.map {
            TargetTag(
                tag: $0.tag.description, registry: $0.target.registry, repository: $0.target.repository.description, digest: $0.digest.description,
                moves: $0.digest != review.digest)
        }
        baseline = review.baseline.map { Baseline(digest: $0.digest.description, tag: $0.tag?.description, reason: $0.reason) }
        base = Self.changes(found.base)
        configuration = Self.changes(found.configuration)
        labels = Self.changes(found.labels)
        annotations = Self.changes(found.annotations)
        packages = found.packages.map(Packages.init)
        vulnerabilities = found.vulnerabilities.map(Vulnerabilities.init)
        decision = review.decision.map(DecisionResource.init)
        requests = review.requests.map(GateRequestResource.init)
        remarks = review.remarks
    }

    fileprivate static func bounded<Item, Result>(_ items: [Item], _ transform: (Item) -> Result) -> [Result] { items.prefix(most).map(transform) }

    private static func text(_ platform: Platform) -> String { Shown.text("\(platform)", limit: 100) }

    private static func changes(_ changes: [Comparison.Change]) -> [Change] {
        bounded(changes) {
            Change(name: $0.name, before: $0.before, after: $0.after, platforms: $0.platforms.isEmpty ? nil : $0.platforms.map(text))
        }
    }
}

extension ReviewResource.Source {
    init(_ source: SourceReference) {
        self.init(repository: source.repository, revision: source.revision, version: source.version, created: source.created)
    }
}

extension ReviewResource.Layers.Tally {
    init(_ tally: LayerDifference.Tally) { self.init(layers: tally.layers, bytes: tally.bytes) }
}

extension ReviewResource.Packages {
    init(_ found: PackageDifference) {
        func packages(_ changes: [PackageChange]) -> [ReviewResource.Package] {
            ReviewResource.bounded(changes) { change in
                ReviewResource.Package(type: change.type, name: change.name, before: change.before, after: change.after)
            }
        }
        self.init(
            compared: found.isCompared,
            counts: Counts(
                added: found.added.count, removed: found.removed.count, changed: found.changed.count, unchanged: found.unchanged, total: found.total),
            added: packages(found.added), removed: packages(found.removed), changed: packages(found.changed),
            before: ReviewResource.bounded(found.before, ReviewResource.Document.init), after: ReviewResource.bounded(found.after, ReviewResource.Document.init))
    }
}

extension ReviewResource.Document {
    init(_ source: BillOfMaterials.Source) {
        let (origin, by): (String, String?) =
            switch source.origin {
            case .signed(let by): ("signed", by)
            case .attached: ("attached", nil)
            case .posted(let by): ("posted", by)
            }
        self.init(format: source.format.rawValue, origin: origin, by: by, subject: source.subject.description, packages: source.packages)
    }
}

extension ReviewResource.Vulnerabilities {
    init(_ found: VulnerabilityDifference) {
        func list(_ vulnerabilities: [Vulnerability]) -> [ReviewResource.Vulnerability] {
            ReviewResource.bounded(vulnerabilities) { one in
                ReviewResource.Vulnerability(
                    id: one.id, aliases: one.aliases, severity: one.severity?.rawValue, packages: Array(one.packages.prefix(50)),
                    fixedIn: Array(one.fixedIn.prefix(20)))
            }
        }
        func scans(_ scans: [VulnerabilityDifference.Scan]) -> [ReviewResource.Scan] {
            ReviewResource.bounded(scans) { scan in
                ReviewResource.Scan(scanner: scan.scanner, completedAt: scan.completedAt, signer: scan.signer, postedBy: scan.postedBy)
            }
        }
        self.init(
            compared: found.isCompared, counts: Counts(new: found.added.count, fixed: found.fixed.count, remaining: found.remaining.count),
            new: list(found.added), fixed: list(found.fixed), remaining: list(found.remaining), before: scans(found.before), after: scans(found.after))
    }
}
