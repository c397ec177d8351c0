public import OCI

/// Which of what refers to an image (signatures, SBOMs, attestations) goes with it.
public enum ReferrerChoice: Sendable, Hashable {
    case all
    case none
    /// Artifact types; `*` stands for any text.
    case types([String])

    /// What satisfies both: a policy that asks for more gets it.
    func joined(with other: ReferrerChoice) -> ReferrerChoice {
        switch (self, other) {
        case (.all, _), (_, .all): .all
        case (.none, let choice), (let choice, .none): choice
        case (.types(let mine), .types(let theirs)): .types(mine + theirs.filter { !mine.contains($0) })
        }
    }
}

extension PolicySet {
    /// What goes with an image on a step: everything, where no policy says otherwise.
    public func referrers(for image: ImageName, from: EnvironmentName, to: EnvironmentName) -> ReferrerChoice {
        let choices = policies(for: image, from: from, to: to).compactMap(\.referrers)
        guard let first = choices.first else { return .all }
        return choices.dropFirst().reduce(first) { $0.joined(with: $1) }
    }
}
