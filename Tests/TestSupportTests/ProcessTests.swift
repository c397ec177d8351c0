import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(1))) struct ProcessTests {
    @Test func aToolTellsHowItEndedAndWhatItWrote() async throws {
        let result = try await Tool.run("sh", ["-c", "echo out; echo err >&2; exit 3"])
        #expect(result.status == .exited(3) && result.output == "out\n" && result.errors == "err\n")
        #expect(try await Tool.run("sh", ["-c", "kill -9 $$"]).status == .signalled(9))
        await #expect(throws: HarnessError.self) { try await Tool.check("sh", ["-c", "exit 1"]) }
        await #expect(throws: HarnessError.self) { try await Tool.run("sleep", ["60"], within: .milliseconds(100)) }
    }

    @Test func aFolderGoesWithItsOwner() throws {
        var folder: TemporaryFolder? = try TemporaryFolder()
        let path = try #require(folder).path
        try folder?.write("x", to: "a/b")
        #expect(FileManager.default.fileExists(atPath: path + "/a/b"))
        folder = nil
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    @Test func waitingEnds() async throws {
        await #expect(throws: HarnessError.self) { try await eventually("never", within: .milliseconds(50)) { false } }
    }

    /// What we close is closed: a process that was started in between holds none of our descriptors.
    @Test func aStartedProcessInheritsNothing() async throws {
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        let logs = try TemporaryFolder()
        let child = try ChildProcess("sleep", ["20"], environment: [:], logs: logs, name: "sleep")
        close(ends[1])
        var state = pollfd(fd: ends[0], events: Int16(POLLIN), revents: 0)
        #expect(poll(&state, 1, 5_000) == 1 && state.revents & Int16(POLLHUP) != 0)
        close(ends[0])
        try child.stop(with: SIGKILL)
        logs.remove()
    }
}
