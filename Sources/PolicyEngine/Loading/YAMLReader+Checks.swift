import Foundation
import Yams

extension YAMLReader {
    /// Reads `checks:`: a name, and the service that is asked under it.
    mutating func checks(_ node: Node?) -> [CheckEndpoint] {
        guard let node else { return [] }
        var endpoints: [CheckEndpoint] = []
        for (name, key, value) in named(node, "checks") {
            guard let members = members(value, of: "a check", allowed: ["url", "secret", "timeout", "ca", "plainHTTP"]) else { continue }
            let plainHTTP = members["plainHTTP"].flatMap { bool($0, "plainHTTP") } ?? false
            let url = required(members["url"], "url", in: value, "add 'url: https://checks.example.com/shiplift'").flatMap { checkURL($0, plainHTTP: plainHTTP) }
            let secret = required(members["secret"], "secret", in: value, "add 'secret: { fromFile: PATH }'").flatMap { checkSecret($0) }
            guard let url, let secret, let timeout = checkTimeout(members["timeout"], in: value) else { continue }
            endpoints.append(
                CheckEndpoint(
                    name: name, source: SourceLocation(file: file, line: key.mark?.line ?? 1), url: url, secret: secret, timeout: timeout,
                    caFile: members["ca"].flatMap { string($0, "ca") }))
        }
        return endpoints
    }

    private mutating func checkURL(_ node: Node, plainHTTP: Bool) -> String? {
        guard let text = string(node, "url") else { return nil }
        guard let parts = URLComponents(string: text), let scheme = parts.scheme, parts.host?.isEmpty == false, parts.user == nil, parts.password == nil,
            parts.fragment == nil, scheme == "https" || scheme == "http"
        else {
            report(node, "'\(text)' is no URL of a check", "write https://HOST/PATH, without user and fragment")
            return nil
        }
        guard scheme == "https" || plainHTTP else {
            report(node, "'\(text)' is not encrypted", "use https://, or say 'plainHTTP: true' where the network is yours")
            return nil
        }
        return text
    }

    mutating func checkSecret(_ node: Node) -> CheckEndpoint.SecretReference? {
        guard let members = members(node, of: "secret", allowed: ["fromFile", "fromEnv"]), members.count == 1, let (key, value) = members.first,
            let text = string(value, key)
        else {
            report(node, "the secret must name one place", "write 'fromFile: PATH' or 'fromEnv: NAME'")
            return nil
        }
        return key == "fromFile" ? .file(text) : .environment(text)
    }

    private mutating func checkTimeout(_ node: Node?, in mapping: Node) -> PolicyDuration? {
        guard let node else { return PolicyDuration(parsing: "10s") }
        guard let timeout = duration(node, "timeout", in: mapping) else { return nil }
        guard (1...60).contains(timeout.seconds) else {
            report(node, "a check answers within 1s to 60s", "write for example 10s")
            return nil
        }
        return timeout
    }
}
