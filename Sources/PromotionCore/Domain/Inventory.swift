public import Foundation
public import OCI
public import PolicyEngine

/// What a scan has met so far.
public struct ScanCounts: Sendable, Hashable, Codable {
    public var repositories = 0
    public var tags = 0
    /// Tags that were not known.
    public var new = 0
    /// Tags that name something else than when they were last seen.
    public var moved = 0
    /// Tags that are no longer there.
    public var gone = 0
    /// Artifacts whose manifests were read.
    public var artifacts = 0
    /// Requests to registries.
    public var requests = 0

    public init() {}
}

/// A place in a scan: what stands behind it, by registry and then by name, is still to be looked at.
public struct ScanPosition: Sendable, Hashable, Codable {
    public let registry: String
    public let image: ImageName

    public init(registry: String, image: ImageName) {
        self.registry = registry
        self.image = image
    }
}

/// A look at everything in an environment's registries.
public struct InventoryScan: Sendable, Hashable {
    public enum State: String, Sendable, Hashable, CaseIterable {
        case waiting, running, succeeded, failed

        public var isFinal: Bool { self == .succeeded || self == .failed }
    }

    public let id: UUID
    public let environment: EnvironmentName
    public let state: State
    public let requestedBy: SubjectID
    public let requestedAt: Date
    public let startedAt: Date?
    public let finishedAt: Date?
    public let counts: ScanCounts
    public let position: ScanPosition?
    /// What could not be looked at, and why; at most twenty sentences.
    public let failures: [String]

    public init(
        id: UUID, environment: EnvironmentName, state: State, requestedBy: SubjectID, requestedAt: Date, startedAt: Date?, finishedAt: Date?,
        counts: ScanCounts, position: ScanPosition?, failures: [String]
    ) {
        self.id = id
        self.environment = environment
        self.state = state
        self.requestedBy = requestedBy
        self.requestedAt = requestedAt
        self.startedAt = startedAt
        self.finishedAt = finishedAt
        self.counts = counts
        self.position = position
        self.failures = failures
    }
}

/// What an artifact says of itself.
public struct ArtifactDescription: Sendable, Hashable {
    public let digest: Digest
    public let mediaType: MediaType
    public let artifactType: String?
    public let subject: Digest?
    /// Bytes of all manifests and blobs, each once.
    public let size: Int64
    public let created: Date?
    public let platforms: [Platform]
    /// Labels; annotations where no label has the name.
    public let labels: [String: String]
    public let blobs: [Descriptor]
    /// Whether its configuration was read: without it there are annotations alone.
    public let isComplete: Bool

    public init(
        digest: Digest, mediaType: MediaType, artifactType: String?, subject: Digest?, size: Int64, created: Date?, platforms: [Platform],
        labels: [String: String], blobs: [Descriptor], isComplete: Bool
    ) {
        self.digest = digest
        self.mediaType = mediaType
        self.artifactType = artifactType
        self.subject = subject
        self.size = size
        self.created = created
        self.platforms = platforms
        self.labels = labels
        self.blobs = blobs
        self.isComplete = isComplete
    }
}

/// What a look at some tags of a repository changed in what is known.
public struct TagChanges: Sendable, Hashable {
    public var new = 0
    public var moved = 0
    public var gone = 0

    public init() {}
}

/// What a search asks for. What is not given does not filter.
public struct ImageSearch: Sendable, Hashable {
    /// Words of names, descriptions and labels, or a part of a name.
    public var text: String?
    public var tag: Tag?
    /// The first characters of a sha256 digest, in hexadecimal.
    public var digestPrefix: String?
    /// Each must be there with this value, or with any where it is `nil`.
    public var labels: [String: String?] = [:]
    /// The first characters of a revision.
    public var revision: String?
    public var platform: Platform?
    /// Bytes.
    public var minimumSize: Int64?
    public var maximumSize: Int64?
    public var createdAfter: Date?
    public var createdBefore: Date?
    public var environment: EnvironmentName?

    public init() {}

    /// Whether it asks for anything that an artifact says of itself.
    public var asksForArtifacts: Bool {
        digestPrefix != nil || !labels.isEmpty || revision != nil || platform != nil || minimumSize != nil || maximumSize != nil || createdAfter != nil
            || createdBefore != nil
    }
}

/// An image that was found, with some of the tags for which it was.
public struct ImageHit: Sendable, Hashable {
    public struct Match: Sendable, Hashable {
        public let environment: EnvironmentName
        public let tag: Tag
        public let digest: Digest
        public let size: Int64?
        public let created: Date?
        public let platforms: [String]
        public let revision: String?

        public init(
            environment: EnvironmentName, tag: Tag, digest: Digest, size: Int64?, created: Date?, platforms: [String], revision: String?
        ) {
            self.environment = environment
            self.tag = tag
            self.digest = digest
            self.size = size
            self.created = created
            self.platforms = platforms
            self.revision = revision
        }
    }

    public let summary: ImageSummary
    public let description: String?
    /// The newest, at most five.
    public let matches: [Match]

    public init(summary: ImageSummary, description: String?, matches: [Match]) {
        self.summary = summary
        self.description = description
        self.matches = matches
    }
}

/// What a tag of an image named in one registry at a time.
public struct PlacedTag: Sendable, Hashable {
    public let image: ImageName
    public let registry: String
    public let tag: Tag
    public let digest: Digest
    public let since: Date
    /// The promotion that put it there; `nil` where it was seen from outside.
    public let promotion: PromotionID?

    public init(image: ImageName, registry: String, tag: Tag, digest: Digest, since: Date, promotion: PromotionID?) {
        self.image = image
        self.registry = registry
        self.tag = tag
        self.digest = digest
        self.since = since
        self.promotion = promotion
    }
}

/// A move of a tag.
public struct RecordedTagMove: Sendable, Hashable {
    public let image: ImageName
    public let environment: EnvironmentName
    public let registry: String
    public let tag: Tag
    /// `nil`: it was not there before.
    public let from: Digest?
    /// `nil`: it is gone.
    public let to: Digest?
    /// When it was done by us, or seen.
    public let at: Date
    public let promotion: PromotionID?
    /// Who asked for the promotion; `nil` where the move was made by others.
    public let requestedBy: SubjectID?
    /// How a move that others made came to be known: `scan`, `request`.
    public let seenBy: String

    public init(
        image: ImageName, environment: EnvironmentName, registry: String, tag: Tag, from: Digest?, to: Digest?, at: Date, promotion: PromotionID?,
        requestedBy: SubjectID?, seenBy: String
    ) {
        self.image = image
        self.environment = environment
        self.registry = registry
        self.tag = tag
        self.from = from
        self.to = to
        self.at = at
        self.promotion = promotion
        self.requestedBy = requestedBy
        self.seenBy = seenBy
    }
}
