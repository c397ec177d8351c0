public import Foundation
import Synchronization

/// A running program. It gets a signal when the test process dies, whatever the way.
public final class ChildProcess: Sendable {
    public let name: String
    public let processID: Int32
    /// The files that its output goes to.
    public let standardOutput: URL
    public let standardError: URL
    private let status = Mutex<ExitStatus?>(nil)

    /// - Parameters:
    ///   - user: whom it runs as, where we are root; `nil` leaves the user as it is.
    ///   - deathSignal: what it gets when we die.
    public init(
        _ program: String, _ arguments: [String], environment: [String: String], logs: TemporaryFolder, name: String, user: String? = nil,
        deathSignal: Int32 = SIGKILL
    ) throws {
        self.name = name
        standardOutput = logs.url.appending(path: "\(name).out")
        standardError = logs.url.appending(path: "\(name).err")
        var wrapped = ["--pdeathsig", deathSignal == SIGQUIT ? "QUIT" : "KILL"]
        if let user { wrapped += ["--reuid", user, "--regid", user, "--init-groups"] }
        let launch = Launch(
            program: try Launch.find("setpriv"), arguments: wrapped + ["--", "/usr/bin/env", "--chdir=\(logs.path)", try Launch.find(program)] + arguments,
            environment: environment, standardOutput: standardOutput.path, standardError: standardError.path)
        processID = try Spawner.shared.spawn(launch)
        let pid = processID
        Self.running.withLock { $0[pid] = deathSignal }
        Thread.detachNewThread { [self] in reap() }
    }

    public var isRunning: Bool { exitStatus == nil }

    /// `nil` while it runs.
    public var exitStatus: ExitStatus? { status.withLock { $0 } }

    public func signal(_ number: Int32) {
        status.withLock { if $0 == nil { _ = kill(processID, number) } }
    }

    /// Waits for its end; blocks.
    @discardableResult
    public func waitForExit(within limit: Duration = .seconds(20)) throws -> ExitStatus {
        try blockingValue("the end of \(name)", within: limit) { exitStatus }
    }

    /// Asks it to stop with `number` and, where it does not, kills it; blocks.
    public func stop(with number: Int32 = SIGTERM, within limit: Duration = .seconds(10)) throws {
        signal(number)
        do { try waitForExit(within: limit) } catch {
            signal(SIGKILL)
            try waitForExit()
        }
    }

    /// The last lines of what it wrote.
    public func logTail() -> String {
        [standardOutput, standardError].map { file in
            let text = (try? String(contentsOf: file, encoding: .utf8)) ?? ""  // a log that is not there is empty
            return text.split(separator: "\n").suffix(20).joined(separator: "\n")
        }.joined(separator: "\n")
    }

    public func checkRunning() throws {
        if let exitStatus { throw HarnessError.serverExited(name: name, status: exitStatus, log: logTail()) }
    }

    /// Waits without reaping, so that the process id stays ours until nobody signals it any more.
    private func reap() {
        var info = siginfo_t()
        while waitid(P_PID, id_t(processID), &info, WEXITED | WNOWAIT) != 0, errno == EINTR {}
        status.withLock {
            var code: Int32 = 0
            while waitpid(processID, &code, 0) == -1, errno == EINTR {}
            $0 = ExitStatus(waitStatus: code)
            Self.running.withLock { $0[processID] = nil }
        }
    }

    /// The signal that each gets when we die.
    private static let running = Mutex<[Int32: Int32]>([:])

    /// At the end of our own process: all that runs gets its death signal and a moment to heed it.
    static func endAll() {
        running.withLock { for (pid, signal) in $0 { kill(pid, signal) } }
        for _ in 0..<300 where running.withLock({ !$0.isEmpty }) { usleep(10_000) }
        running.withLock { for pid in $0.keys { kill(pid, SIGKILL) } }
    }
}
