import Foundation
import HTTPTransport
import PolicyEngine
import Registry

/// Why credentials can't be had. Names the place, never the content.
enum CredentialError: Error, CustomStringConvertible {
    case missing(String)

    var description: String {
        switch self {
        case .missing(let what): what
        }
    }
}

/// Reads credentials from where an environment says they are, each time they are needed.
enum CredentialReader {
    static func read(_ reference: CredentialReference, registryURL: String) throws -> RegistryCredentials {
        switch reference {
        case .anonymous: return .anonymous
        case .file(let path):
            let text: String
            do { text = try String(contentsOfFile: path, encoding: .utf8) } catch { throw CredentialError.missing("the file \(path) can't be read") }
            return try basic(text, "the file \(path)")
        case .environment(let name):
            guard let text = ProcessInfo.processInfo.environment[name] else { throw CredentialError.missing("environment variable \(name) is not set") }
            return try basic(text, "environment variable \(name)")
        case .dockerConfig(let path): return try docker(path ?? NSHomeDirectory() + "/.docker/config.json", registryURL)
        }
    }

    private static func basic(_ text: String, _ place: String) throws -> RegistryCredentials {
        let line = text.split(whereSeparator: \.isNewline).first ?? ""
        guard let colon = line.firstIndex(of: ":"), colon != line.startIndex else { throw CredentialError.missing("\(place) must hold USER:PASSWORD") }
        return .basic(user: String(line[..<colon]), password: Secret(String(line[line.index(after: colon)...])))
    }

    private struct DockerConfig: Decodable {
        struct Auth: Decodable {
            let auth: String?
            let identitytoken: String?
        }
        let auths: [String: Auth]?
    }

    private static func docker(_ path: String, _ registryURL: String) throws -> RegistryCredentials {
        let config: DockerConfig
        do { config = try JSONDecoder().decode(DockerConfig.self, from: Data(contentsOf: URL(fileURLWithPath: path))) } catch {
            throw CredentialError.missing("\(path) can't be read as Docker's config.json")
        }
        let host = registryURL.replacing("https://", with: "").replacing("http://", with: "")
        guard let auth = config.auths?[host] ?? config.auths?[registryURL] else { throw CredentialError.missing("\(path) has no entry for \(host)") }
        if let token = auth.identitytoken, !token.isEmpty { return .identityToken(Secret(token)) }
        guard let data = auth.auth.flatMap({ Data(base64Encoded: $0) }) else { throw CredentialError.missing("\(path): the entry for \(host) holds no 'auth'") }
        return try basic(String(decoding: data, as: UTF8.self), "\(path): the entry for \(host)")
    }
}
