public import Foundation

/// Which policy is in force, and what became of the newest edition of its files.
public struct PolicyStatusResource: Codable, Sendable, Hashable {
    /// `nil` where none ever was in force.
    public var version: String?
    public var since: Date?
    /// `nil` where the files do not come from git.
    public var commit: PolicyCommitResource?
    public var source: PolicySourceResource
    /// The names of the policies in force.
    public var policies: [String]
    /// When the source was last read.
    public var checkedAt: Date?
    /// The newest edition, where it is not in force.
    public var refused: PolicyRefusalResource?
    public var unreachable: PolicyUnreachableResource?

    public init(
        version: String?, since: Date?, commit: PolicyCommitResource?, source: PolicySourceResource, policies: [String], checkedAt: Date?,
        refused: PolicyRefusalResource?, unreachable: PolicyUnreachableResource?
    ) {
        self.version = version
        self.since = since
        self.commit = commit
        self.source = source
        self.policies = policies
        self.checkedAt = checkedAt
        self.refused = refused
        self.unreachable = unreachable
    }
}

/// The git commit of a policy.
public struct PolicyCommitResource: Codable, Sendable, Hashable {
    public var id: String
    /// As the commit says; nobody has checked it.
    public var author: String
    public var committedAt: Date
    public var subject: String
    /// `nil` where signatures are not asked for.
    public var signature: PolicySignatureResource?

    public init(id: String, author: String, committedAt: Date, subject: String, signature: PolicySignatureResource?) {
        self.id = id
        self.author = author
        self.committedAt = committedAt
        self.subject = subject
        self.signature = signature
    }
}

/// Who signed a commit.
public struct PolicySignatureResource: Codable, Sendable, Hashable {
    /// `ssh` or `openpgp`.
    public var scheme: String
    public var signer: String
    /// The key's fingerprint.
    public var key: String

    public init(scheme: String, signer: String, key: String) {
        self.scheme = scheme
        self.signer = signer
        self.key = key
    }
}

/// Where policy files come from.
public struct PolicySourceResource: Codable, Sendable, Hashable {
    /// `folder` or `git`.
    public var kind: String
    public var location: String
    public var branch: String?
    public var folder: String?

    public init(kind: String, location: String, branch: String?, folder: String?) {
        self.kind = kind
        self.location = location
        self.branch = branch
        self.folder = folder
    }
}

/// An edition that is not put in force, and why.
public struct PolicyRefusalResource: Codable, Sendable, Hashable {
    public var revision: String
    public var commit: PolicyCommitResource?
    public var at: Date
    public var mistakes: [PolicyMistakeResource]

    public init(revision: String, commit: PolicyCommitResource?, at: Date, mistakes: [PolicyMistakeResource]) {
        self.revision = revision
        self.commit = commit
        self.at = at
        self.mistakes = mistakes
    }
}

/// A mistake in a policy file.
public struct PolicyMistakeResource: Codable, Sendable, Hashable {
    public var file: String
    public var line: Int
    public var column: Int
    public var problem: String
    public var remedy: String

    public init(file: String, line: Int, column: Int, problem: String, remedy: String) {
        self.file = file
        self.line = line
        self.column = column
        self.problem = problem
        self.remedy = remedy
    }
}

/// Why the source can't be read.
public struct PolicyUnreachableResource: Codable, Sendable, Hashable {
    public var reason: String
    public var since: Date

    public init(reason: String, since: Date) {
        self.reason = reason
        self.since = since
    }
}
