/// What Artifactory's `POST /api/docker/{repoKey}/v2/promote` takes.
public struct ArtifactoryPromotionBody: Codable, Sendable, Hashable {
    public var targetRepo: String
    public var dockerRepository: String
    public var targetDockerRepository: String?
    public var tag: String?
    public var targetTag: String?
    /// False where it is not said: a move.
    public var copy: Bool?
}

/// What ProGet's `POST /api/promotions/promote` takes.
public struct ProGetPromotionBody: Codable, Sendable, Hashable {
    public var name: String?
    public var packageName: String?
    public var group: String?
    public var groupName: String?
    public var version: String
    public var fromFeed: String
    public var toFeed: String
    public var comments: String?
}
