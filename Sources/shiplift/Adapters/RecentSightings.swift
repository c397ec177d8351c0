import OCI
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
    private static let limit = 10_000
    private let seen = Mutex<[Key: (sighting: TagSighting, at: ContinuousClock.Instant)]>([:])

    func note(_ reference: ManifestReference, _ sighting: TagSighting, at site: Site, when: ContinuousClock.Instant = .now) {
        seen.withLock { seen in
            if seen.count >= Self.limit { seen = seen.filter { $0.value.at.duration(to: when) < Self.life } }
            if seen.count < Self.limit { seen[Key(server: site.server, repository: site.repository, reference: reference)] = (sighting, when) }
        }
    }

    /// What was seen at most `age` ago.
    func sighting(_ reference: ManifestReference, at site: Site, within age: Duration = life) -> TagSighting? {
        seen.withLock { seen in
            guard let found = seen[Key(server: site.server, repository: site.repository, reference: reference)],
                found.at.duration(to: .now) < min(age, Self.life)
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
