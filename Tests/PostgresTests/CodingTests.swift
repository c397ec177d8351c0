import Foundation
import Postgres
import Testing

extension OnServer {
    @Suite struct CodingTests {
        private typealias Coded = PostgresEncodable & PostgresDecodable & Equatable

        private func sameBack<Value: PostgresEncodable & PostgresDecodable & Equatable>(_ values: [Value], _ type: String) async throws {
            let connection = try await OwnServer.server.connect()
            for value in values {
                let row = try #require(await connection.query("SELECT \(value) AS v, pg_typeof(\(value))::text AS type").first)
                #expect(try row.decode("v", as: Value.self) == value)
                #expect(try row.decode("type", as: String.self) == type)
            }
            let row = try #require(await connection.query("SELECT \(Value?.none) AS v, pg_typeof(\(Value?.none))::text AS type").first)
            #expect(try row.decodeOptional("v", as: Value.self) == nil)
            #expect(try row.decode("type", as: String.self) == type)
            let error = #expect(throws: PostgresError.self) { try row.decode("v", as: Value.self) }
            #expect(error == .decoding(column: "v", expected: "\(Value.self)", found: "NULL"))
        }

        @Test func scalars() async throws {
            try await sameBack([true, false], "boolean")
            try await sameBack([0, 1, -1, .max, .min] as [Int64], "bigint")
            try await sameBack([0, 1, -1, .max, .min] as [Int], "bigint")
            try await sameBack(
                [0, -1.5, .greatestFiniteMagnitude, .leastNonzeroMagnitude, .infinity, -.infinity] as [Double], "double precision")
            try await sameBack([UUID(), try #require(UUID(uuidString: "00000000-0000-0000-0000-000000000000"))], "uuid")
        }

        @Test func texts() async throws {
            try await sameBack(["", "plain", "ünï — 🚢", "'; DROP TABLE x; --", "\u{1}first byte one", "line\nline", "$1 %s \\"], "text")
            try await sameBack([[], [0], Array(0...255), [UInt8](repeating: 255, count: 300_000)] as [[UInt8]], "bytea")
        }

        @Test func arrays() async throws {
            try await sameBack([[], [""], ["a", "b,{}\"", "\u{1}"]] as [[String]], "text[]")
            try await sameBack([[], [UUID(), UUID()]] as [[UUID]], "uuid[]")
            try await sameBack([[], [.min, 0, .max]] as [[Int64]], "bigint[]")
            try await sameBack([[], [.min, 0, .max]] as [[Int]], "bigint[]")
            try await sameBack([[], [[]], [[1, 2], [], [255]]] as [[[UInt8]]], "bytea[]")
            try await sameBack([[], [true, false]] as [[Bool]], "boolean[]")
            try await sameBack([[], [Date(timeIntervalSinceReferenceDate: 1.5)]] as [[Date]], "timestamp with time zone[]")
        }

        @Test(arguments: [
            "2026-11-24 13:14:15.678901+00", "1970-01-01 00:00:00+00", "1999-12-31 23:59:59.999999+00", "2001-01-01 00:00:00.000001+00",
            "1900-02-28 12:00:00.123457+00", "2199-07-01 00:00:00.999999+00", "infinity", "-infinity",
        ])
        func timesAreExactToTheMicrosecond(_ text: String) async throws {
            let connection = try await OwnServer.server.connect()
            let read = try #require(await connection.query("SELECT \(text)::text::timestamptz AS t").first).decode("t", as: Date.self)
            let row = try #require(await connection.query("SELECT \(read)::text AS t").first)
            #expect(try row.decode("t", as: String.self) == text)
        }

        @Test func theServerSeesWhatWasMeant() async throws {
            let connection = try await OwnServer.server.connect()
            let id = UUID()
            let row = try #require(
                await connection.query(
                    """
                    SELECT \(id)::text AS id, encode(\([0, 171, 255] as [UInt8]), 'hex') AS bytes, \(JSONB(#"{"a": "é"}"#)) ->> 'a' AS json,
                    array_length(\(["x", "y"]), 1) AS length, cardinality(\([String]())) AS none, \(Double.nan)::text AS nan
                    """
                ).first)
            #expect(try row.decode("id", as: String.self) == id.uuidString.lowercased())
            #expect(try row.decode("bytes", as: String.self) == "00abff")
            #expect(try row.decode("json", as: String.self) == "é")
            #expect(try row.decode("length", as: Int.self) == 2)
            #expect(try row.decode("none", as: Int.self) == 0)
            #expect(try row.decode("nan", as: String.self) == "NaN")
        }

        @Test func columnTypesThatAreReadAsTextOrInteger() async throws {
            let connection = try await OwnServer.server.connect()
            try await connection.execute(
                script: "CREATE DOMAIN digest_text AS text CHECK (value <> ''); CREATE DOMAIN digest_bytes AS bytea; SET search_path = public")
            let row = try #require(
                await connection.query(
                    """
                    SELECT 'd'::digest_text AS domain, '\\x01'::digest_bytes AS bytes, 'v'::varchar(3) AS varchar, 'n'::name AS name,
                    '{"k":1}'::jsonb AS jsonb, '{"k":1}'::json AS json, (-2)::int2 AS int2, (-3)::int4 AS int4
                    """
                ).first)
            #expect(try row.decode("domain", as: String.self) == "d")
            #expect(try row.decode("bytes", as: [UInt8].self) == [1])
            #expect(try row.decode("varchar", as: String.self) == "v")
            #expect(try row.decode("name", as: String.self) == "n")
            #expect(try row.decode("jsonb", as: String.self) == #"{"k": 1}"#)
            #expect(try row.decode("json", as: String.self) == #"{"k":1}"#)
            #expect(try row.decode("int2", as: Int.self) == -2)
            #expect(try row.decode("int4", as: Int64.self) == -3)
        }

        @Test func whatDoesNotFitIsAnErrorAndNotAValue() async throws {
            let connection = try await OwnServer.server.connect()
            let row = try #require(
                await connection.query(
                    "SELECT 1.5::numeric AS numeric, 'a'::text AS text, ARRAY['a', NULL] AS holes, ARRAY[ARRAY['a'], ARRAY['b']] AS square"
                ).first)
            func found(_ column: String, _ read: () throws -> Void) throws -> String {
                let error = try #require(#expect(throws: PostgresError.self, performing: read))
                guard case .decoding(column, _, let found) = error else { throw error }
                return found
            }
            #expect(try found("numeric") { _ = try row.decode("numeric", as: Double.self) } == "type 1700")
            #expect(try found("text") { _ = try row.decode("text", as: Int.self) } == "type 25")
            #expect(try found("text") { _ = try row.decode("text", as: UUID.self) } == "type 25")
            #expect(try found("absent") { _ = try row.decodeOptional("absent", as: Int.self) } == "no such column")
            #expect(throws: PostgresError.self) { try row.decode("holes", as: [String].self) }
            #expect(throws: PostgresError.self) { try row.decode("square", as: [String].self) }
        }

        @Test func textWithANulIsRefusedByTheServer() async throws {
            let connection = try await OwnServer.server.connect()
            let error = try await refusal { _ = try await connection.query("SELECT \("a\0b") AS v") }
            #expect(error.state == SQLState(rawValue: "22021"))
            #expect(try await connection.count("SELECT 1 AS count") == 1)
        }
    }
}
