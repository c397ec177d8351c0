public import OCI

/// What somebody may do.
public enum Verb: String, Sendable, Hashable, Codable, CaseIterable {
    /// Read everything except tokens. Every other verb includes it.
    case read
    /// Ask for promotions, and cancel and retry them.
    case promote
    /// Give verdicts. Whose verdict counts is for the policy to say.
    case approve
    /// Order that gates be opened, where the policy lets them be.
    case override
    /// Post evidence and scans.
    case report
    /// Everything.
    case administer
}

/// Verbs, on images that match one of the patterns, in some environments. What is empty means all.
public struct Permission: Sendable, Hashable, Codable {
    public let verbs: Set<Verb>
    public let images: [String]
    public let environments: [EnvironmentName]

    public init(verbs: Set<Verb>, images: [String] = [], environments: [EnvironmentName] = []) {
        self.verbs = verbs
        self.images = images
        self.environments = environments
    }

    /// Whether it allows the verb on the image in the environment.
    ///
    /// - Parameters:
    ///   - image: `nil` for something that is not about one image: only a permission for all images covers it.
    ///   - environment: `nil` where the verb is not about one.
    public func allows(_ verb: Verb, _ image: ImageName?, in environment: EnvironmentName?) -> Bool {
        if verbs.contains(.administer) { return true }
        guard verbs.contains(verb) else { return false }
        if let environment, !environments.isEmpty, !environments.contains(environment) { return false }
        return images.isEmpty || image.map { image in images.contains { Self.pattern($0, matches: image) } } ?? false
    }

    /// A pattern that no longer parses matches nothing: closed, not open.
    private static func pattern(_ text: String, matches image: ImageName) -> Bool {
        do { return try ImagePattern(parsing: text).matches(image) } catch { return false }
    }
}
