import API
import Foundation

/// How the service is seen from outside: the proxies before it, and the path that it has there.
struct FrontConfiguration: Sendable {
    var trust = ProxyTrust()
    var basePath = BasePath()

    static let names = ["trusted_proxies", "forwarded_fields", "base_path"]

    /// Nobody is trusted and there is no base path.
    init() {}

    init(_ value: (String) -> String?) throws {
        var fields = ProxyTrust.Fields.xForwarded
        if let text = value("forwarded_fields") {
            guard let known = ProxyTrust.Fields(rawValue: text) else {
                throw ConfigurationError(description: "forwarded_fields '\(text)' is none of: \(ProxyTrust.Fields.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            guard value("trusted_proxies") != nil else { throw ConfigurationError(description: "forwarded_fields needs trusted_proxies: who is believed") }
            fields = known
        }
        let ranges = try (value("trusted_proxies") ?? "").split(whereSeparator: { $0 == "," || $0 == " " }).map { text in
            guard let range = AddressRange(parsing: text) else {
                throw ConfigurationError(description: "trusted_proxies: '\(text)' is neither an address nor a network such as 10.0.0.0/8 or fd00::/8")
            }
            return range
        }
        trust = ProxyTrust(ranges, fields: fields)
        if let text = value("base_path") {
            guard let path = BasePath(parsing: text) else {
                throw ConfigurationError(description: "base_path '\(text)' is no path such as /shiplift; letters, digits, '-', '.', '_' and '~' may be in it")
            }
            basePath = path
        }
    }
}
