import OCI

/// A right on a repository as token services write it: `repository:NAME:pull,push`.
struct TokenScope: Sendable, Hashable, Comparable, CustomStringConvertible {
    enum Access: String, Sendable, Hashable {
        case pull = "pull"
        case push = "pull,push"
        case delete = "pull,delete"
    }

    let repository: RepositoryName
    let access: Access

    var description: String { "repository:\(repository):\(access.rawValue)" }

    /// Whether a token with this scope serves where `other` is needed.
    func covers(_ other: TokenScope) -> Bool {
        repository == other.repository && (access == other.access || other.access == .pull)
    }

    static func < (lhs: TokenScope, rhs: TokenScope) -> Bool { lhs.description < rhs.description }
}
