import CPostgres

/// A text that prints as `***`.
public struct DatabasePassword: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    private let text: String
    public init(_ text: String) { self.text = text }
    func reveal() -> String { text }
    public var description: String { "***" }
    public var debugDescription: String { "***" }
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}

/// How to reach a database and how long to wait for it.
public struct PostgresConfiguration: Sendable {
    /// libpq's keywords and values, without the secrets.
    var parameters: [String: String]
    /// The keywords whose values are secrets.
    private var secrets: [String: DatabasePassword] = [:]
    /// The role that statements run as (`SET ROLE`), where it is not the user's own.
    public var role: String?
    /// The schema that names are looked up in.
    public var schema: String?
    public var applicationName = "shiplift"
    public var statementTimeout: Duration = .seconds(30)
    public var lockTimeout: Duration = .seconds(10)
    public var idleInTransactionTimeout: Duration = .seconds(60)
    public var connectTimeout: Duration = .seconds(5)
    /// Whether a commit waits until it is on the disk. Without it, a crash of the server takes the last moments' commits, whole, and
    /// nothing else: for what can be learned again.
    public var commitsWaitForDisk = true
    /// Most connections of one pool.
    public var poolSize = 8
    /// Longest wait for a connection to become free.
    public var poolTimeout: Duration = .seconds(5)
    /// Age at which a connection is replaced, so that backends' memory and moved servers don't last; up to a tenth less.
    public var maxLifetime: Duration = .seconds(1800)

    /// Reads a `postgres://user:password@host:port/database?keyword=value` URL; every keyword of libpq is understood.
    public init(parsing url: String) throws(PostgresError) {
        var message: UnsafeMutablePointer<CChar>?
        guard let options = unsafe PQconninfoParse(url, &message) else {
            // libpq quotes the offending part, which may be the password: say only that it is malformed.
            unsafe PQfreemem(message)
            throw .configuration("the database URL is malformed; write postgres://USER@HOST/DATABASE")
        }
        defer { unsafe PQconninfoFree(options) }
        parameters = [:]
        var option = unsafe options
        while let keyword = unsafe option.pointee.keyword {
            if let value = unsafe option.pointee.val { unsafe parameters[String(cString: keyword)] = String(cString: value) }
            unsafe option += 1
        }
        for keyword in ["password", "sslpassword"] {
            secrets[keyword] = parameters.removeValue(forKey: keyword).map(DatabasePassword.init)
        }
    }

    /// A server's Unix socket.
    public init(socketDirectory: String, database: String, user: String) {
        parameters = ["host": socketDirectory, "dbname": database, "user": user]
    }

    /// The password that the user proves itself with.
    public var password: DatabasePassword? {
        get { secrets["password"] }
        set { secrets["password"] = newValue }
    }

    /// The same server, another database.
    public func database(_ name: String) -> PostgresConfiguration {
        var copy = self
        copy.parameters["dbname"] = name
        return copy
    }

    /// Where it connects to, without secrets.
    public var location: String {
        "\(parameters["user"] ?? "?")@\(parameters["host"] ?? "localhost")/\(parameters["dbname"] ?? "?")"
    }

    /// What is handed to `PQconnectdbParams`.
    var connectionParameters: [(String, String)] {
        // What the URL says goes before what we would say.
        var all = [
            "application_name": applicationName, "connect_timeout": String(max(2, connectTimeout.components.seconds)), "keepalives": "1",
            "keepalives_idle": "30",
        ]
        all.merge(parameters) { $1 }
        for (keyword, secret) in secrets { all[keyword] = secret.reveal() }
        all["client_encoding"] = "UTF8"
        var settings = [
            "TimeZone=UTC", "statement_timeout=\(Self.milliseconds(statementTimeout))", "lock_timeout=\(Self.milliseconds(lockTimeout))",
            "idle_in_transaction_session_timeout=\(Self.milliseconds(idleInTransactionTimeout))",
        ]
        if !commitsWaitForDisk { settings.append("synchronous_commit=off") }
        if let role { settings.append("role=\(role)") }
        if let schema { settings.append("search_path=\(schema),public") }
        let options = settings.map { "-c \($0)" }.joined(separator: " ")
        all["options"] = [all["options"], options].compactMap(\.self).joined(separator: " ")
        return all.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    private static func milliseconds(_ duration: Duration) -> Int64 {
        duration.components.seconds * 1000 + duration.components.attoseconds / 1_000_000_000_000_000
    }
}
