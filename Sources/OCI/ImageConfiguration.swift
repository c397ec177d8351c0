public import Foundation

/// What we read of an image's configuration (image-spec, config.md).
public struct ImageConfiguration: Sendable, Hashable {
    /// Largest configuration read, in bytes.
    public static let maximumBytes = 4 << 20

    public let platform: Platform
    public let created: String?
    public let user: String?
    public let labels: [String: String]

    public init(platform: Platform, created: String?, user: String?, labels: [String: String]) {
        self.platform = platform
        self.created = created
        self.user = user
        self.labels = labels
    }

    /// Decodes a configuration blob.
    public init(bytes: Data, digest: Digest) throws(ManifestError) {
        do {
            let document = try JSONDecoder().decode(Document.self, from: bytes)
            self.init(
                platform: Platform(os: document.os ?? "unknown", architecture: document.architecture ?? "unknown", variant: document.variant),
                created: document.created, user: document.config?.User, labels: document.config?.Labels ?? [:])
        } catch let error as DecodingError {
            throw .malformed(digest: digest, reason: error.summary)
        } catch {
            throw .malformed(digest: digest, reason: "the configuration is not JSON")
        }
    }

    private struct Document: Decodable {
        let os: String?
        let architecture: String?
        let variant: String?
        let created: String?
        let config: Runtime?
    }

    /// Field names as the specification spells them.
    private struct Runtime: Decodable {
        let User: String?
        let Labels: [String: String]?
    }
}
