import Foundation

/// The built `shiplift` executable, run as a user would run it.
public final class ShipliftProcess: Sendable {
    /// Peak and present memory, in bytes (`VmHWM`, `VmRSS`).
    public struct Memory: Sendable, Hashable {
        public let peak: Int
        public let resident: Int
    }

    public let child: ChildProcess
    public let folder: TemporaryFolder

    private init(child: ChildProcess, folder: TemporaryFolder) {
        self.child = child
        self.folder = folder
    }

    /// `SHIPLIFT_BINARY`, or the executable that was built beside the tests.
    public static func executable() throws -> String {
        if let path = ProcessInfo.processInfo.environment["SHIPLIFT_BINARY"] { return path }
        let tests = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let path = URL(filePath: tests).deletingLastPathComponent().appending(path: "shiplift").path
        guard access(path, X_OK) == 0 else { throw HarnessError.missingProgram(path) }
        return path
    }

    /// Starts it and lets it run, with nothing of our environment but `PATH` and `HOME`, and what is given.
    public static func start(_ arguments: [String], environment: [String: String] = [:]) async throws -> ShipliftProcess {
        try await onOwnThread {
            let folder = try TemporaryFolder()
            let child = try ChildProcess(
                executable(), arguments, environment: plainEnvironment(home: folder.path).merging(environment) { $1 }, logs: folder,
                name: "shiplift")
            return ShipliftProcess(child: child, folder: folder)
        }
    }

    /// Runs it to its end.
    public static func run(
        _ arguments: [String], environment: [String: String] = [:], within limit: Duration = .seconds(60)
    ) async throws -> ToolResult {
        let process = try await start(arguments, environment: environment)
        do {
            let status = try await process.waitForExit(within: limit)
            return ToolResult(status: status, output: try process.output(), errors: try process.errors())
        } catch {
            try await process.kill9()
            throw error
        }
    }

    public func output() throws -> String { try String(contentsOf: child.standardOutput, encoding: .utf8) }
    public func errors() throws -> String { try String(contentsOf: child.standardError, encoding: .utf8) }

    /// Waits until either stream holds a line with all of `texts`, and answers that line.
    public func line(containing texts: String..., within limit: Duration = .seconds(30)) async throws -> String {
        try await eventualValue("a line with '\(texts.joined(separator: "' and '"))' of shiplift", within: limit) {
            let found = try (output() + "\n" + errors()).split(separator: "\n").first { line in texts.allSatisfy { line.contains($0) } }
            if found == nil { try child.checkRunning() }
            return found.map(String.init)
        }
    }

    /// Waits until `GET target` on a loopback port is answered with 200.
    public func ready(port: Int, target: String = "/readyz", within limit: Duration = .seconds(60)) async throws {
        try await eventually("\(target) on port \(port)", within: limit, every: .milliseconds(50)) {
            try child.checkRunning()
            do { return try await LoopbackHTTP.send("GET", target, port: port).status == 200 } catch is HarnessError { return false }
        }
    }

    public func signal(_ number: Int32) { child.signal(number) }

    /// SIGTERM, then its end; killed where that takes longer than `limit`.
    @discardableResult
    public func terminate(within limit: Duration = .seconds(30)) async throws -> ExitStatus {
        child.signal(SIGTERM)
        return try await onOwnThread { [child] in
            try child.stop(within: limit)
            return try child.waitForExit()
        }
    }

    /// `kill -9`, then its end.
    public func kill9() async throws {
        child.signal(SIGKILL)
        try await waitForExit()
    }

    @discardableResult
    public func waitForExit(within limit: Duration = .seconds(60)) async throws -> ExitStatus {
        try await eventualValue("the end of shiplift", within: limit) { child.exitStatus }
    }

    public func memory() throws -> Memory {
        let status = try String(contentsOfFile: "/proc/\(child.processID)/status", encoding: .utf8)
        func bytes(_ key: String) -> Int {
            let line = status.split(separator: "\n").first { $0.hasPrefix(key) }
            return (line?.split(whereSeparator: \.isWhitespace).dropFirst().first).flatMap { Int($0) }.map { $0 * 1024 } ?? 0
        }
        return Memory(peak: bytes("VmHWM:"), resident: bytes("VmRSS:"))
    }

    private static func plainEnvironment(home: String) -> [String: String] {
        ["PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin", "HOME": home]
    }
}
