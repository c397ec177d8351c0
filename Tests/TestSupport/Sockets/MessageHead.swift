/// A header field as it was sent.
public struct HeaderField: Sendable, Hashable {
    public let name: String
    public let value: String
    public init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

/// The start line and the fields of an HTTP/1.1 message.
struct MessageHead: Sendable {
    var startLine: String
    var fields: [HeaderField]

    init(startLine: String, fields: [HeaderField]) {
        self.startLine = startLine
        self.fields = fields
    }

    init(parsing bytes: [UInt8]) throws {
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\r\n", omittingEmptySubsequences: true)
        guard let first = lines.first else { throw HarnessError.malformedMessage("no start line") }
        startLine = String(first)
        fields = try lines.dropFirst().map { line in
            guard let colon = line.firstIndex(of: ":") else { throw HarnessError.malformedMessage(String(line.prefix(80))) }
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            return HeaderField(String(line[..<colon]), String(value))
        }
    }

    var bytes: [UInt8] { Array((startLine + "\r\n" + fields.map { "\($0.name): \($0.value)\r\n" }.joined() + "\r\n").utf8) }

    func value(_ name: String) -> String? { fields.first { $0.name.lowercased() == name.lowercased() }?.value }

    /// Replaces every field of that name; `nil` removes them.
    mutating func set(_ name: String, to value: String?) {
        let place = fields.firstIndex { $0.name.lowercased() == name.lowercased() } ?? fields.endIndex
        fields.removeAll { $0.name.lowercased() == name.lowercased() }
        if let value { fields.insert(HeaderField(name, value), at: min(place, fields.endIndex)) }
    }

    var asksToClose: Bool { value("Connection")?.lowercased() == "close" || startLine.contains("HTTP/1.0") }

    // Requests.
    var method: String { startLine.split(separator: " ").first.map(String.init) ?? "" }
    var target: String {
        let parts = startLine.split(separator: " ")
        return parts.count > 1 ? String(parts[1]) : ""
    }
    var requestBody: BodyFraming { framing(otherwise: .none) }

    // Answers.
    var status: Int {
        let parts = startLine.split(separator: " ")
        return parts.count > 1 ? Int(parts[1]) ?? 0 : 0
    }
    func answerBody(to method: String) -> BodyFraming {
        if method == "HEAD" || status == 204 || status == 304 || status < 200 { return .none }
        return framing(otherwise: .untilClose)
    }

    private func framing(otherwise: BodyFraming) -> BodyFraming {
        if value("Transfer-Encoding")?.lowercased().hasSuffix("chunked") == true { return .chunked }
        if let length = value("Content-Length").flatMap({ Int($0) }) { return length == 0 ? .none : .length(length) }
        return otherwise
    }
}

/// How the end of a body is found (RFC 9112 §6.3).
enum BodyFraming: Sendable, Hashable {
    case none
    case length(Int)
    case chunked
    case untilClose
}
