public import Foundation

/// `GET /v1/review`, `GET /v1/promotions/{id}/review`: what a person has to know before a version takes another one's place.
///
/// Lists hold at most 500 items each; the counts beside them say how many there are. Texts from images are cut, on one line, and show no secrets.
public struct ReviewResource: Codable, Sendable, Hashable {
    /// A value on both sides; absent where that side has none.
    public struct Change: Codable, Sendable, Hashable {
        public var name: String
        public var before: String?
        public var after: String?
        /// Absent where it concerns all platforms.
        public var platforms: [String]?

        public init(name: String, before: String?, after: String?, platforms: [String]? = nil) {
            self.name = name
            self.before = before
            self.after = after
            self.platforms = platforms
        }
    }

    /// What it is compared with.
    public struct Baseline: Codable, Sendable, Hashable {
        public var digest: String
        public var tag: String?
        /// Why this one.
        public var reason: String

        public init(digest: String, tag: String?, reason: String) {
            self.digest = digest
            self.tag = tag
            self.reason = reason
        }
    }

    /// A tag that the promotion writes, as it is in one registry now.
    public struct TargetTag: Codable, Sendable, Hashable {
        public var tag: String
        public var registry: String
        public var repository: String
        public var digest: String
        /// Whether it would name something else afterwards.
        public var moves: Bool

        public init(tag: String, registry: String, repository: String, digest: String, moves: Bool) {
            self.tag = tag
            self.registry = registry
            self.repository = repository
            self.digest = digest
            self.moves = moves
        }
    }

    public struct Source: Codable, Sendable, Hashable {
        public var repository: String?
        public var revision: String?
        public var version: String?
        public var created: String?

        public init(repository: String?, revision: String?, version: String?, created: String?) {
            self.repository = repository
            self.revision = revision
            self.version = version
            self.created = created
        }
    }

    public struct Sources: Codable, Sendable, Hashable {
        public var before: Source?
        public var after: Source?
        /// A page of the forge that compares the two commits, where it is a forge that we know; we have not opened it.
        public var compareUrl: String?

        public init(before: Source?, after: Source?, compareUrl: String?) {
            self.before = before
            self.after = after
            self.compareUrl = compareUrl
        }
    }

    public struct Platforms: Codable, Sendable, Hashable {
        public var added: [String]
        public var removed: [String]
        public var kept: [String]

        public init(added: [String], removed: [String], kept: [String]) {
            self.added = added
            self.removed = removed
            self.kept = kept
        }
    }

    public struct Package: Codable, Sendable, Hashable {
        /// `deb`, `npm`; empty where it is not known.
        public var type: String
        public var name: String
        /// The versions that went.
        public var before: [String]
        /// The versions that came.
        public var after: [String]

        public init(type: String, name: String, before: [String], after: [String]) {
            self.type = type
            self.name = name
            self.before = before
            self.after = after
        }
    }

    /// A bill of materials that was used.
    public struct Document: Codable, Sendable, Hashable {
        /// spdx, cyclonedx
        public var format: String
        /// signed, attached, posted
        public var origin: String
        /// The signer, or who posted it.
        public var by: String?
        public var subject: String
        public var packages: Int

        public init(format: String, origin: String, by: String?, subject: String, packages: Int) {
            self.format = format
            self.origin = origin
            self.by = by
            self.subject = subject
            self.packages = packages
        }
    }

    public struct Packages: Codable, Sendable, Hashable {
        public struct Counts: Codable, Sendable, Hashable {
            public var added: Int
            public var removed: Int
            public var changed: Int
            public var unchanged: Int
            public var total: Int

            public init(added: Int, removed: Int, changed: Int, unchanged: Int, total: Int) {
                self.added = added
                self.removed = removed
                self.changed = changed
                self.unchanged = unchanged
                self.total = total
            }
        }

        /// Whether there was a document to compare with.
        public var compared: Bool
        public var counts: Counts
        public var added: [Package]
        public var removed: [Package]
        public var changed: [Package]
        public var before: [Document]
        public var after: [Document]

        public init(compared: Bool, counts: Counts, added: [Package], removed: [Package], changed: [Package], before: [Document], after: [Document]) {
            self.compared = compared
            self.counts = counts
            self.added = added
            self.removed = removed
            self.changed = changed
            self.before = before
            self.after = after
        }
    }

    public struct Vulnerability: Codable, Sendable, Hashable {
        public var id: String
        public var aliases: [String]
        /// critical, high, medium, low, negligible; absent where no scanner knows.
        public var severity: String?
        public var packages: [String]
        public var fixedIn: [String]

        public init(id: String, aliases: [String], severity: String?, packages: [String], fixedIn: [String]) {
            self.id = id
            self.aliases = aliases
            self.severity = severity
            self.packages = packages
            self.fixedIn = fixedIn
        }
    }

    public struct Scan: Codable, Sendable, Hashable {
        public var scanner: String
        public var completedAt: Date
        /// The trusted signer; absent where the report was posted.
        public var signer: String?
        public var postedBy: String?

        public init(scanner: String, completedAt: Date, signer: String?, postedBy: String?) {
            self.scanner = scanner
            self.completedAt = completedAt
            self.signer = signer
            self.postedBy = postedBy
        }
    }

    public struct Vulnerabilities: Codable, Sendable, Hashable {
        public struct Counts: Codable, Sendable, Hashable {
            public var new: Int
            public var fixed: Int
            public var remaining: Int

            public init(new: Int, fixed: Int, remaining: Int) {
                self.new = new
                self.fixed = fixed
                self.remaining = remaining
            }
        }

        /// Whether there was a scan to compare with; where not, everything that was found stands in `new`.
        public var compared: Bool
        public var counts: Counts
        /// The worst first, here and in the others.
        public var new: [Vulnerability]
        public var fixed: [Vulnerability]
        public var remaining: [Vulnerability]
        public var before: [Scan]
        public var after: [Scan]

        public init(
            compared: Bool, counts: Counts, new: [Vulnerability], fixed: [Vulnerability], remaining: [Vulnerability], before: [Scan], after: [Scan]
        ) {
            self.compared = compared
            self.counts = counts
            self.new = new
            self.fixed = fixed
            self.remaining = remaining
            self.before = before
            self.after = after
        }
    }

    public struct Layers: Codable, Sendable, Hashable {
        public struct Tally: Codable, Sendable, Hashable {
            public var layers: Int
            public var bytes: Int64

            public init(layers: Int, bytes: Int64) {
                self.layers = layers
                self.bytes = bytes
            }
        }

        public var shared: Tally
        public var new: Tally
        public var removed: Tally

        public init(shared: Tally, new: Tally, removed: Tally) {
            self.shared = shared
            self.new = new
            self.removed = removed
        }
    }

    /// Bytes of all blobs and manifests.
    public struct Size: Codable, Sendable, Hashable {
        public var before: Int64?
        public var after: Int64

        public init(before: Int64?, after: Int64) {
            self.before = before
            self.after = after
        }
    }

    public var at: Date
    /// Absent where there is none yet.
    public var promotion: String?
    public var state: String?
    public var image: String
    public var from: String
    public var to: String
    public var tag: String?
    public var digest: String
    public var targetTags: [String]
    /// What of them is in the target environment now.
    public var there: [TargetTag]
    /// Absent where nothing of the image is in the target environment: there is nothing to compare with.
    public var baseline: Baseline?
    public var source: Sources
    /// Name and digest of the base image, as the image says.
    public var base: [Change]
    public var platforms: Platforms
    /// Entry point, command, user, working folder, ports, volumes, stop signal, and `env NAME`.
    public var configuration: [Change]
    public var labels: [Change]
    public var annotations: [Change]
    /// Absent where no bill of materials was found.
    public var packages: Packages?
    /// Absent where no scan is known.
    public var vulnerabilities: Vulnerabilities?
    public var layers: Layers
    public var size: Size
    /// What policy says; absent where it has not been asked yet.
    public var decision: DecisionResource?
    /// What can be done about gates that are not open.
    public var requests: [GateRequestResource]
    /// What limits the comparison.
    public var remarks: [String]

    public init(at: Date, image: String, from: String, to: String, digest: String, source: Sources, platforms: Platforms, layers: Layers, size: Size) {
        self.at = at
        self.image = image
        self.from = from
        self.to = to
        self.digest = digest
        self.source = source
        self.platforms = platforms
        self.layers = layers
        self.size = size
        targetTags = []
        there = []
        base = []
        configuration = []
        labels = []
        annotations = []
        requests = []
        remarks = []
    }
}
