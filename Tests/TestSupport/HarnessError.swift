/// What can go wrong in the harness itself, with what a reader of the test's output needs.
public enum HarnessError: Error, CustomStringConvertible {
    case deadline(waitingFor: String)
    case missingProgram(String)
    case toolFailed(command: String, status: ExitStatus, output: String)
    case serverExited(name: String, status: ExitStatus, log: String)
    case socket(operation: String, code: Int32)
    case connectionClosed
    case malformedMessage(String)
    case unexpectedAnswer(request: String, status: Int, body: String)

    public var description: String {
        switch self {
        case .deadline(let what): "gave up waiting for \(what)"
        case .missingProgram(let name): "\(name) is not installed: Scripts/install-dependencies --for test installs it"
        case .toolFailed(let command, let status, let output): "\(command): \(status)\n\(output)"
        case .serverExited(let name, let status, let log): "\(name) ended by itself (\(status)); the end of its log:\n\(log)"
        case .socket(let operation, let code): "\(operation): errno \(code)"
        case .connectionClosed: "the connection was closed"
        case .malformedMessage(let text): "malformed HTTP message: \(text)"
        case .unexpectedAnswer(let request, let status, let body): "\(request) was answered with \(status): \(body)"
        }
    }
}
