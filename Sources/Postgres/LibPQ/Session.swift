import CPostgres
import Foundation
import Logging

/// Owns one `PGconn`. Used by its connection's thread only; `PQfinish` runs once, in deinit.
@safe final class Session: @unchecked Sendable {
    private let connection: OpaquePointer
    let canceller: StatementCanceller
    private let notices: NoticeLog
    private var prepared = PreparedStatements(limit: 200)

    /// Connects; blocks for up to the connect timeout.
    init(_ configuration: PostgresConfiguration, logger: Logger?) throws(PostgresError) {
        guard PQlibVersion() >= 120_000 else { throw .configuration("libpq 12 or newer is needed, this is \(PQlibVersion())") }
        let parameters = configuration.connectionParameters
        let keywords = CStringArray(parameters.map(\.0))
        let values = CStringArray(parameters.map(\.1))
        guard let connection = unsafe PQconnectdbParams(keywords.pointers, values.pointers, 0) else { throw .connection("out of memory") }
        guard unsafe PQstatus(connection) == CONNECTION_OK else {
            defer { unsafe PQfinish(connection) }
            throw unsafe .connection(Self.lastMessage(of: connection))
        }
        unsafe self.connection = connection
        unsafe canceller = StatementCanceller(connection)
        notices = NoticeLog(logger)
        unsafe PQsetNoticeReceiver(connection, Self.receiveNotice, Unmanaged.passUnretained(notices).toOpaque())
    }

    deinit { unsafe PQfinish(connection) }

    var isUsable: Bool { unsafe PQstatus(connection) == CONNECTION_OK }
    var isIdle: Bool { unsafe PQtransactionStatus(connection) == PQTRANS_IDLE }
    var socket: Int32 { unsafe PQsocket(connection) }

    /// Whether the server has not hung up since the last statement. Looks at what has arrived and sends nothing.
    func isStillOpen() -> Bool {
        // A goodbye is a message and the end of the stream; a server that says more is not one to talk to.
        for _ in 0..<16 {
            var descriptor = unsafe pollfd(fd: PQsocket(connection), events: Int16(POLLIN), revents: 0)
            guard isUsable, !notices.hasEnded else { return false }
            guard unsafe poll(&descriptor, 1, 0) > 0 else { return true }
            guard unsafe PQconsumeInput(connection) == 1 else { return false }
            // Parses what was read, for the notices in it.
            _ = unsafe PQisBusy(connection)
        }
        return false
    }

    /// Runs one statement, prepared on first use. A statement that no longer fits its table is prepared anew, once.
    func run(_ sql: SQL) throws(PostgresError) -> ResultHandle {
        let key = PreparedStatements.Key(text: sql.text, types: sql.binds.map(\.oid))
        let result = try execute(sql, name: try prepare(key))
        guard !result.isSuccess else { return result }
        let error = result.error
        guard error.state == .invalidStatementName || error.state == .featureNotSupported else { throw .server(error) }
        prepared.forget(key, serverKnowsIt: error.state == .featureNotSupported)
        // In a transaction the failure has ended the transaction: only its owner can run it again.
        guard isIdle else { throw .server(error) }
        return try check(execute(sql, name: try prepare(key)))
    }

    /// Runs one statement without preparing it: control of transactions and cursors.
    func runOnce(_ sql: SQL) throws(PostgresError) -> ResultHandle { try check(execute(sql, name: nil)) }

    /// Runs a script of several statements without parameters: migrations only.
    func runScript(_ text: String) throws(PostgresError) {
        _ = unsafe try check(send { unsafe PQexec(connection, text) })
    }

    /// Lets the server forget statements that made room for others.
    func deallocateAbandoned() throws(PostgresError) {
        guard isIdle else { return }
        for name in prepared.takeAbandoned() { try runScript("DEALLOCATE \(name)") }
    }

    /// The channels of notifications that have arrived.
    func consumeNotifications() throws(PostgresError) -> [String] {
        guard unsafe PQconsumeInput(connection) == 1 else { throw lost() }
        var channels: [String] = []
        while let notification = unsafe PQnotifies(connection) {
            unsafe channels.append(String(cString: notification.pointee.relname))
            unsafe PQfreemem(notification)
        }
        return channels
    }

    private func prepare(_ key: PreparedStatements.Key) throws(PostgresError) -> String {
        if let name = prepared.name(of: key) { return name }
        try deallocateAbandoned()
        let name = prepared.newName()
        let types = key.types.map { Oid($0) }
        _ = unsafe try check(send { unsafe PQprepare(connection, name, key.text, Int32(types.count), types) })
        prepared.insert(key, name: name)
        return name
    }

    private func execute(_ sql: SQL, name: String?) throws(PostgresError) -> ResultHandle {
        // One buffer for all parameters: the pointers stay valid for the call and no longer.
        let bytes: [UInt8] = sql.binds.flatMap { (bind: PostgresBind) -> [UInt8] in bind.bytes ?? [] } + [0]
        let count = Int32(sql.binds.count)
        let lengths = sql.binds.map { Int32($0.bytes?.count ?? 0) }
        let formats = [Int32](repeating: 1, count: sql.binds.count)
        let types = sql.binds.map { Oid($0.oid) }
        return unsafe try send {
            unsafe bytes.withUnsafeBytes { raw in
                guard let base = unsafe raw.baseAddress?.assumingMemoryBound(to: CChar.self) else { return nil }
                var offset = 0
                let values: [UnsafePointer<CChar>?] = unsafe sql.binds.map { bind in
                    defer { offset += bind.bytes?.count ?? 0 }
                    return unsafe bind.bytes == nil ? nil : base + offset
                }
                guard let name else { return unsafe PQexecParams(connection, sql.text, count, types, values, lengths, formats, 1) }
                return unsafe PQexecPrepared(connection, name, count, values, lengths, formats, 1)
            }
        }
    }

    /// The one way to the server: interruptible, and a lost connection is told from a statement's own failure.
    private func send(_ call: () -> OpaquePointer?) throws(PostgresError) -> ResultHandle {
        guard let answer = unsafe canceller.whileRunning(call) else { throw .server(.canceledBeforeSending) }
        guard let pointer = unsafe answer else { throw lost() }
        let result = unsafe ResultHandle(owning: pointer)
        if !result.isSuccess, !isUsable { throw lost() }
        return result
    }

    private func check(_ result: consuming ResultHandle) throws(PostgresError) -> ResultHandle {
        guard result.isSuccess else { throw .server(result.error) }
        return result
    }

    private func lost() -> PostgresError { unsafe .connection(Self.lastMessage(of: connection)) }

    private static func lastMessage(of connection: OpaquePointer) -> String {
        unsafe String(cString: PQerrorMessage(connection)).split(separator: "\n").joined(separator: " ")
    }

    private static let receiveNotice: @convention(c) (UnsafeMutableRawPointer?, OpaquePointer?) -> Void = { log, notice in
        guard let log = unsafe log, let notice = unsafe notice else { return }
        unsafe Unmanaged<NoticeLog>.fromOpaque(log).takeUnretainedValue().note(ResultHandle.error(of: notice))
    }
}
