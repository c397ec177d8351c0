import Logging

/// Where a connection's notices go: to the log, never to standard error. Used by the connection's thread only.
final class NoticeLog {
    private let logger: Logger?
    /// The server has said goodbye: outside a statement its last error arrives as a notice.
    private(set) var hasEnded = false

    init(_ logger: Logger?) { self.logger = logger }

    func note(_ notice: ServerError) {
        if notice.severity == "FATAL" || notice.severity == "PANIC" { hasEnded = true }
        logger?.log(
            level: notice.severity == "WARNING" ? .warning : .debug, "PostgreSQL says",
            metadata: ["state": "\(notice.state)", "severity": "\(notice.severity)", "message": "\(notice.message)"])
    }
}
