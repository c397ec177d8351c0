public import OCI

/// Where credentials come from. The secret itself is never in a policy file.
public enum CredentialReference: Sendable, Hashable {
    case anonymous
    /// A file that holds `user:password` in its first line.
    case file(String)
    /// An environment variable that holds `user:password`.
    case environment(String)
    /// Docker's config.json; `nil` is the usual place.
    case dockerConfig(String?)
}

/// A repository's name as a template with `{image}` in it: `prod/{image}`.
public struct RepositoryTemplate: Sendable, Hashable, CustomStringConvertible {
    public let description: String
    private let prefix: String
    private let suffix: String

    /// `nil` where `{image}` does not stand in it exactly once, or what is around it makes no repository name.
    public init?(parsing text: String) {
        let parts = text.components(around: "{image}")
        guard parts.count == 2 else { return nil }
        prefix = parts[0]
        suffix = parts[1]
        description = text
        do { _ = try RepositoryName(parsing: prefix + "image" + suffix) } catch { return nil }
    }

    /// The image's repository.
    public func repository(for image: ImageName) throws(NameError) -> RepositoryName {
        try RepositoryName(parsing: prefix + image.description + suffix)
    }

    /// The image whose repository this is; `nil` where it is none of this template's.
    public func image(for repository: RepositoryName) -> ImageName? {
        let name = repository.description
        guard name.hasPrefix(prefix), name.hasSuffix(suffix), name.count > prefix.count + suffix.count else { return nil }
        do { return try ImageName(parsing: String(name.dropFirst(prefix.count).dropLast(suffix.count))) } catch { return nil }
    }
}

extension String {
    /// The text before, between and after each occurrence of `separator`.
    fileprivate func components(around separator: String) -> [String] {
        var parts: [String] = []
        var rest = self[...]
        while let range = rest.firstRange(of: separator) {
            parts.append(String(rest[..<range.lowerBound]))
            rest = rest[range.upperBound...]
        }
        return parts + [String(rest)]
    }
}

/// One registry of an environment.
public struct RegistryDefinition: Sendable, Hashable {
    /// How loud we may be.
    public struct Limits: Sendable, Hashable {
        /// Requests at once.
        public var concurrency = 32
        /// Bytes per second of each transfer; `nil` is unlimited.
        public var bytesPerSecond: Int?
        /// Bytes per second of all transfers together, in both directions; `nil` is unlimited.
        public var bandwidth: Int?
    }

    /// What the registry can do, where an environment knows it better than a probe. `nil` leaves it to the probe and to what is met.
    public struct Profile: Sendable, Hashable {
        /// From which repositories it mounts blobs.
        public enum Mount: String, Sendable, CaseIterable { case any, committed, never }
        /// How a whole blob is sent.
        public enum Upload: String, Sendable, CaseIterable { case post, put, patch }
        /// Who keeps the lists of referrers.
        public enum Referrers: String, Sendable, CaseIterable { case api, tag }
        /// Whether tags can be moved.
        public enum Tags: String, Sendable, CaseIterable { case mutable, immutable }

        public var mount: Mount?
        public var origin: Bool?
        public var upload: Upload?
        /// Bytes.
        public var chunkSize: Int64?
        public var resume: Bool?
        public var referrers: Referrers?
        public var conditionalPut: Bool?
        public var tags: Tags?
        /// Whether it is found out by a probe at all.
        public var probe: Bool?

        public init() {}
    }

    /// A proxy on the way to the registry.
    public struct Proxy: Sendable, Hashable {
        public let url: String
        /// An environment variable that holds `user:password` for the proxy.
        public let credentialsEnvironment: String?
        /// Hosts, domains (`.example.org`) and networks that are reached without it.
        public let noProxy: [String]
    }

    /// Unique over all environments.
    public let name: String
    /// `https://host[:port]`. Two environments may name the same server: blobs are then mounted, not copied.
    public let url: String
    public let repository: RepositoryTemplate
    public let credentials: CredentialReference
    public let caFile: String?
    public let clientCertificateFile: String?
    public let clientKeyFile: String?
    public let plainHTTP: Bool
    public let proxy: Proxy?
    /// Hosts beyond the registry's own that we may talk to: token services and blob storage. `*.` stands for any subdomain.
    public let additionalHosts: [String]
    public let limits: Limits
    public let profile: Profile
}

/// One step of the way to production.
public struct EnvironmentDefinition: Sendable, Hashable {
    public let name: EnvironmentName
    public let source: SourceLocation
    /// Its place in the file, from 0.
    public let position: Int
    /// All of them must be reached before a promotion is done.
    public let registries: [RegistryDefinition]
    /// Tags that never move once they exist.
    public let immutableTags: [TextPattern]
    /// Whether Shiplift signs for promotions into it.
    public let attests: Bool
    public let scan: ScanRules
    public let drift: DriftResponse

    public func isImmutable(_ tag: Tag) -> Bool { immutableTags.contains { $0.matches(tag.description) } }
}
