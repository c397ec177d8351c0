public import Foundation

/// `POST /v1/scans`
public struct ScanRequestBody: Codable, Sendable, Hashable {
    public var environment: String

    public init(environment: String) { self.environment = environment }
}

/// A look at everything in an environment's registries.
public struct InventoryScanResource: Codable, Sendable, Hashable {
    public struct Counts: Codable, Sendable, Hashable {
        public var repositories: Int
        public var tags: Int
        public var new: Int
        public var moved: Int
        public var gone: Int
        public var artifacts: Int
        public var requests: Int

        public init(repositories: Int, tags: Int, new: Int, moved: Int, gone: Int, artifacts: Int, requests: Int) {
            self.repositories = repositories
            self.tags = tags
            self.new = new
            self.moved = moved
            self.gone = gone
            self.artifacts = artifacts
            self.requests = requests
        }
    }

    public var id: String
    public var environment: String
    /// `waiting`, `running`, `succeeded`, `failed`.
    public var state: String
    public var requestedBy: String
    public var requestedAt: Date
    public var startedAt: Date?
    public var finishedAt: Date?
    public var counts: Counts
    /// What could not be looked at, and why.
    public var failures: [String]

    public init(
        id: String, environment: String, state: String, requestedBy: String, requestedAt: Date, startedAt: Date?, finishedAt: Date?, counts: Counts,
        failures: [String]
    ) {
        self.id = id
        self.environment = environment
        self.state = state
        self.requestedBy = requestedBy
        self.requestedAt = requestedAt
        self.startedAt = startedAt
        self.finishedAt = finishedAt
        self.counts = counts
        self.failures = failures
    }

    public var isFinal: Bool { state == "succeeded" || state == "failed" }
}

/// A tag for which an image was found.
public struct ImageMatchResource: Codable, Sendable, Hashable {
    public var environment: String
    public var tag: String
    public var digest: String
    public var size: Int64?
    public var created: Date?
    public var platforms: [String]
    public var revision: String?

    public init(environment: String, tag: String, digest: String, size: Int64?, created: Date?, platforms: [String], revision: String?) {
        self.environment = environment
        self.tag = tag
        self.digest = digest
        self.size = size
        self.created = created
        self.platforms = platforms
        self.revision = revision
    }
}

/// `GET /v1/environments/{name}`: what is or was in an environment.
public struct EnvironmentStateResource: Codable, Sendable, Hashable {
    public struct Item: Codable, Sendable, Hashable {
        public var image: String
        public var tag: String
        public var digest: String
        public var registry: String
        public var since: Date
        public var promotion: String?

        public init(image: String, tag: String, digest: String, registry: String, since: Date, promotion: String?) {
            self.image = image
            self.tag = tag
            self.digest = digest
            self.registry = registry
            self.since = since
            self.promotion = promotion
        }
    }

    public var environment: String
    /// The time that was asked about; absent: now, as last seen.
    public var at: Date?
    public var items: [Item]
    public var next: String?

    public init(environment: String, at: Date?, items: [Item], next: String?) {
        self.environment = environment
        self.at = at
        self.items = items
        self.next = next
    }
}

/// A tag's move, by a promotion or by others.
public struct MoveResource: Codable, Sendable, Hashable {
    public var image: String
    public var environment: String
    public var registry: String
    public var tag: String
    /// Absent: it was not there before.
    public var from: String?
    /// Absent: it is gone.
    public var to: String?
    public var at: Date
    /// `promotion`, or `outside` where others moved it.
    public var by: String
    public var promotion: String?
    public var requestedBy: String?
    /// How a move by others came to be known.
    public var seenBy: String

    public init(
        image: String, environment: String, registry: String, tag: String, from: String?, to: String?, at: Date, by: String, promotion: String?,
        requestedBy: String?, seenBy: String
    ) {
        self.image = image
        self.environment = environment
        self.registry = registry
        self.tag = tag
        self.from = from
        self.to = to
        self.at = at
        self.by = by
        self.promotion = promotion
        self.requestedBy = requestedBy
        self.seenBy = seenBy
    }
}

/// `GET /v1/diff`: two environments beside each other.
public struct DifferenceResource: Codable, Sendable, Hashable {
    public struct Artifact: Codable, Sendable, Hashable {
        public var digest: String
        public var size: Int64?
        public var created: Date?
        public var revision: String?
        public var source: String?
        public var since: Date

        public init(digest: String, size: Int64?, created: Date?, revision: String?, source: String?, since: Date) {
            self.digest = digest
            self.size = size
            self.created = created
            self.revision = revision
            self.source = source
            self.since = since
        }
    }

    public struct TagItem: Codable, Sendable, Hashable {
        public var tag: String
        /// `equal`, `ahead`, `behind`, `diverged`, `kept`.
        public var standing: String
        public var from: Artifact?
        public var to: Artifact?
        /// What a promotion would send, by what is known of the target's registries.
        public var missingBlobs: Int
        public var missingBytes: Int64

        public init(tag: String, standing: String, from: Artifact?, to: Artifact?, missingBlobs: Int, missingBytes: Int64) {
            self.tag = tag
            self.standing = standing
            self.from = from
            self.to = to
            self.missingBlobs = missingBlobs
            self.missingBytes = missingBytes
        }
    }

    public struct Image: Codable, Sendable, Hashable {
        public var image: String
        /// `equal`, `ahead`, `behind`, `diverged`.
        public var standing: String
        /// `both`, `only-from`, `only-to`.
        public var presence: String
        public var tags: [TagItem]

        public init(image: String, standing: String, presence: String, tags: [TagItem]) {
            self.image = image
            self.standing = standing
            self.presence = presence
            self.tags = tags
        }
    }

    public var from: String
    public var to: String
    public var items: [Image]
    public var next: String?

    public init(from: String, to: String, items: [Image], next: String?) {
        self.from = from
        self.to = to
        self.items = items
        self.next = next
    }
}

/// A tag that no longer names what Shiplift made it name last.
public struct DriftResource: Codable, Sendable, Hashable {
    public var id: String
    public var image: String
    public var environment: String
    public var registry: String
    public var repository: String
    public var tag: String
    public var expected: String
    /// Absent: the tag is gone.
    public var found: String?
    public var promotion: String
    public var detectedAt: Date
    public var seenBy: String
    public var resolvedAt: Date?
    /// `returned`, `promoted`, `rolled-back`, `restored`; absent while it is open.
    public var resolution: String?
    /// The promotion that is to put it back.
    public var restoring: String?

    public init(
        id: String, image: String, environment: String, registry: String, repository: String, tag: String, expected: String, found: String?,
        promotion: String, detectedAt: Date, seenBy: String, resolvedAt: Date?, resolution: String?, restoring: String?
    ) {
        self.id = id
        self.image = image
        self.environment = environment
        self.registry = registry
        self.repository = repository
        self.tag = tag
        self.expected = expected
        self.found = found
        self.promotion = promotion
        self.detectedAt = detectedAt
        self.seenBy = seenBy
        self.resolvedAt = resolvedAt
        self.resolution = resolution
        self.restoring = restoring
    }
}

/// `POST /v1/rollbacks`
public struct RollbackRequestBody: Codable, Sendable, Hashable {
    public var environment: String
    /// Left out: everything in the environment, to a time.
    public var image: String?
    /// `previous`, a time, or a digest.
    public var to: String
    public var tags: [String]?
    public var reason: String?
    public var dryRun: Bool?

    public init(environment: String, image: String?, to: String, tags: [String]?, reason: String?, dryRun: Bool?) {
        self.environment = environment
        self.image = image
        self.to = to
        self.tags = tags
        self.reason = reason
        self.dryRun = dryRun
    }
}

/// What a rollback began, artifact by artifact.
public struct RollbackResource: Codable, Sendable {
    public struct Item: Codable, Sendable {
        public var image: String
        public var digest: String
        public var tags: [String]
        /// The time whose state it is.
        public var state: Date
        /// Where the artifact is; absent: nowhere.
        public var source: String?
        public var promotion: PromotionResource?
        /// Of a dry run.
        public var decision: DecisionResource?
        public var problem: ProblemResource?

        public init(
            image: String, digest: String, tags: [String], state: Date, source: String?, promotion: PromotionResource? = nil,
            decision: DecisionResource? = nil, problem: ProblemResource? = nil
        ) {
            self.image = image
            self.digest = digest
            self.tags = tags
            self.state = state
            self.source = source
            self.promotion = promotion
            self.decision = decision
            self.problem = problem
        }
    }

    public var environment: String
    public var items: [Item]
    /// Tags that already name what they named then.
    public var unchanged: Int

    public init(environment: String, items: [Item], unchanged: Int) {
        self.environment = environment
        self.items = items
        self.unchanged = unchanged
    }
}

/// What makes a promotion a rollback.
public struct RollbackOriginResource: Codable, Sendable, Hashable {
    /// The environment by whose step's rules it is decided.
    public var step: String
    /// The time whose state it goes back to.
    public var state: Date?
    /// Whether it undoes drift.
    public var restores: Bool

    public init(step: String, state: Date?, restores: Bool) {
        self.step = step
        self.state = state
        self.restores = restores
    }
}
