import Foundation
import OCI
import Storage
import Testing

/// Blobs on their way to a server: each in one sender's hands, whichever replica it belongs to.
@Suite(.timeLimit(.minutes(5))) struct UploadClaimTests {
    private static let server = "https://one.example.test"
    private static let blobs = (0..<20).map { Digest(hashing: Data("blob \($0)".utf8)) }

    private func withClaims(_ body: (PostgresUploadClaims, StoreFixture) async throws -> Void) async throws {
        let fixture = try await StoreFixture.make()
        try await body(PostgresUploadClaims(pool: fixture.pool), fixture)
    }

    private func take(_ claims: PostgresUploadClaims, _ blobs: [Digest], _ sender: UUID, age: Double = 1) async throws -> Set<Digest> {
        try await claims.claim(blobs, server: Self.server, sender: sender, age: age).granted
    }

    @Test func ofManyWhoWantTheSameBlobsAtOnceOneGetsEach() async throws {
        try await withClaims { claims, _ in
            let granted = try await withThrowingTaskGroup(of: Set<Digest>.self) { group in
                for number in 0..<12 {
                    // In different orders, as different images name them.
                    let wanted = number.isMultiple(of: 2) ? Self.blobs : Self.blobs.reversed()
                    group.addTask { try await take(claims, wanted, UUID()) }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            #expect(granted.count == Self.blobs.count)
            #expect(Set(granted) == Set(Self.blobs))
        }
    }

    @Test func whatIsGivenBackIsFreeAndOnlyItsSenderCanGiveItBack() async throws {
        try await withClaims { claims, _ in
            let (one, other) = (UUID(), UUID())
            #expect(try await take(claims, Self.blobs, one) == Set(Self.blobs))
            try await claims.release(Self.blobs, server: Self.server, sender: other)
            #expect(try await take(claims, Self.blobs, other).isEmpty)
            #expect(try await take(claims, Self.blobs, one) == Set(Self.blobs), "it is the sender's own")
            try await claims.release([Self.blobs[0]], server: Self.server, sender: one)
            #expect(try await take(claims, Self.blobs, other) == [Self.blobs[0]])
        }
    }

    /// Who began earlier is told: where waiting is only allowed for those, nobody waits in a circle.
    @Test func whoWasEarlierIsSaid() async throws {
        try await withClaims { claims, _ in
            let early = try #require(UUID(uuidString: "01900000-0000-7000-8000-000000000000"))
            let late = try #require(UUID(uuidString: "01900000-0001-7000-8000-000000000000"))
            _ = try await claims.claim([Self.blobs[0]], server: Self.server, sender: early, age: 1)
            _ = try await claims.claim([Self.blobs[1]], server: Self.server, sender: late, age: 1)
            let toLate = try await claims.claim(Array(Self.blobs.prefix(2)), server: Self.server, sender: late, age: 1)
            #expect(toLate.granted == [Self.blobs[1]] && toLate.older == [Self.blobs[0]])
            let toEarly = try await claims.claim(Array(Self.blobs.prefix(2)), server: Self.server, sender: early, age: 1)
            #expect(toEarly.granted == [Self.blobs[0]] && toEarly.older == [])
        }
    }

    /// A sender that renews keeps what it has; one that died leaves it within seconds.
    @Test func aDeadSendersClaimsEnd() async throws {
        try await withClaims { claims, fixture in
            let (alive, dead, heir) = (UUID(), UUID(), UUID())
            _ = try await take(claims, [Self.blobs[0]], alive)
            _ = try await take(claims, [Self.blobs[1]], dead)
            try await fixture.asSuperuser("UPDATE blob_uploads SET expires_at = now() - interval '1 millisecond'")
            try await claims.renew(sender: alive)
            #expect(try await take(claims, Self.blobs, heir) == Set(Self.blobs.dropFirst()))
        }
    }

    /// What arrived while somebody waited is told, so that it is mounted and not sent again.
    @Test func whatHasArrivedSinceTheLastLookIsSaidSo() async throws {
        try await withClaims { claims, fixture in
            let memory = PostgresContentMemory(pool: fixture.pool)
            try await memory.record(
                server: Self.server, repository: try RepositoryName(parsing: "dev/shop/api"), blobs: [Self.blobs[0]], committed: [], manifests: [],
                goneBlobs: [], goneManifests: [], refusedMounts: [])
            let claim = try await claims.claim(Array(Self.blobs.prefix(2)), server: Self.server, sender: UUID(), age: 60)
            #expect(claim.granted == Set(Self.blobs.prefix(2)))
            #expect(claim.arrived == [Self.blobs[0]])
            let later = try await claims.claim([Self.blobs[0]], server: Self.server, sender: UUID(), age: 0)
            #expect(later.granted.isEmpty)
        }
    }
}
