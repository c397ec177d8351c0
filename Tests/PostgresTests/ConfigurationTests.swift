import Testing

@testable import Postgres

@Suite struct ConfigurationTests {
    private func parameters(_ url: String) throws -> [String: String] {
        Dictionary(uniqueKeysWithValues: try PostgresConfiguration(parsing: url).connectionParameters)
    }

    @Test(arguments: ["postgres", "postgresql"]) func urlsAreReadByLibpq(_ scheme: String) throws {
        let read = try parameters("\(scheme)://us%40er:p%2Fw%3A%25@db.example:6432/pro%20motions?sslmode=verify-full&target_session_attrs=read-write")
        #expect(read["user"] == "us@er")
        #expect(read["password"] == "p/w:%")
        #expect(read["host"] == "db.example")
        #expect(read["port"] == "6432")
        #expect(read["dbname"] == "pro motions")
        #expect(read["sslmode"] == "verify-full")
        #expect(read["target_session_attrs"] == "read-write")
        #expect(read["client_encoding"] == "UTF8")
    }

    @Test func socketsAndSettingsOfTheURLAreKept() throws {
        let read = try parameters("postgres:///app?host=/run/postgresql&connect_timeout=9&application_name=mine&options=-c%20work_mem%3D8MB")
        #expect(read["host"] == "/run/postgresql")
        #expect(read["connect_timeout"] == "9")
        #expect(read["application_name"] == "mine")
        #expect(read["options"]?.hasPrefix("-c work_mem=8MB -c TimeZone=UTC") == true)
    }

    @Test(arguments: ["postgres://user:hunter2@[::1/d", "postgres://u:hunter2@h/d?no_such_keyword=1", "postgres://u:hunter2%zz@h/d"])
    func malformedURLsAreRefusedWithoutQuotingThem(_ url: String) throws {
        let error = try #require(#expect(throws: PostgresError.self) { try PostgresConfiguration(parsing: url) })
        guard case .configuration = error else { throw error }
        #expect(!"\(error)".contains("hunter2"))
    }

    @Test func secretsAreNeverPrinted() throws {
        let configuration = try PostgresConfiguration(parsing: "postgres://u:hunter2@h/d?sslpassword=hunter2")
        var dumped = ""
        dump(configuration, to: &dumped)
        let password = try #require(configuration.password)
        for text in ["\(configuration)", String(reflecting: configuration), dumped, "\(password)", String(reflecting: password)] {
            #expect(!text.contains("hunter2"))
        }
        #expect("\(password)" == "***")
        #expect(configuration.location == "u@h/d")
        let parameters = Dictionary(uniqueKeysWithValues: configuration.connectionParameters)
        #expect(parameters["password"] == "hunter2" && parameters["sslpassword"] == "hunter2")
    }

    @Test func transientErrorsAreToldFromLastingOnes() {
        func server(_ state: String) -> PostgresError {
            .server(
                ServerError(
                    state: SQLState(rawValue: state), severity: "ERROR", constraint: nil, table: nil, message: "secret", detail: "secret"))
        }
        for state in ["40001", "40P01", "57P01", "57P03", "08006", "53300", "53100", "55P03"] { #expect(server(state).isTransient, "\(state)") }
        for state in ["23505", "42601", "57014", "25006", "42501"] { #expect(!server(state).isTransient, "\(state)") }
        #expect(PostgresError.connection("x").isTransient && PostgresError.poolTimeout.isTransient)
        #expect(!PostgresError.commitOutcomeUnknown.isTransient && !PostgresError.poolClosed.isTransient)
        #expect(!"\(server("40001"))".contains("secret"))
    }
}
