import Foundation
import TestSupport
import Testing

@Suite(.inTurn, .timeLimit(.minutes(15))) struct PostgresServerTests {
    @Test func committedRowsOutliveARestartAndAKill() async throws {
        let server = try await PostgresServer.start()
        try await server.createDatabase("shop")
        try await server.run("CREATE TABLE ship (name text); INSERT INTO ship VALUES ('first')", in: "shop")
        try await server.restart()
        try await server.run("INSERT INTO ship VALUES ('second')", in: "shop")
        try await server.kill9()
        await #expect(throws: HarnessError.self) { try await server.run("SELECT 1") }
        try await server.startAgain()
        #expect(try await server.run("SELECT name FROM ship ORDER BY name", in: "shop") == ["first", "second"])
        try await server.stop(immediate: true)
    }

    @Test func aFreshDatabaseIsACopyOfItsTemplateAndOfNothingElse() async throws {
        let server = try await PostgresServer.shared()
        let names = try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<3 {
                group.addTask {
                    try await server.freshDatabase(from: "with_table") { _ in
                        try await server.run("CREATE TABLE ship (name text)", in: "with_table")
                    }.name
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(Set(names).count == 3)
        try await server.run("INSERT INTO ship VALUES ('x')", in: names[0])
        #expect(try await server.run("SELECT count(*) FROM ship", in: names[0]) == ["1"])
        #expect(try await server.run("SELECT count(*) FROM ship", in: names[1]) == ["0"])
    }

    @Test func aProxyBeforeTheSocketCutsConnections() async throws {
        let server = try await PostgresServer.shared()
        let proxy = try FaultProxy(to: server.endpoint, speaking: .bytes)
        let url = server.url(through: proxy)
        #expect(try await Tool.check("psql", ["-XAtc", "SELECT 42", url]) == "42\n")
        proxy.setConnectionFault(.cut(afterBytes: 500))
        #expect(try await Tool.run("psql", ["-XAtc", "SELECT repeat('x', 1000)", url]).status != .exited(0))
        proxy.stop()
    }
}
