import Foundation
import Subprocess
import SystemPackage

/// Why git did not do what it was asked.
struct GitFailure: Error, CustomStringConvertible {
    let description: String
}

/// Runs Debian's `git` in a folder of its own: without a shell, without any configuration but ours, for a bounded time.
struct GitCommand: Sendable {
    struct Answer: Sendable {
        /// Its exit code; a signal counts as 128.
        let status: Int
        let output: [UInt8]
        /// Its first words to people, in one line.
        let complaint: String
    }

    /// Largest file that it may write: a pack of the repository.
    static let maximumFileBytes = 256 << 20

    /// Holds the repository; made and removed by the caller.
    let folder: URL
    /// Settings as `git -c` would take them. They go by the environment, where other users of the machine can't read them.
    let settings: [(name: String, value: String)]
    /// Variables beside git's own.
    let variables: [String: String]
    let timeout: Duration

    /// Runs `git` with arguments.
    ///
    /// - Parameter limit: most bytes of output.
    func git(_ arguments: [String], input: [UInt8] = [], limit: Int = 65_536) async throws(GitFailure) -> Answer {
        try await run("git", arguments, input: input, limit: limit)
    }

    /// Runs a program that git's checks need, under the same rules.
    func run(_ program: String, _ arguments: [String], input: [UInt8] = [], limit: Int = 65_536) async throws(GitFailure) -> Answer {
        let name = "\(program) \(arguments.first ?? "")"
        guard let path = Self.find(program) else { throw GitFailure(description: "\(program) is not installed (apt-get install \(program))") }
        var command = [path] + arguments
        if let limiter = Self.find("prlimit") {
            command = [limiter, "--fsize=\(Self.maximumFileBytes)", "--core=0", "--cpu=\(timeout.components.seconds + 1)", "--"] + command
        }
        do {
            return try await withThrowingTaskGroup(of: Answer?.self) { group in
                defer { group.cancelAll() }
                group.addTask { [command] in try await execute(command, input: input, limit: limit) }
                group.addTask {
                    try await Task.sleep(for: timeout)
                    return nil
                }
                guard let first = try await group.next(), let answer = first else { throw GitFailure(description: "\(name) took longer than \(timeout)") }
                return answer
            }
        } catch let failure as GitFailure {
            throw failure
        } catch let error as SubprocessError where error.code == .outputLimitExceeded {
            throw GitFailure(description: "\(name) answered with more than \(limit) bytes")
        } catch is CancellationError {
            throw GitFailure(description: "\(name) was interrupted")
        } catch {
            throw GitFailure(description: "\(name) could not be run")
        }
    }

    @concurrent
    private func execute(_ command: [String], input: [UInt8], limit: Int) async throws -> Answer {
        var options = PlatformOptions()
        // Git starts helpers; the whole session ends together.
        options.createSession = true
        options.teardownSequence = [.send(signal: .kill, toProcessGroup: true, allowedDurationToNextStep: .seconds(1))]
        let result = try await Subprocess.run(
            .path(FilePath(command[0])), arguments: Arguments(Array(command.dropFirst())),
            environment: .custom(Dictionary(uniqueKeysWithValues: environment.map { (Environment.Key(stringLiteral: $0.key), $0.value) })),
            workingDirectory: FilePath(folder.path), platformOptions: options, input: .array(input), output: .bytes(limit: limit),
            error: .bytes(limit: 65_536))
        let status =
            switch result.terminationStatus {
            case .exited(let code): Int(code)
            default: 128
            }
        return Answer(status: status, output: result.standardOutput, complaint: Self.complaint(result.standardError))
    }

    private var environment: [String: String] {
        var environment = [
            "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": folder.path, "XDG_CONFIG_HOME": folder.path, "TMPDIR": folder.path,
            "GIT_DIR": folder.appendingPathComponent("repository").path, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_SYSTEM": "/dev/null",
            "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_ATTR_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "", "SSH_ASKPASS": "",
            "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_REPLACE_OBJECTS": "1", "GIT_LITERAL_PATHSPECS": "1", "GIT_PROTOCOL_FROM_USER": "0",
            "GIT_CONFIG_COUNT": "\(settings.count)",
        ]
        for (index, setting) in settings.enumerated() {
            environment["GIT_CONFIG_KEY_\(index)"] = setting.name
            environment["GIT_CONFIG_VALUE_\(index)"] = setting.value
        }
        return environment.merging(variables) { $1 }
    }

    private static func find(_ program: String) -> String? {
        ["/usr/bin/", "/bin/", "/usr/local/bin/"].map { $0 + program }.first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    private static func complaint(_ bytes: [UInt8]) -> String {
        let text = String(decoding: bytes.prefix(2_000), as: UTF8.self)
        let lines = text.split(whereSeparator: \.isNewline).filter { !$0.hasPrefix("hint:") && !$0.hasPrefix("warning:") }
        let line = lines.prefix(3).joined(separator: "; ")
        return String(String.UnicodeScalarView(line.unicodeScalars.prefix(400).map { $0.value < 0x20 || $0.value == 0x7F ? " " : $0 }))
    }
}
