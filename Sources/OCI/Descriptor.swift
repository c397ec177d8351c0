/// An operating system and a processor (image-spec, image-index.md "platform").
public struct Platform: Sendable, Hashable, Codable, CustomStringConvertible {
    public let os: String
    public let architecture: String
    public let variant: String?

    public init(os: String, architecture: String, variant: String? = nil) {
        self.os = os
        self.architecture = architecture
        self.variant = variant
    }

    /// Parses `linux/amd64` or `linux/arm/v7`; `nil` for anything else.
    public init?(parsing text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard (2...3).contains(parts.count), parts.allSatisfy({ !$0.isEmpty }) else { return nil }
        self.init(os: parts[0], architecture: parts[1], variant: parts.count == 3 ? parts[2] : nil)
    }

    public var description: String { [os, architecture, variant].compactMap(\.self).joined(separator: "/") }

    /// Whether this platform serves where `required` is asked for; a requirement without a variant takes any.
    public func satisfies(_ required: Platform) -> Bool {
        os == required.os && architecture == required.architecture && (required.variant == nil || variant == required.variant)
    }

    /// An attestation manifest inside an index (BuildKit) says `unknown/unknown`: it is no platform to run on.
    public var isUnknown: Bool { os == "unknown" && architecture == "unknown" }
}

/// A reference to content by digest (image-spec, descriptor.md).
public struct Descriptor: Sendable, Hashable, Codable {
    public let mediaType: MediaType
    public let digest: Digest
    /// Bytes.
    public let size: Int64
    public let platform: Platform?
    public let annotations: [String: String]
    public let artifactType: String?
    /// Where a foreign layer says it can be had. Never fetched.
    public let urls: [String]

    public init(
        mediaType: MediaType, digest: Digest, size: Int64, platform: Platform? = nil,
        annotations: [String: String] = [:], artifactType: String? = nil, urls: [String] = []
    ) {
        self.mediaType = mediaType
        self.digest = digest
        self.size = size
        self.platform = platform
        self.annotations = annotations
        self.artifactType = artifactType
        self.urls = urls
    }

    enum CodingKeys: String, CodingKey { case mediaType, digest, size, platform, annotations, artifactType, urls }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        mediaType = try container.decodeIfPresent(MediaType.self, forKey: .mediaType) ?? .octetStream
        digest = try container.decode(Digest.self, forKey: .digest)
        size = try container.decode(Int64.self, forKey: .size)
        guard size >= 0 else {
            throw DecodingError.dataCorruptedError(forKey: .size, in: container, debugDescription: "size \(size) is negative")
        }
        platform = try container.decodeIfPresent(Platform.self, forKey: .platform)
        annotations = try container.decodeIfPresent([String: String].self, forKey: .annotations) ?? [:]
        artifactType = try container.decodeIfPresent(String.self, forKey: .artifactType)
        urls = try container.decodeIfPresent([String].self, forKey: .urls) ?? []
    }
}
