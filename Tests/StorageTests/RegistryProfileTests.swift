import Foundation
import Storage
import Testing

/// Registries' profiles in the database, shared by replicas.
@Suite(.timeLimit(.minutes(5))) struct RegistryProfileTests {
    private static let url = "https://one.example.test"

    private func withProfiles(_ body: (PostgresRegistryProfiles, StoreFixture) async throws -> Void) async throws {
        let fixture = try await StoreFixture.make()
        try await body(PostgresRegistryProfiles(pool: fixture.pool), fixture)
    }

    @Test func oneProbesAndTheOthersSeeWhatWasFound() async throws {
        try await withProfiles { profiles, _ in
            let taken = try await withThrowingTaskGroup(of: Bool.self) { group in
                for _ in 0..<8 { group.addTask { try await profiles.take("eu", url: Self.url, seconds: 60, isAsked: true) } }
                return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
            }
            #expect(taken == 1)
            try await profiles.learn("eu", url: Self.url, learned: #"{"mount":"never"}"#)
            try await profiles.finish("eu", url: Self.url, probed: #"{"mount":"any"}"#, report: #"{"a":1}"#, life: 60)
            let row = try #require(try await profiles.all().first)
            #expect(row.registry == "eu" && row.url == Self.url && row.probed == #"{"mount": "any"}"# && row.learned == "{}" && row.report == #"{"a": 1}"#)
            #expect(row.probedAt != nil && !row.isDue && row.failure == nil)
            #expect(try await !profiles.take("eu", url: Self.url, seconds: 60, isAsked: false), "it is not due")
            #expect(try await profiles.take("eu", url: Self.url, seconds: 60, isAsked: true), "somebody asks")
        }
    }

    @Test func aProfileGetsOldAndAFailureIsTriedAgain() async throws {
        try await withProfiles { profiles, fixture in
            #expect(try await profiles.take("eu", url: Self.url, seconds: 60, isAsked: false))
            try await profiles.fail("eu", url: Self.url, reason: "no answer\u{0}", pause: 3_600)
            let failed = try #require(try await profiles.all().first)
            #expect(failed.failure == "no answer" && !failed.isDue && failed.probedAt == nil && failed.probed == "{}")
            try await fixture.asSuperuser("UPDATE registry_profiles SET due_at = now() - interval '1 second'")
            #expect(try await profiles.all().first?.isDue == true)
            #expect(try await profiles.take("eu", url: Self.url, seconds: 60, isAsked: false))
            // Whoever took it and died: another one may after the lease.
            #expect(try await !profiles.take("eu", url: Self.url, seconds: 60, isAsked: true))
            try await fixture.asSuperuser("UPDATE registry_profiles SET probing_until = now() - interval '1 second'")
            #expect(try await profiles.take("eu", url: Self.url, seconds: 60, isAsked: true))
        }
    }

    @Test func whatReplicasMeetIsAdded() async throws {
        try await withProfiles { profiles, _ in
            try await profiles.learn("eu", url: Self.url, learned: #"{"chunkBytes":1048576}"#)
            try await profiles.learn("eu", url: Self.url, learned: #"{"mount":"never"}"#)
            try await profiles.learn("us", url: Self.url, learned: "{}")
            let rows = try await profiles.all()
            #expect(rows.map(\.registry) == ["eu", "us"])
            #expect(rows.first?.learned == #"{"mount": "never", "chunkBytes": 1048576}"#)
        }
    }
}
