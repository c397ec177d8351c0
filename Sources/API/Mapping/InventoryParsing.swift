import APIModel
import Foundation
import Hummingbird
import OCI
import PolicyEngine
import PromotionCore

/// Reads questions about what is where.
enum InventoryParsing {
    static func image(_ request: Request) throws(Problem) -> ImageName? {
        guard let text = RequestParsing.query(request, "image") else { return nil }
        return try RequestParsing.image(text)
    }

    static func environment(_ request: Request, _ field: String) throws(Problem) -> EnvironmentName? {
        guard let text = RequestParsing.query(request, field) else { return nil }
        return try RequestParsing.environment(text, field: field)
    }

    static func tag(_ request: Request) throws(Problem) -> Tag? {
        guard let text = RequestParsing.query(request, "tag") else { return nil }
        return try RequestParsing.tag(text, field: "tag")
    }

    static func search(_ request: Request) throws(Problem) -> ImageSearch {
        var search = ImageSearch()
        search.text = try text(request, "q")
        search.tag = try tag(request)
        search.digestPrefix = try RequestParsing.query(request, "digest").map(digestPrefix)
        for item in request.uri.queryParameters[values: "label"] {
            let label = String(item)
            guard (1...1000).contains(label.utf8.count), !label.contains("\u{0}"), !label.hasPrefix("="), search.labels.count < 20 else {
                throw .invalid("label", "NAME=VALUE or NAME, at most 20 of 1,000 bytes each")
            }
            let parts = label.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            search.labels[parts[0]] = .some(parts.count == 2 ? parts[1] : nil)
        }
        search.revision = try text(request, "revision")
        if let text = RequestParsing.query(request, "platform") {
            guard let platform = Platform(parsing: text), text.utf8.count <= 100 else { throw .invalid("platform", "os/architecture, such as linux/arm64") }
            search.platform = platform
        }
        search.minimumSize = try size(request, "minSize")
        search.maximumSize = try size(request, "maxSize")
        search.createdAfter = try RequestParsing.date(request, "createdAfter")
        search.createdBefore = try RequestParsing.date(request, "createdBefore")
        search.environment = try environment(request, "environment")
        return search
    }

    private static func text(_ request: Request, _ name: String) throws(Problem) -> String? {
        guard let text = RequestParsing.query(request, name), !text.isEmpty else { return nil }
        guard text.utf8.count <= 200, !text.contains("\u{0}") else { throw .invalid(name, "at most 200 bytes, without NUL") }
        return text
    }

    /// `sha256:` or not, then 4 to 64 hexadecimal digits.
    private static func digestPrefix(_ text: String) throws(Problem) -> String {
        let hex = (text.hasPrefix("sha256:") ? String(text.dropFirst(7)) : text).lowercased()
        guard (4...64).contains(hex.utf8.count), hex.allSatisfy({ $0.isHexDigit && $0.isASCII }) else {
            throw .invalid("digest", "the first 4 or more hexadecimal digits of a sha256 digest")
        }
        return hex
    }

    /// Bytes: a number, or one with KiB, MiB or GiB.
    private static func size(_ request: Request, _ name: String) throws(Problem) -> Int64? {
        guard let text = RequestParsing.query(request, name) else { return nil }
        let units: [(String, Int64)] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("B", 1), ("", 1)]
        for (unit, factor) in units where text.hasSuffix(unit) {
            guard let number = Int64(text.dropLast(unit.count)), number >= 0 else { continue }
            let (bytes, isTooLarge) = number.multipliedReportingOverflow(by: factor)
            if !isTooLarge { return bytes }
        }
        throw .invalid(name, "bytes, such as 1048576 or 500MiB")
    }

    /// `previous`, a digest, or a time.
    static func goal(_ text: String) throws(Problem) -> RollbackGoal {
        if text == "previous" { return .previous }
        if text.hasPrefix("sha256:") || text.hasPrefix("sha512:") { return .digest(try RequestParsing.digest(text)) }
        guard let date = APIJSON.date(text) else {
            throw .invalid("to", "'previous', a digest, or a time such as 2026-03-01T00:00:00Z")
        }
        guard date <= Date() else { throw .invalid("to", "what will be is not known yet: name a time that has been") }
        return .state(date)
    }
}
