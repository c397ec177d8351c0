import OCI

/// A kind of artifact, by its media type, in which `*` stands for any text: `application/vnd.in-toto+json`, `*spdx*`.
public struct ArtifactTypePattern: Sendable, Hashable, CustomStringConvertible {
    /// Longest pattern, in characters: RFC 6838 gives each half of a media type 127.
    public static let maximumLength = 255

    public let description: String

    /// `nil` where the text is empty, too long, or holds what no media type holds.
    public init?(_ text: String) {
        guard (1...Self.maximumLength).contains(text.utf8.count), text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else { return nil }
        description = text
    }

    /// The one type that it names; `nil` where it names many.
    public var literal: String? { description.contains("*") ? nil : description }

    /// Letter by letter, as registries compare types where they are asked for one.
    public func matches(_ type: String) -> Bool {
        let pattern = Array(description.utf8)
        let text = Array(type.utf8)
        let star = UInt8(ascii: "*")
        var (at, position) = (0, 0)
        // Behind the last star, and how much text it stands for so far: it takes one byte more whenever the rest does not fit.
        var retry: (at: Int, position: Int)?
        while position < text.count {
            if at < pattern.count, pattern[at] == star {
                at += 1
                retry = (at, position)
            } else if at < pattern.count, pattern[at] == text[position] {
                at += 1
                position += 1
            } else if let (next, taken) = retry {
                at = next
                position = taken + 1
                retry = (next, position)
            } else {
                return false
            }
        }
        return pattern[at...].allSatisfy { $0 == star }
    }
}

/// Which referrers travel with an image.
public enum ReferrerSelection: Sendable, Hashable {
    case all
    case none
    /// Those whose type matches. What cosign keeps under a tag has no type of its own: there, that of one of its layers.
    case types([ArtifactTypePattern])

    func takes(_ manifest: Manifest, by link: ReferrerLink) -> Bool {
        guard case .types(let patterns) = self else { return self == .all }
        var types = [manifest.artifactType].compactMap(\.self)
        if case .cosign = link { types += manifest.blobs.map(\.mediaType.description) }
        return types.contains { type in patterns.contains { $0.matches(type) } }
    }

    /// The only type that is asked for, where a registry may filter by it.
    var onlyType: String? {
        guard case .types(let patterns) = self, patterns.count == 1 else { return nil }
        return patterns[0].literal
    }
}
