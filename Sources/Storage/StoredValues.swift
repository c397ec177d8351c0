import Foundation
import OCI
import Postgres
import PromotionCore

extension Digest {
    /// The form of the `oci_digest` domain: 1 for sha256 or 2 for sha512, then the hash.
    var stored: [UInt8] { [algorithm == .sha256 ? 1 : 2] + bytes }

    init(stored: [UInt8], column: String) throws(PostgresError) {
        let algorithm: DigestAlgorithm = stored.first == 2 ? .sha512 : .sha256
        guard let digest = Digest(algorithm: algorithm, bytes: stored.dropFirst()) else {
            throw .decoding(column: column, expected: "a digest", found: "\(stored.count) bytes")
        }
        self = digest
    }
}

extension PostgresRow {
    func digest(_ column: String) throws(PostgresError) -> Digest {
        try Digest(stored: try decode(column, as: [UInt8].self), column: column)
    }

    func digestIfPresent(_ column: String) throws(PostgresError) -> Digest? {
        guard let bytes = try decodeOptional(column, as: [UInt8].self) else { return nil }
        return try Digest(stored: bytes, column: column)
    }

    /// Reads a text through a parser that may refuse it.
    func parsed<Value>(_ column: String, _ parse: (String) throws -> Value?) throws(PostgresError) -> Value {
        let text = try decode(column, as: String.self)
        do {
            if let value = try parse(text) { return value }
        } catch {
            // Falls through to the same report: what is stored no longer parses.
        }
        throw .decoding(column: column, expected: "\(Value.self)", found: "a text that is none")
    }

    /// Reads a jsonb column that may be NULL.
    func json<Value: Decodable>(_ column: String, as type: Value.Type = Value.self) throws(PostgresError) -> Value? {
        guard let text = try decodeOptional(column, as: String.self) else { return nil }
        do { return try StoredJSON.decoder().decode(type, from: Data(text.utf8)) } catch {
            throw .decoding(column: column, expected: "\(type)", found: "JSON of another form")
        }
    }
}

/// JSON as it is stored: dates as seconds since 1970, so that nothing is lost.
enum StoredJSON {
    static func decoder() -> JSONDecoder {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .secondsSince1970
        return decoder
    }

    static func encode(_ value: some Encodable) throws(PostgresError) -> JSONB {
        let encoder = JSONEncoder()
        encoder.dateEncodingStrategy = .secondsSince1970
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do { return JSONB(String(decoding: try encoder.encode(value), as: UTF8.self)) } catch {
            throw .decoding(column: "\(type(of: value))", expected: "a value that JSON can hold", found: "one that it can't")
        }
    }

    static func encodeIfPresent(_ value: (some Encodable)?) throws(PostgresError) -> JSONB? {
        guard let value else { return nil }
        return try encode(value)
    }
}

/// Runs a piece of database work and turns the driver's errors into the store's.
func storing<T: Sendable>(_ body: () async throws -> T) async throws(StoreError) -> T {
    do { return try await body() } catch { throw StoreError(error) }
}

extension StoreError {
    init(_ error: any Error) {
        switch error {
        case let error as StoreError: self = error
        case PostgresError.commitOutcomeUnknown: self = .outcomeUnknown
        case PostgresError.server(let server): self = StoreError(server)
        case let error as PostgresError:
            if case .decoding = error { self = .corrupt(error.description) } else { self = .unavailable(error.description) }
        case is CancellationError: self = .unavailable("the request was cancelled")
        default: self = .unavailable("\(type(of: error))")
        }
    }

    private init(_ server: ServerError) {
        let isAudit = server.table?.hasPrefix("audit_") == true
        switch server.state {
        case .checkViolation where isAudit: self = .auditUnavailable("no partition or a malformed entry (\(server.description))")
        case .insufficientPrivilege where isAudit || server.message.contains("audit_"):
            self = .auditUnavailable("the service lacks the right to write it")
        case .diskFull: self = .unavailable("the database's disk is full")
        case .uniqueViolation: self = .duplicate(server.constraint ?? "an entry")
        default: self = isAudit ? .auditUnavailable(server.description) : .unavailable(server.description)
        }
    }
}
