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
}
