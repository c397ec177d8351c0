public import AuditLog
public import Foundation

/// Sessions of browsers. Each change is one transaction with its audit entry.
public protocol SessionStore: Sendable {
    /// Also removes sessions that ended long ago.
    func create(_ session: SessionRecord, sha256: [UInt8], audit: AuditEntry) async throws(StoreError)
    /// The session with this hash; notes its use, at most once a minute.
    func session(sha256: [UInt8], now: Date) async throws(StoreError) -> SessionRecord?
    /// Ends a session, on all replicas at once. One that has ended stays as it is, without an entry.
    func end(_ id: UUID, at now: Date, audit: AuditEntry) async throws(StoreError)
}
