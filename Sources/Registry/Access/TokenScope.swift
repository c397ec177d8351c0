import OCI

/// A right on a repository as token services write it: `repository:NAME:pull,push`.
struct TokenScope: Sendable, Hashable, Comparable, CustomStringConvertible {
    enum Access: String, Sendable, Hashable {
        case pull = "pull"
        case push = "pull,push"
        case delete = "pull,delete"
    }

    /// `nil`: the registry's catalog, which has a right of its own.
    let repository: RepositoryName?
    let access: Access

    /// `registry:catalog:*`
    static let catalog = TokenScope(repository: nil, access: .pull)

    var description: String { repository.map { "repository:\($0):\(access.rawValue)" } ?? "registry:catalog:*" }

    /// Whether a token with this scope serves where `other` is needed.
    func covers(_ other: TokenScope) -> Bool {
        repository == other.repository && (access == other.access || other.access == .pull)
    }

    static func < (lhs: TokenScope, rhs: TokenScope) -> Bool { lhs.description < rhs.description }
}
