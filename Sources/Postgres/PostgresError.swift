/// A five-character SQLSTATE (PostgreSQL documentation, appendix A). Only those we branch on have names.
public struct SQLState: RawRepresentable, Sendable, Hashable, CustomStringConvertible {
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }

    public static let uniqueViolation = SQLState(rawValue: "23505")
    public static let foreignKeyViolation = SQLState(rawValue: "23503")
    public static let checkViolation = SQLState(rawValue: "23514")
    public static let integrityViolation = SQLState(rawValue: "23000")
    public static let exclusionViolation = SQLState(rawValue: "23P01")
    public static let serializationFailure = SQLState(rawValue: "40001")
    public static let deadlockDetected = SQLState(rawValue: "40P01")
    public static let insufficientPrivilege = SQLState(rawValue: "42501")
    public static let undefinedTable = SQLState(rawValue: "42P01")
    public static let diskFull = SQLState(rawValue: "53100")
    public static let tooManyConnections = SQLState(rawValue: "53300")
    public static let lockNotAvailable = SQLState(rawValue: "55P03")
    public static let queryCanceled = SQLState(rawValue: "57014")
    public static let adminShutdown = SQLState(rawValue: "57P01")
    public static let readOnlyTransaction = SQLState(rawValue: "25006")
    public static let invalidStatementName = SQLState(rawValue: "26000")
    public static let featureNotSupported = SQLState(rawValue: "0A000")

    public var description: String { rawValue }

    /// Whether the same work may succeed later, unchanged: class 08, the server's shutdown states, lost races, exhausted room.
    public var isTransient: Bool {
        if rawValue.hasPrefix("08") || rawValue.hasPrefix("57P") { return true }
        return [.serializationFailure, .deadlockDetected, .lockNotAvailable, .tooManyConnections, .diskFull].contains(self)
    }

    /// Whether it is part of normal work: lost races and cancelled statements.
    var isExpected: Bool { [.uniqueViolation, .serializationFailure, .deadlockDetected, .queryCanceled].contains(self) }
}

/// An error that the server reported.
public struct ServerError: Sendable, Hashable, CustomStringConvertible {
    public let state: SQLState
    public let severity: String
    public let constraint: String?
    public let table: String?
    /// The server's own words. May quote data: for logs of the operator, never for a response.
    public let message: String
    public let detail: String?

    /// The task was cancelled before its statement went out.
    static let canceledBeforeSending = ServerError(
        state: .queryCanceled, severity: "ERROR", constraint: nil, table: nil, message: "canceled before it was sent", detail: nil)

    /// Safe to show anyone: no SQL, no data.
    public var description: String {
        var text = "PostgreSQL error \(state)"
        if let constraint { text += " (constraint \(constraint))" }
        if let table { text += " on \(table)" }
        return text
    }
}

/// Why a statement gave no result.
public enum PostgresError: Error, Sendable, Hashable, CustomStringConvertible {
    case server(ServerError)
    /// The connection could not be made or was lost; whether the statement was executed is unknown unless said otherwise.
    case connection(String)
    case poolTimeout
    case poolClosed
    case decoding(column: String, expected: String, found: String)
    /// The connection was lost during COMMIT: look the act up before repeating it.
    case commitOutcomeUnknown
    /// COMMIT was answered with ROLLBACK: an earlier statement of the transaction had failed.
    case transactionAborted
    case configuration(String)

    public var description: String {
        switch self {
        case .server(let error): error.description
        case .connection(let reason): "no connection to PostgreSQL: \(reason)"
        case .poolTimeout: "no database connection became free in time"
        case .poolClosed: "the database pool is closed"
        case .decoding(let column, let expected, let found): "column \(column): expected \(expected), found \(found)"
        case .commitOutcomeUnknown: "the connection was lost during COMMIT"
        case .transactionAborted: "the transaction was rolled back because one of its statements had failed"
        case .configuration(let reason): "database configuration: \(reason)"
        }
    }

    /// The server's state, where the server reported the error.
    public var state: SQLState? {
        if case .server(let error) = self { error.state } else { nil }
    }

    /// Whether the same work may succeed later, unchanged. An unknown outcome is not: look first.
    public var isTransient: Bool {
        switch self {
        case .server(let error): error.state.isTransient
        case .connection, .poolTimeout: true
        case .poolClosed, .decoding, .commitOutcomeUnknown, .transactionAborted, .configuration: false
        }
    }

    /// Whether the same transaction may succeed when it is tried again.
    public var isSerializationFailure: Bool { state == .serializationFailure || state == .deadlockDetected }
}
