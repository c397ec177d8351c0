public import Foundation

/// The result of checking the audit log.
public struct AuditVerificationResource: Codable, Sendable, Hashable {
    public var intact: Bool
    public var size: Int64?
    public var root: String?
    public var checkpoints: Int?
    public var finding: String?

    public init(intact: Bool, size: Int64?, root: String?, checkpoints: Int?, finding: String?) {
        self.intact = intact
        self.size = size
        self.root = root
        self.checkpoints = checkpoints
        self.finding = finding
    }
}

/// Where checkpoints are published, and how far each place has come.
public struct AuditSinksResource: Codable, Sendable, Hashable {
    public struct Sink: Codable, Sendable, Hashable {
        public var name: String
        /// Of the newest checkpoint that got there.
        public var size: Int64
        public var publishedAt: Date?
        /// Since then.
        public var failures: Int
        public var lastError: String?

        public init(name: String, size: Int64, publishedAt: Date?, failures: Int, lastError: String?) {
            self.name = name
            self.size = size
            self.publishedAt = publishedAt
            self.failures = failures
            self.lastError = lastError
        }
    }

    public var items: [Sink]

    public init(items: [Sink]) { self.items = items }
}

/// That the log of `second` entries continues that of `first` (RFC 9162 §2.1.4); hashes in lower-case hexadecimal.
public struct AuditConsistencyResource: Codable, Sendable, Hashable {
    public var first: Int64
    public var second: Int64
    public var firstRoot: String
    /// Of the second.
    public var root: String
    public var path: [String]
    /// The signed note over `second` entries, where one was signed at that size.
    public var checkpoint: String?

    public init(first: Int64, second: Int64, firstRoot: String, root: String, path: [String], checkpoint: String?) {
        self.first = first
        self.second = second
        self.firstRoot = firstRoot
        self.root = root
        self.path = path
        self.checkpoint = checkpoint
    }
}
