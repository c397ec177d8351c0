public import Foundation
public import OCI

/// What an artifact is, as far as a comparison shows it.
public struct ComparedArtifact: Sendable, Hashable {
    public let digest: Digest
    public let size: Int64?
    public let created: Date?
    public let revision: String?
    public let source: String?
    /// Since when the tag names it.
    public let since: Date

    public init(digest: Digest, size: Int64?, created: Date?, revision: String?, source: String?, since: Date) {
        self.digest = digest
        self.size = size
        self.created = created
        self.revision = revision
        self.source = source
        self.since = since
    }
}

/// How one environment stands to another: of a tag, or of all tags of an image together.
public enum Standing: String, Sendable, Hashable, CaseIterable {
    case equal
    /// The first environment has what the second has not had.
    case ahead
    /// The second environment has what the first has not had.
    case behind
    /// Each has what the other has not had.
    case diverged
    /// The first environment had it once; the second one still has it.
    case kept
}

/// One tag of an image in two environments.
public struct TagDifference: Sendable, Hashable {
    public let tag: Tag
    /// `nil`: the tag is not there.
    public let from: ComparedArtifact?
    public let to: ComparedArtifact?
    public let standing: Standing
    /// Blobs of the first environment's artifact that the second one's registries are not known to hold.
    public let missingBlobs: Int
    /// Their bytes: what a promotion would send.
    public let missingBytes: Int64

    public init(tag: Tag, from: ComparedArtifact?, to: ComparedArtifact?, standing: Standing, missingBlobs: Int, missingBytes: Int64) {
        self.tag = tag
        self.from = from
        self.to = to
        self.standing = standing
        self.missingBlobs = missingBlobs
        self.missingBytes = missingBytes
    }
}

/// What two environments have of one image.
public struct ImageStanding: Sendable, Hashable {
    public enum Presence: String, Sendable, Hashable { case both, onlyFrom = "only-from", onlyTo = "only-to" }

    public let image: ImageName
    public let tags: [TagDifference]

    public init(image: ImageName, tags: [TagDifference]) {
        self.image = image
        self.tags = tags
    }

    public var presence: Presence {
        if tags.allSatisfy({ $0.to == nil }) { return .onlyFrom }
        return tags.allSatisfy { $0.from == nil } ? .onlyTo : .both
    }

    /// All its tags together.
    public var standing: Standing {
        let found = Set(tags.map(\.standing))
        if found.contains(.diverged) || (found.contains(.ahead) && found.contains(.behind)) { return .diverged }
        if found.contains(.ahead) { return .ahead }
        return found.contains(.behind) ? .behind : .equal
    }
}

extension TagDifference {
    /// How two environments stand to each other at one tag.
    ///
    /// - Parameters:
    ///   - fromHadOther: whether the first environment ever had what the second one's tag names, under any tag of the image.
    ///   - toHadOther: the reverse.
    public static func standing(_ from: ComparedArtifact?, _ to: ComparedArtifact?, fromHadOther: Bool, toHadOther: Bool) -> Standing {
        switch (from, to) {
        case (let from?, let to?):
            if from.digest == to.digest { return .equal }
            switch (fromHadOther, toHadOther) {
            case (true, false): return .ahead
            case (false, true): return .behind
            // Both have had both: whoever moved last is further.
            case (true, true): return from.since >= to.since ? .ahead : .behind
            case (false, false): return .diverged
            }
        case (.some, nil): return .ahead
        case (nil, .some): return fromHadOther ? .kept : .behind
        case (nil, nil): return .equal
        }
    }
}
