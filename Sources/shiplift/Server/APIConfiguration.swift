import API
import Foundation

/// The settings that are about the API alone.
enum APIConfiguration {
    static let names = ["allowed_origins", "rate_limit", "refused_limit", "foreign_names", "moves_as_copies"]

    static func settings(_ value: (String) -> String?) throws -> APISettings {
        var settings = APISettings()
        if let text = value("allowed_origins") { settings.origins = try origins(text) }
        if let text = value("rate_limit") { settings.callerLimit = try limit(text, "rate_limit") }
        if let text = value("refused_limit") { settings.guessLimit = try limit(text, "refused_limit") }
        if let text = value("foreign_names") { settings.foreignNames = try foreignNames(text) }
        if let text = value("moves_as_copies") {
            guard let isAllowed = Bool(text) else { throw ConfigurationError(description: "moves_as_copies '\(text)' is neither true nor false") }
            settings.takesMovesAsCopies = isAllowed
        }
        return settings
    }

    /// Origins with spaces or commas between them. A `*` is none: whose page may read answers is said by name.
    private static func origins(_ text: String) throws -> Set<String> {
        let origins = text.split(whereSeparator: { $0 == "," || $0.isWhitespace }).map(String.init)
        for origin in origins {
            let parts = origin.components(separatedBy: "://")
            let isOrigin =
                parts.count == 2 && ["http", "https"].contains(parts[0]) && !parts[1].isEmpty
                && parts[1].utf8.allSatisfy { UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 || UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 || ".-:[]".utf8.contains($0) }
            guard isOrigin else {
                throw ConfigurationError(description: "allowed_origins: '\(origin)' is no origin such as https://deploy.example.test, in small letters and without a path")
            }
        }
        return Set(origins)
    }

    /// Requests in a minute, or `off`.
    private static func limit(_ text: String, _ name: String) throws -> RateLimit? {
        if text == "off" { return nil }
        guard let requests = Int(text), requests <= 100_000_000, let limit = RateLimit(requests: requests, seconds: 60) else {
            throw ConfigurationError(description: "\(name) '\(text)' is neither a number of requests in a minute nor 'off'")
        }
        return limit
    }

    /// `docker-dev-local=dev, docker-prod-local=production`.
    private static func foreignNames(_ text: String) throws -> [String: String] {
        var names: [String: String] = [:]
        for entry in text.split(whereSeparator: { $0 == "," || $0.isWhitespace }) {
            let parts = entry.split(separator: "=", omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty, names.updateValue(parts[1], forKey: parts[0]) == nil else {
                throw ConfigurationError(description: "foreign_names: '\(entry)' is no NAME=ENVIRONMENT, or its name is there twice")
            }
        }
        return names
    }
}
