import Foundation
import TestSupport
import Testing

@Suite(.inTurn, .timeLimit(.minutes(15))) struct ShipliftProcessTests {
    static let policies = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../Policies").standardizedFileURL.path

    @Test func theCommandTellsHowItEnded() async throws {
        let help = try await ShipliftProcess.run(["--help"])
        #expect(help.status == .exited(0) && help.output.contains("promote"))
        #expect(try await ShipliftProcess.run(["no-such-command"]).status != .exited(0))
    }

    @Test func theServiceStartsIsKilledStartsAgainAndStops() async throws {
        let data = try TemporaryFolder()
        let port = try FreePort.take()
        let serve = ["serve", "--listen", "127.0.0.1:\(port)", "--data", data.path, "--policies", Self.policies]

        let first = try await ShipliftProcess.start(serve)
        try await first.ready(port: port)
        let memory = try first.memory()
        #expect(memory.resident > 1 << 20 && memory.peak >= memory.resident)
        try await first.kill9()
        #expect(first.child.exitStatus == .signalled(9))

        let second = try await ShipliftProcess.start(serve)
        try await second.ready(port: port)
        #expect(try await second.terminate() == .exited(0))
    }
}
