public import AuditLog
public import Foundation
public import PolicyEngine

/// Who signed a commit, as the check against the allowed signers found it.
public struct CommitSignature: Sendable, Hashable, Codable {
    public enum Scheme: String, Sendable, Hashable, Codable { case ssh, openpgp }

    public let scheme: Scheme
    /// The principal of the allowed-signers file, or the user id of the OpenPGP key.
    public let signer: String
    /// The key's fingerprint.
    public let key: String

    public init(scheme: Scheme, signer: String, key: String) {
        self.scheme = scheme
        self.signer = signer
        self.key = key
    }
}

/// The git commit that a policy set was read from.
public struct PolicyCommit: Sendable, Hashable, Codable {
    /// The full object name.
    public let id: String
    /// `NAME <ADDRESS>`, as the commit says; nobody has checked it.
    public let author: String
    public let committedAt: Date
    /// The first line of the message.
    public let subject: String
    /// `nil` where signatures are not asked for.
    public let signature: CommitSignature?

    public init(id: String, author: String, committedAt: Date, subject: String, signature: CommitSignature?) {
        self.id = id
        self.author = author
        self.committedAt = committedAt
        self.subject = subject
        self.signature = signature
    }
}

/// The files of a policy at one time.
public struct PolicyEdition: Sendable, Hashable {
    /// What tells it from other editions: the commit, or the digest of all files.
    public let revision: String
    public let files: [PolicyFile]
    /// `nil` where the files do not come from git.
    public let commit: PolicyCommit?

    public init(revision: String, files: [PolicyFile], commit: PolicyCommit?) {
        self.revision = revision
        self.files = files
        self.commit = commit
    }
}

/// Where policy files come from, for people: never with credentials.
public struct PolicyPlace: Sendable, Hashable {
    public enum Kind: String, Sendable, Hashable { case folder, git }

    public let kind: Kind
    /// The folder's path, or the repository's URL.
    public let location: String
    public let branch: String?
    /// The folder inside the repository; `nil` where it is the whole of it.
    public let folder: String?

    public init(kind: Kind, location: String, branch: String? = nil, folder: String? = nil) {
        self.kind = kind
        self.location = location
        self.branch = branch
        self.folder = folder
    }
}

/// An edition that is not put in force, and why.
public struct PolicyRefusal: Sendable, Hashable, Codable {
    public let revision: String
    /// `nil` where the files do not come from git, or nothing of the commit may be believed.
    public let commit: PolicyCommit?
    public let at: Date
    public let mistakes: [PolicyDiagnostic]

    public init(revision: String, commit: PolicyCommit?, at: Date, mistakes: [PolicyDiagnostic]) {
        self.revision = revision
        self.commit = commit
        self.at = at
        self.mistakes = mistakes
    }
}

/// Why there is no edition.
public enum PolicyOriginError: Error, Sendable, Hashable {
    /// The place can't be read now. What is in force stays in force.
    case unreachable(String)
    /// There is an edition, and it may not be used: an unsigned commit, a symbolic link.
    case unacceptable(revision: String, commit: PolicyCommit?, mistakes: [PolicyDiagnostic])
}

/// A place that policy files are read from.
public protocol PolicyOrigin: Sendable {
    var place: PolicyPlace { get }

    /// The newest edition.
    ///
    /// - Parameters:
    ///   - known: the revision that the caller has looked at already; where it is still the newest, the answer is `nil`.
    ///   - inForce: the commit that decides now, for places that refuse to go back behind it.
    func newest(known: String?, inForce: String?) async throws(PolicyOriginError) -> PolicyEdition?
}

/// The policy that was put in force last, as it is stored.
public struct StoredPolicy: Sendable, Hashable {
    public let files: [PolicyFile]
    public let commit: PolicyCommit?
    public let since: Date

    public init(files: [PolicyFile], commit: PolicyCommit?, since: Date) {
        self.files = files
        self.commit = commit
        self.since = since
    }
}

/// Remembers which policies were put in force and which were refused. Each change is one transaction with its audit entry.
public protocol PolicyRecords: Sendable {
    /// Puts a policy set in force; the same one again changes nothing and writes no entry. Answers since when it is in force.
    func adopt(_ policies: PolicySet, commit: PolicyCommit?, audit: AuditEntry) async throws(StoreError) -> Date
    /// What was put in force last; `nil` where nothing ever was.
    func inForce() async throws(StoreError) -> StoredPolicy?
    /// Writes a refusal down, once for each revision. Answers whether it was new.
    func refuse(_ refusal: PolicyRefusal, audit: AuditEntry) async throws(StoreError) -> Bool
}
