import CPostgres
import Logging

/// Owns one `PGconn`. Used by its connection's thread only; `PQfinish` runs once, in deinit.
@safe final class Session: @unchecked Sendable {
    private let connection: OpaquePointer
    let canceller: StatementCanceller
    private var prepared: [String: String] = [:]
    private var preparedOrder: [String] = []
    private var preparedCount = 0
    private static let preparedLimit = 200

    /// Connects; blocks for up to the connect timeout.
    init(_ configuration: PostgresConfiguration) throws(PostgresError) {
        let parameters = configuration.connectionParameters
        let keywords = CStringArray(parameters.map(\.0))
        let values = CStringArray(parameters.map(\.1))
        guard let connection = unsafe PQconnectdbParams(keywords.pointers, values.pointers, 0) else { throw .connection("out of memory") }
        guard unsafe PQstatus(connection) == CONNECTION_OK else {
            let message = unsafe String(cString: PQerrorMessage(connection))
            unsafe PQfinish(connection)
            throw .connection(message.split(separator: "\n").joined(separator: " "))
        }
        unsafe self.connection = connection
        unsafe canceller = StatementCanceller(connection)
        // Notices are for people at psql; nothing of ours raises one that matters.
        unsafe PQsetNoticeProcessor(connection, { _, _ in }, nil)
    }

    deinit { unsafe PQfinish(connection) }

    var isUsable: Bool { unsafe PQstatus(connection) == CONNECTION_OK }
    var isIdle: Bool { unsafe PQtransactionStatus(connection) == PQTRANS_IDLE }
    var socket: Int32 { unsafe PQsocket(connection) }

    /// Runs one statement, prepared on first use. A statement that no longer fits its table is prepared anew, once.
    func run(_ sql: SQL, preparing: Bool = true) throws(PostgresError) -> ResultHandle {
        guard preparing else { return try check(execute(sql, name: nil)) }
        let name = try prepare(sql)
        let result = try execute(sql, name: name)
        guard !result.isSuccess else { return result }
        let error = result.error
        guard isIdle, error.state == .invalidStatementName || error.state == .featureNotSupported else { throw .server(error) }
        forget(sql.text)
        return try check(execute(sql, name: try prepare(sql)))
    }

    /// Runs a script of several statements without parameters: migrations only.
    func runScript(_ text: String) throws(PostgresError) {
        canceller.begin()
        let pointer = unsafe PQexec(connection, text)
        canceller.end()
        guard let pointer = unsafe pointer else { throw lost() }
        _ = unsafe try check(ResultHandle(owning: pointer))
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

    private func check(_ result: consuming ResultHandle) throws(PostgresError) -> ResultHandle {
        guard result.isSuccess else { throw .server(result.error) }
        return result
    }

    private func lost() -> PostgresError {
        .connection(unsafe String(cString: PQerrorMessage(connection)).split(separator: "\n").joined(separator: " "))
    }

    private func prepare(_ sql: SQL) throws(PostgresError) -> String {
        if let name = prepared[sql.text] { return name }
        if preparedOrder.count >= Self.preparedLimit, let oldest = preparedOrder.first { forget(oldest) }
        preparedCount += 1
        let name = "s\(preparedCount)"
        let types = sql.binds.map { Oid($0.oid) }
        guard let pointer = unsafe PQprepare(connection, name, sql.text, Int32(types.count), types) else { throw lost() }
        _ = unsafe try check(ResultHandle(owning: pointer))
        prepared[sql.text] = name
        preparedOrder.append(sql.text)
        return name
    }

    private func forget(_ text: String) {
        preparedOrder.removeAll { $0 == text }
        guard let name = prepared.removeValue(forKey: text), isIdle else { return }
        if let pointer = unsafe PQexec(connection, "DEALLOCATE \(name)") { unsafe PQclear(pointer) }
    }

    private func execute(_ sql: SQL, name: String?) throws(PostgresError) -> ResultHandle {
        // One buffer for all parameters: the pointers stay valid for the call and no longer.
        let bytes: [UInt8] = sql.binds.flatMap { (bind: PostgresBind) -> [UInt8] in bind.bytes ?? [] } + [0]
        let lengths = sql.binds.map { Int32($0.bytes?.count ?? 0) }
        let formats = [Int32](repeating: 1, count: sql.binds.count)
        let types = sql.binds.map { Oid($0.oid) }
        canceller.begin()
        let pointer: OpaquePointer? = unsafe bytes.withUnsafeBytes { raw in
            guard let base = unsafe raw.baseAddress?.assumingMemoryBound(to: CChar.self) else { return nil }
            var offset = 0
            let values: [UnsafePointer<CChar>?] = unsafe sql.binds.map { bind in
                defer { offset += bind.bytes?.count ?? 0 }
                return unsafe bind.bytes == nil ? nil : base + offset
            }
            let count = Int32(sql.binds.count)
            guard let name else { return unsafe PQexecParams(connection, sql.text, count, types, values, lengths, formats, 1) }
            return unsafe PQexecPrepared(connection, name, count, values, lengths, formats, 1)
        }
        canceller.end()
        guard let pointer = unsafe pointer else { throw lost() }
        let result = unsafe ResultHandle(owning: pointer)
        if !result.isSuccess, !isUsable { throw lost() }
        return result
    }
}

/// A NULL-terminated array of C strings, freed with it.
@safe private final class CStringArray {
    let pointers: UnsafeMutablePointer<UnsafePointer<CChar>?>
    private let count: Int

    init(_ strings: [String]) {
        count = strings.count
        unsafe pointers = .allocate(capacity: count + 1)
        for (index, string) in strings.enumerated() {
            let copy = UnsafeMutablePointer<CChar>.allocate(capacity: string.utf8.count + 1)
            for (offset, byte) in string.utf8.enumerated() { unsafe copy[offset] = CChar(bitPattern: byte) }
            unsafe copy[string.utf8.count] = 0
            unsafe pointers[index] = unsafe UnsafePointer(copy)
        }
        unsafe pointers[count] = nil
    }

    deinit {
        for index in 0..<count { unsafe pointers[index]?.deallocate() }
        unsafe pointers.deallocate()
    }
}
