public import AuditLog
public import Foundation

/// Why a checkpoint did not get to its place.
public struct CheckpointSinkFailure: Error, Sendable, Hashable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = String(description.prefix(1000)) }
}

/// What a witness said of a checkpoint.
public struct Cosignature: Sendable, Hashable {
    public let witness: String
    /// The signature line, without a newline.
    public let line: String

    public init(witness: String, line: String) {
        self.witness = witness
        self.line = line
    }
}

/// A place outside our reach to which checkpoints go, so that nobody here can deny them later.
public protocol CheckpointSink: Sendable {
    /// Its kind and place; unique, shown, and free of secrets.
    var name: String { get }
    /// Brings a signed checkpoint there.
    ///
    /// - Parameters:
    ///   - published: the size that it got last; 0 for none.
    ///   - path: a consistency proof from a size to the checkpoint's.
    /// - Returns: a cosignature, where the place gives one.
    func publish(
        _ note: String, size: UInt64, after published: UInt64, path: @Sendable (UInt64) async throws -> [MerkleHash]
    ) async throws(CheckpointSinkFailure) -> Cosignature?
    /// The newest checkpoint that is there, as a signed note; `nil` where there is none, or it can't be read back.
    func newest() async throws(CheckpointSinkFailure) -> String?
}

/// How far publishing to a place has come.
public struct CheckpointSinkState: Sendable, Hashable {
    public let name: String
    /// The size of the newest checkpoint that got there; 0 for none.
    public let size: UInt64
    public let publishedAt: Date?
    /// Failures since then.
    public let failures: Int
    public let lastError: String?

    public init(name: String, size: UInt64, publishedAt: Date?, failures: Int, lastError: String?) {
        self.name = name
        self.size = size
        self.publishedAt = publishedAt
        self.failures = failures
        self.lastError = lastError
    }
}

/// Keeps how far each place has come, over all replicas.
public protocol CheckpointLedger: Sendable {
    /// The newest checkpoint for a place that is due and that no other replica works on; `nil` where there is nothing to do.
    func due(_ sink: String) async throws(StoreError) -> (note: String, size: UInt64, published: UInt64)?
    func published(_ size: UInt64, to sink: String, next: Duration, cosignature: Cosignature?) async throws(StoreError)
    func failed(_ sink: String, _ reason: String) async throws(StoreError)
    func sinkStates() async throws(StoreError) -> [CheckpointSinkState]
    /// The number of entries that have their place.
    func size() async throws(StoreError) -> UInt64
    /// The root over the first entries.
    func root(of size: UInt64) async throws(StoreError) -> MerkleHash
    /// A consistency proof's path.
    func path(from first: UInt64, to second: UInt64) async throws(StoreError) -> [MerkleHash]
}
