public import Foundation

/// How an image's configuration says that a container is to run (image-spec, config.md "config").
public struct RuntimeConfiguration: Sendable, Hashable {
    public var user: String?
    public var workingFolder: String?
    public var entrypoint: [String] = []
    public var command: [String] = []
    /// `NAME=VALUE`, as they stand there.
    public var environment: [String] = []
    /// `8080/tcp`, sorted.
    public var ports: [String] = []
    /// Sorted.
    public var volumes: [String] = []
    public var stopSignal: String?
    public var labels: [String: String] = [:]
    public var created: String?

    public init() {}

    /// Decodes a configuration blob.
    ///
    /// - Throws: `malformed` where a field is not of its kind.
    public init(bytes: Data, digest: Digest) throws(ManifestError) {
        let document: Document
        do { document = try JSONDecoder().decode(Document.self, from: bytes) } catch let error as DecodingError {
            throw .malformed(digest: digest, reason: error.summary)
        } catch {
            throw .malformed(digest: digest, reason: "the configuration is not JSON")
        }
        created = document.created
        guard let config = document.config else { return }
        user = config.User.flatMap { $0.isEmpty ? nil : $0 }
        workingFolder = config.WorkingDir.flatMap { $0.isEmpty ? nil : $0 }
        entrypoint = config.Entrypoint ?? []
        command = config.Cmd ?? []
        environment = config.Env ?? []
        ports = (config.ExposedPorts?.names ?? []).sorted()
        volumes = (config.Volumes?.names ?? []).sorted()
        stopSignal = config.StopSignal.flatMap { $0.isEmpty ? nil : $0 }
        labels = config.Labels ?? [:]
    }

    private struct Document: Decodable {
        let created: String?
        let config: Process?
    }

    /// Field names as the specification spells them.
    private struct Process: Decodable {
        let User: String?
        let WorkingDir: String?
        let Entrypoint: [String]?
        let Cmd: [String]?
        let Env: [String]?
        let ExposedPorts: Names?
        let Volumes: Names?
        let StopSignal: String?
        let Labels: [String: String]?
    }

    /// An object of which only the names say something.
    private struct Names: Decodable {
        let names: [String]

        init(from decoder: any Decoder) throws { names = try decoder.container(keyedBy: AnyName.self).allKeys.map(\.stringValue) }
    }

    private struct AnyName: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init?(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }
}
