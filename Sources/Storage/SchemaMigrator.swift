import Crypto
public import Foundation
public import Logging
public import Postgres

/// A migration file: `0001_name.sql`.
public struct Migration: Sendable, Hashable {
    public let number: Int
    public let name: String
    public let sql: String

    /// SHA-256 of the file, in hexadecimal.
    public var checksum: String { SHA256.hash(data: Data(sql.utf8)).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }

    public init(number: Int, name: String, sql: String) {
        self.number = number
        self.name = name
        self.sql = sql
    }

    /// Reads all migrations of a folder, in order.
    public static func read(folder: URL) throws(MigrationError) -> [Migration] {
        let files: [URL]
        do { files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil) } catch {
            throw .unreadable(folder.path)
        }
        var migrations: [Migration] = []
        for file in files.sorted(by: { $0.lastPathComponent < $1.lastPathComponent }) where file.pathExtension == "sql" {
            let name = file.deletingPathExtension().lastPathComponent
            guard let number = Int(name.prefix(4)), name.dropFirst(4).first == "_" else { throw .badName(file.lastPathComponent) }
            do { migrations.append(Migration(number: number, name: name, sql: try String(contentsOf: file, encoding: .utf8))) } catch {
                throw .unreadable(file.path)
            }
        }
        guard !migrations.isEmpty, migrations.map(\.number) == Array(1...migrations.count) else { throw .gap(migrations.map(\.number)) }
        return migrations
    }
}

/// Why the schema could not be brought up to date.
public enum MigrationError: Error, Sendable, CustomStringConvertible {
    case unreadable(String)
    case badName(String)
    case gap([Int])
    case changed(String)
    case databaseIsNewer(found: Int, known: Int)
    case failed(name: String, reason: String)

    public var description: String {
        switch self {
        case .unreadable(let path): "migrations can't be read: \(path)"
        case .badName(let name): "'\(name)' is no migration: name it 0001_what.sql"
        case .gap(let numbers): "migrations must be numbered from 1 without a gap, found \(numbers)"
        case .changed(let name): "migration \(name) was changed after it had been applied; write a new one instead"
        case .databaseIsNewer(let found, let known):
            "the database is at migration \(found), this version of Shiplift knows \(known): start the newer version"
        case .failed(let name, let reason): "migration \(name) failed: \(reason)"
        }
    }
}

/// Brings the schema up to date: forward only, each file in one transaction, under an advisory lock, checked by checksum.
public struct SchemaMigrator: Sendable {
    /// The schema that everything lives in.
    public static let schema = "shiplift"
    private let configuration: PostgresConfiguration
    private let logger: Logger

    /// - Parameter configuration: connects as the owner.
    public init(configuration: PostgresConfiguration, logger: Logger) {
        self.configuration = configuration
        self.logger = logger
    }

    /// Applies what is missing. Answers the names of what was applied.
    public func migrate(_ migrations: [Migration]) async throws -> [String] {
        var settings = configuration
        settings.schema = Self.schema
        settings.statementTimeout = .seconds(600)
        // Also the wait for a replica that migrates at the same time.
        settings.lockTimeout = .seconds(600)
        let connection = try await PostgresConnection.connect(settings)
        // Two replicas that start together: the second waits, and finds the work done. The lock ends with the connection.
        _ = try await connection.query("SELECT 1 AS locked FROM pg_advisory_lock(5138008571)")
        try await connection.execute(
            script: """
                CREATE SCHEMA IF NOT EXISTS \(Self.schema);
                CREATE TABLE IF NOT EXISTS \(Self.schema).migrations (
                  number int PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());
                """)
        var applied: [Int: String] = [:]
        for row in try await connection.query("SELECT number, checksum FROM migrations") {
            applied[try row.decode("number", as: Int.self)] = try row.decode("checksum", as: String.self)
        }
        if let newest = applied.keys.max(), newest > migrations.count {
            throw MigrationError.databaseIsNewer(found: newest, known: migrations.count)
        }
        var done: [String] = []
        for migration in migrations {
            if let checksum = applied[migration.number] {
                guard checksum == migration.checksum else { throw MigrationError.changed(migration.name) }
                continue
            }
            try await apply(migration, on: connection)
            done.append(migration.name)
        }
        return done
    }

    private func apply(_ migration: Migration, on connection: PostgresConnection) async throws {
        logger.info("applying migration", metadata: ["migration": "\(migration.name)"])
        do {
            try await connection.execute(script: "BEGIN; SET LOCAL lock_timeout = '10s'")
            try await connection.execute(script: migration.sql)
            try await connection.execute(
                "INSERT INTO migrations (number, name, checksum) VALUES (\(migration.number), \(migration.name), \(migration.checksum))")
            try await connection.execute(script: "COMMIT")
        } catch PostgresError.server(let error) {
            throw MigrationError.failed(name: migration.name, reason: "\(error.message) (\(error.state))")
        }
    }
}
