import Foundation
import OCI
import Yams

/// What a file of kind Environments says.
struct EnvironmentsFile {
    var environments: [EnvironmentDefinition] = []
    var groups: [Group] = []
    var signers: [TrustedSigner] = []
    var checks: [CheckEndpoint] = []
}

extension YAMLReader {
    /// Reads a document of kind Environments.
    mutating func environmentsFile(_ document: Node) -> EnvironmentsFile {
        let keys = ["version", "kind", "environments", "groups", "trust", "checks"]
        guard let members = members(document, of: "the file", allowed: keys) else { return EnvironmentsFile() }
        var file = EnvironmentsFile()
        if let node = members["environments"] {
            file.environments = environments(node)
        } else {
            report(document, "no environments are named", "add 'environments:' with the way to production, the first one first")
        }
        file.groups = groups(members["groups"])
        file.signers = signers(trust: members["trust"])
        file.checks = checks(members["checks"])
        for signer in file.signers where file.groups.contains(where: { $0.name == signer.name }) {
            report(line: signer.source.line, column: 1, "'\(signer.name)' names a group and a signer", "give one of them another name")
        }
        return file
    }

    private mutating func environments(_ node: Node) -> [EnvironmentDefinition] {
        var result: [EnvironmentDefinition] = []
        var registryNames: Set<String> = []
        var places: Set<String> = []
        for item in list(node, "environments") {
            guard let environment = environment(item, position: result.count) else { continue }
            if result.contains(where: { $0.name == environment.name }) {
                report(item, "environment '\(environment.name)' is named twice", "give each its own name")
            }
            for registry in environment.registries {
                if !registryNames.insert(registry.name).inserted {
                    report(item, "registry '\(registry.name)' is named twice", "give each registry its own name, over all environments")
                }
                if !places.insert("\(registry.url) \(registry.repository)").inserted {
                    report(
                        item, "registry '\(registry.name)' has the same URL and repositories as another one",
                        "two environments on one server need different repository templates, for example \(environment.name)/{image}")
                }
            }
            result.append(environment)
        }
        return result
    }

    private mutating func environment(_ node: Node, position: Int) -> EnvironmentDefinition? {
        guard let members = members(node, of: "an environment", allowed: ["name", "registries", "tags", "attest", "scan", "drift"]) else { return nil }
        guard let nameNode = members["name"], let text = string(nameNode, "name") else {
            if members["name"] == nil { report(node, "an environment has no name", "add 'name: staging'") }
            return nil
        }
        guard let name = EnvironmentName(parsing: text) else {
            report(nameNode, "'\(text)' is no environment name", "use lowercase letters, digits and '-', beginning with a letter")
            return nil
        }
        var registries: [RegistryDefinition] = []
        if let list = members["registries"] {
            for item in self.list(list, "registries") {
                if let registry = registry(item, environment: name) { registries.append(registry) }
            }
        }
        if members["registries"] == nil {
            report(node, "environment '\(name)' has no registries", "add 'registries:' with at least one url")
        }
        return EnvironmentDefinition(
            name: name, source: SourceLocation(file: file, line: nameNode.mark?.line ?? 1), position: position, registries: registries,
            immutableTags: immutableTags(members["tags"]), attests: members["attest"].flatMap { bool($0, "attest") } ?? false,
            scan: scanRules(members["scan"]), drift: members["drift"].flatMap { choice($0, "drift", DriftResponse.self) } ?? .report)
    }

    private mutating func immutableTags(_ node: Node?) -> [TextPattern] {
        guard let node, let members = members(node, of: "tags", allowed: ["immutable"]), let immutable = members["immutable"] else { return [] }
        var patterns: [TextPattern] = []
        for item in list(immutable, "immutable") {
            if let pattern = pattern(item, "immutable") { patterns.append(pattern) }
        }
        return patterns
    }

    private static let registryKeys = ["name", "url", "repository", "credentials", "tls", "plainHTTP", "proxy", "additionalHosts", "limits", "profile"]

    private mutating func registry(_ node: Node, environment: EnvironmentName) -> RegistryDefinition? {
        guard let members = members(node, of: "a registry", allowed: Self.registryKeys) else { return nil }
        let plainHTTP = members["plainHTTP"].flatMap { bool($0, "plainHTTP") } ?? false
        guard let urlNode = members["url"], let url = registryURL(urlNode, plainHTTP: plainHTTP) else {
            if members["url"] == nil { report(node, "a registry has no url", "add 'url: https://registry.example.com'") }
            return nil
        }
        var template = RepositoryTemplate(parsing: "{image}")
        if let repositoryNode = members["repository"], let text = string(repositoryNode, "repository") {
            template = RepositoryTemplate(parsing: text)
            if template == nil {
                report(repositoryNode, "'\(text)' is no repository template", "write for example 'prod/{image}', lowercase, with {image} once")
            }
        }
        let tls = tlsFiles(members["tls"])
        guard let template else { return nil }
        return RegistryDefinition(
            name: members["name"].flatMap { string($0, "name") } ?? environment.description, url: url, repository: template,
            credentials: members["credentials"].flatMap { credentials($0) } ?? .anonymous, caFile: tls["ca"],
            clientCertificateFile: tls["certificate"], clientKeyFile: tls["key"], plainHTTP: plainHTTP,
            proxy: members["proxy"].flatMap { proxy($0) }, additionalHosts: hosts(members["additionalHosts"]), limits: limits(members["limits"]),
            profile: profile(members["profile"]))
    }

    private mutating func registryURL(_ node: Node, plainHTTP: Bool) -> String? {
        guard let text = string(node, "url") else { return nil }
        guard let parts = URLComponents(string: text), let scheme = parts.scheme, let host = parts.host, !host.isEmpty,
            parts.path.isEmpty || parts.path == "/",
            parts.query == nil, parts.fragment == nil, parts.user == nil, parts.password == nil, scheme == "https" || scheme == "http"
        else {
            report(node, "'\(text)' is no registry URL", "write https://HOST or https://HOST:PORT, without path, user or query")
            return nil
        }
        guard scheme == "https" || plainHTTP else {
            report(node, "'\(text)' is not encrypted", "use https://, or say 'plainHTTP: true' where the network is yours")
            return nil
        }
        let port = parts.port.map { $0 == (scheme == "https" ? 443 : 80) ? "" : ":\($0)" } ?? ""
        return "\(scheme)://\(host.lowercased())\(port)"
    }

    private mutating func tlsFiles(_ node: Node?) -> [String: String] {
        guard let node, let members = members(node, of: "tls", allowed: ["ca", "certificate", "key"]) else { return [:] }
        var files: [String: String] = [:]
        for (key, value) in members { files[key] = string(value, key) }
        if (files["certificate"] == nil) != (files["key"] == nil) {
            report(node, "a client certificate needs both 'certificate' and 'key'", "name both files, or neither")
        }
        return files
    }

    private mutating func credentials(_ node: Node) -> CredentialReference? {
        if node.scalar?.string == "anonymous" { return .anonymous }
        if node.scalar?.string == "dockerConfig" { return .dockerConfig(nil) }
        guard let members = members(node, of: "credentials", allowed: ["fromFile", "fromEnv", "dockerConfig"]), members.count == 1,
            let (key, value) = members.first, let text = string(value, key)
        else {
            report(node, "credentials must name one place", "write 'fromFile: PATH', 'fromEnv: NAME', 'dockerConfig: PATH' or 'anonymous'")
            return nil
        }
        switch key {
        case "fromFile": return .file(text)
        case "fromEnv": return .environment(text)
        default: return .dockerConfig(text)
        }
    }

    private mutating func proxy(_ node: Node) -> RegistryDefinition.Proxy? {
        guard let members = members(node, of: "proxy", allowed: ["url", "credentialsEnv", "noProxy"]) else { return nil }
        guard let urlNode = members["url"], let url = string(urlNode, "url") else {
            if members["url"] == nil { report(node, "the proxy has no url", "add 'url: http://proxy.example.com:3128'") }
            return nil
        }
        guard let parts = URLComponents(string: url), ["http", "https", "socks5", "socks5h"].contains(parts.scheme), parts.host?.isEmpty == false,
            parts.user == nil
        else {
            report(urlNode, "'\(url)' is no proxy URL", "write http://, https://, socks5:// or socks5h:// with host and port, without user")
            return nil
        }
        let direct = members["noProxy"].map { node in list(node, "noProxy").compactMap { string($0, "noProxy") } } ?? []
        for name in direct where name.contains(",") || name.contains(where: \.isWhitespace) {
            report(node, "noProxy: '\(name)' is no host", "write a list of hosts, domains such as .example.org, and networks such as 10.0.0.0/8")
        }
        return RegistryDefinition.Proxy(
            url: url, credentialsEnvironment: members["credentialsEnv"].flatMap { string($0, "credentialsEnv") }, noProxy: direct)
    }

    mutating func hosts(_ node: Node?) -> [String] {
        guard let node else { return [] }
        var hosts: [String] = []
        for item in list(node, "additionalHosts") {
            guard let text = string(item, "additionalHosts") else { continue }
            let bare = text.hasPrefix("*.") ? String(text.dropFirst(2)) : text
            guard URLComponents(string: "https://\(bare)")?.host?.isEmpty == false, !bare.contains("/"), !bare.contains("*"), !bare.contains("@")
            else {
                report(item, "'\(text)' is no host", "write HOST, HOST:PORT or *.DOMAIN")
                continue
            }
            hosts.append(text.lowercased())
        }
        return hosts
    }

    private mutating func limits(_ node: Node?) -> RegistryDefinition.Limits {
        var limits = RegistryDefinition.Limits()
        guard let node, let members = members(node, of: "limits", allowed: ["concurrency", "bytesPerSecond", "bandwidth"]) else { return limits }
        if let value = members["concurrency"].flatMap({ integer($0, "concurrency", in: 1...256) }) { limits.concurrency = value }
        limits.bytesPerSecond = members["bytesPerSecond"].flatMap { integer($0, "bytesPerSecond", in: 1024...1_000_000_000_000) }
        limits.bandwidth = members["bandwidth"].flatMap { size($0, "bandwidth", in: 1024...1_000_000_000_000) }.map { Int($0) }
        return limits
    }
}
