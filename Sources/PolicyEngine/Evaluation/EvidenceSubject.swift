import OCI

/// What evidence may be bound to: the artifact itself, or each of its platforms.
///
/// Scanners and builders speak of a platform's manifest, people promote the index. Evidence covers the artifact where it is bound to its
/// digest, or where each platform has its own.
struct EvidenceSubject {
    let artifact: Digest
    private let platforms: [PlatformFacts]

    init(_ facts: PromotionFacts) {
        artifact = facts.digest
        platforms = facts.platforms
    }

    func contains(_ digest: Digest) -> Bool { digest == artifact || platforms.contains { $0.digest == digest } }

    /// What is not covered by evidence that is bound to `digests`; `nil` where everything is.
    func uncovered(by digests: [Digest]) -> String? {
        if digests.contains(artifact) { return nil }
        guard !digests.isEmpty, !platforms.isEmpty else { return artifact.label }
        let missing = platforms.filter { platform in !(platform.digest.map { digests.contains($0) } ?? false) }
        return missing.isEmpty ? nil : missing.map { "\($0.platform)" }.joined(separator: ", ")
    }

    /// What is not covered where each platform needs evidence of its own beside the artifact's.
    func uncoveredEverywhere(by digests: [Digest]) -> String? {
        let missing =
            (digests.contains(artifact) ? [] : [artifact.label])
            + platforms.filter { platform in !(platform.digest.map { digests.contains($0) } ?? false) }.map { "\($0.platform)" }
        return missing.isEmpty ? nil : missing.joined(separator: ", ")
    }
}
