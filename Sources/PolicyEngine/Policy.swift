public import OCI

/// Which tags may be promoted and what they are called at the target.
public struct TagRules: Sendable, Hashable {
    /// What happens to a target tag that already names something else.
    public enum Existing: String, Sendable, Hashable, CaseIterable {
        /// It moves, unless the environment says that it is immutable.
        case move
        /// Only the same digest may be there.
        case sameDigest = "same-digest"
    }

    public var semver: SemanticVersionRange?
    public var allowPrerelease = true
    public var patterns: [TextPattern] = []
    public var exclude: [TextPattern] = []
    /// `nil` where the policy leaves it to others.
    public var target: [TagTemplate]?
    public var existing = Existing.move
}

/// Gates that somebody may open by order, with a reason.
public struct OverrideRule: Sendable, Hashable {
    /// Groups and ids.
    public let by: [String]
    /// The names of gates of the same policy.
    public let gates: [String]
    /// How many persons must order it.
    public let count: Int
    public let source: SourceLocation
}

/// Gates that do not count where an image goes back to a state that it had in the environment.
public struct RollbackRule: Sendable, Hashable {
    /// The names of gates of the same policy, `tag` and `target-tag` among them.
    public let relax: [String]
    public let source: SourceLocation
}

/// Rules for some images on some steps.
public struct Policy: Sendable {
    public enum Mode: String, Sendable, Hashable, CaseIterable {
        case enforce
        /// Records what would be denied and lets it pass.
        case warn
    }

    public let name: String
    public let source: SourceLocation
    public let mode: Mode
    public let images: [ImagePattern]
    public let excludedImages: [ImagePattern]
    /// `nil` is any environment.
    public let from: EnvironmentName?
    public let to: EnvironmentName?
    public let tags: TagRules?
    /// These count always.
    public let gates: [GateRule]
    /// Of each name, these count where no more specific policy has a default of that name.
    public let defaults: [GateRule]
    public let overrides: OverrideRule?
    public let rollback: RollbackRule?
    /// What goes with the image; `nil` where the policy leaves it to others.
    public let referrers: ReferrerChoice?
    /// `source` as decisions show it, made once.
    let place: String

    /// Whether it opens a step. A policy that does not name both ends adds its gates to the steps that others open.
    public var opensStep: Bool { from != nil && to != nil }

    public func applies(to image: ImageName) -> Bool {
        images.contains { $0.matches(image) } && !excludedImages.contains { $0.matches(image) }
    }

    func applies(to image: ImageName, from: EnvironmentName, to: EnvironmentName) -> Bool {
        (self.from ?? from) == from && (self.to ?? to) == to && applies(to: image)
    }

    /// How closely it is about an image: by the pattern that says most about it, then by the ends of the step that are named.
    func specificity(for image: ImageName) -> Specificity {
        let pattern = images.filter { $0.matches(image) }.map(\.specificity).max() ?? 0
        return Specificity(image: pattern, ends: (from == nil ? 0 : 1) + (to == nil ? 0 : 1))
    }
}

/// How closely a policy is about an image on a step.
struct Specificity: Comparable {
    let image: Int
    let ends: Int

    static func < (lhs: Specificity, rhs: Specificity) -> Bool { (lhs.image, lhs.ends) < (rhs.image, rhs.ends) }
}
