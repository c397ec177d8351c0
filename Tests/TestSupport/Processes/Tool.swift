import Foundation

/// What a program that ran to its end left.
public struct ToolResult: Sendable {
    public let status: ExitStatus
    public let output: String
    public let errors: String
}

/// Runs programs to their end.
public enum Tool {
    /// Runs a program on a thread of its own.
    public static func run(
        _ program: String, _ arguments: [String], environment: [String: String] = [:], user: String? = nil, within limit: Duration = .seconds(60)
    ) async throws -> ToolResult {
        try await onOwnThread { try blocking(program, arguments, environment: environment, user: user, within: limit) }
    }

    /// Runs a program that has to succeed and answers what it printed.
    @discardableResult
    public static func check(
        _ program: String, _ arguments: [String], environment: [String: String] = [:], within limit: Duration = .seconds(60)
    ) async throws -> String {
        try await onOwnThread { try checked(program, arguments, environment: environment, within: limit) }
    }

    static func blocking(
        _ program: String, _ arguments: [String], environment: [String: String] = [:], user: String? = nil,
        within limit: Duration = .seconds(60)
    ) throws -> ToolResult {
        let logs = try TemporaryFolder()
        defer { logs.remove() }
        let child = try ChildProcess(
            program, arguments, environment: ProcessInfo.processInfo.environment.merging(environment) { $1 }, logs: logs, name: "tool",
            user: user)
        do { try child.waitForExit(within: limit) } catch {
            try child.stop(with: SIGKILL)
            throw error
        }
        return ToolResult(
            status: try child.waitForExit(), output: try String(contentsOf: child.standardOutput, encoding: .utf8),
            errors: try String(contentsOf: child.standardError, encoding: .utf8))
    }

    @discardableResult
    static func checked(
        _ program: String, _ arguments: [String], environment: [String: String] = [:], user: String? = nil,
        within limit: Duration = .seconds(60)
    ) throws -> String {
        let result = try blocking(program, arguments, environment: environment, user: user, within: limit)
        guard result.status == .exited(0) else {
            let command = ([program] + arguments.prefix(4)).joined(separator: " ")
            throw HarnessError.toolFailed(command: command, status: result.status, output: result.output + result.errors)
        }
        return result.output
    }
}
