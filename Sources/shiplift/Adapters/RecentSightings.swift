import OCI
import PromotionCore
import Synchronization
import Transfer

/// What was seen at registries in the last seconds: the second question about the same tag within one promotion costs nothing.
final class RecentSightings: Sendable {
    private struct Key: Hashable {
        let server: String
        let repository: RepositoryName
        let reference: ManifestReference
    }

    private static let life = Duration.seconds(5)
    /// A manifest does not move: whether it is still there is found at the latest when it is copied.
    private static let digestLife = Duration.seconds(60)
    private static let limit = 10_000
    private let seen = Mutex<[Key: (sighting: TagSighting, at: ContinuousClock.Instant)]>([:])

    func note(_ reference: ManifestReference, _ sighting: TagSighting, at site: Site, when: ContinuousClock.Instant = .now) {
        seen.withLock { seen in
            if seen.count >= Self.limit { seen = seen.filter { $0.value.at.duration(to: when) < Self.life(of: $0.key.reference) } }
            if seen.count < Self.limit { seen[Key(server: site.server, repository: site.repository, reference: reference)] = (sighting, when) }
        }
    }

    private static func life(of reference: ManifestReference) -> Duration { reference.tag == nil ? digestLife : life }

    /// What was seen at most `age` ago.
    func sighting(_ reference: ManifestReference, at site: Site, within age: Duration = digestLife) -> TagSighting? {
        seen.withLock { seen in
            guard let found = seen[Key(server: site.server, repository: site.repository, reference: reference)],
                found.at.duration(to: .now) < min(age, Self.life(of: reference))
            else { return nil }
            return found.sighting
        }
    }

    /// Whether the digest was seen there.
    func holds(_ digest: Digest, at site: Site) -> Bool { sighting(.digest(digest), at: site) == .names(digest) }

    func forget(_ reference: ManifestReference, at site: Site) {
        seen.withLock { $0[Key(server: site.server, repository: site.repository, reference: reference)] = nil }
    }
}
