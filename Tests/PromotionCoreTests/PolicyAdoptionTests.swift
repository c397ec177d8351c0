import AuditLog
import Foundation
import PolicyEngine
import Synchronization
import Testing

@testable import PromotionCore

/// What becomes of new editions of the policy, good and bad.
@Suite struct PolicyAdoptionTests {
    private static let environments = PolicyFile(
        path: "environments.yaml",
        text: """
            version: 1
            kind: Environments
            environments:
              - { name: dev, registries: [{ url: "https://dev.example.test" }] }
              - { name: test, registries: [{ url: "https://test.example.test" }] }
            """)

    private static func edition(_ revision: String, _ more: String? = nil) -> PolicyEdition {
        PolicyEdition(
            revision: revision, files: [environments] + [more.map { PolicyFile(path: "x.yaml", text: $0) }].compactMap(\.self),
            commit: PolicyCommit(id: revision, author: "Alice", committedAt: Date(timeIntervalSince1970: 0), subject: "Change", signature: nil))
    }

    /// Hands out what it is told to.
    private final class Origin: PolicyOrigin {
        let next = Mutex<Result<PolicyEdition, PolicyOriginError>>(.failure(.unreachable("not there")))
        let asked = Mutex<[String?]>([])
        let place = PolicyPlace(kind: .git, location: "file:///p")

        func newest(known: String?, inForce: String?) async throws(PolicyOriginError) -> PolicyEdition? {
            asked.withLock { $0.append(inForce) }
            let result = next.withLock { $0 }
            if case .failure(.unacceptable(let revision, _, _)) = result, revision == known { return nil }
            let edition = try result.get()
            return edition.revision == known ? nil : edition
        }
    }

    private final class Records: PolicyRecords {
        let entries = Mutex<[AuditEntry]>([])
        let refused = Mutex<Set<String>>([])
        let stored = Mutex<StoredPolicy?>(nil)
        let isDown = Mutex(false)

        func adopt(_ policies: PolicySet, commit: PolicyCommit?, audit: AuditEntry) async throws(StoreError) -> Date {
            if isDown.withLock({ $0 }) { throw .unavailable("down") }
            entries.withLock { $0.append(audit) }
            return Date(timeIntervalSince1970: 1)
        }

        func inForce() async throws(StoreError) -> StoredPolicy? { stored.withLock { $0 } }

        func refuse(_ refusal: PolicyRefusal, audit: AuditEntry) async throws(StoreError) -> Bool {
            guard refused.withLock({ $0.insert(refusal.revision).inserted }) else { return false }
            entries.withLock { $0.append(audit) }
            return true
        }
    }

    private let origin = Origin()
    private let records = Records()
    private let notices = Notices()

    private final class Notices: Sendable {
        let seen = Mutex<[String]>([])
        func add(_ notice: PolicyNotice) {
            let word =
                switch notice {
                case .adopted(let set, _): "adopted \(set.version)"
                case .refused(let refusal): "refused \(refusal.revision)"
                case .unreachable: "unreachable"
                case .reachable: "reachable"
                case .unreadable: "unreadable"
                }
            seen.withLock { $0.append(word) }
        }
    }

    private func adoption() -> PolicyAdoption {
        PolicyAdoption(origin: origin, records: records, environs: Environs(now: { Date(timeIntervalSince1970: 5) }, newID: { UUID() })) { [notices] in notices.add($0) }
    }

    @Test func theLastGoodEditionStaysInForceWhateverComes() async throws {
        let policies = adoption()
        try await policies.look()
        await #expect(throws: PromotionFailure.self) { try await policies.current() }
        origin.next.withLock { $0 = .success(Self.edition("a1")) }
        try await policies.look()
        #expect(try await policies.current().version.description == "a1")
        origin.next.withLock { $0 = .success(Self.edition("b2", "version: 1\nkind: Policy\nmach: {}")) }
        for _ in 0..<3 { try await policies.look() }
        #expect(try await policies.current().version.description == "a1")
        #expect(await policies.refused().first?.file == "x.yaml")
        _ = try await policies.refresh(by: SubjectID(stored: "token:admin"))
        origin.next.withLock {
            $0 = .failure(.unacceptable(revision: "c3", commit: nil, mistakes: [PolicyDiagnostic(file: "c", line: 1, column: 1, problem: "unsigned", remedy: "sign")]))
        }
        for _ in 0..<3 { try await policies.look() }
        origin.next.withLock { $0 = .failure(.unreachable("gone")) }
        for _ in 0..<3 { try await policies.look() }
        let status = await policies.status
        #expect(status.inForce?.version.description == "a1" && status.refusal?.revision == "c3" && status.unreachable?.reason == "gone")
        origin.next.withLock { $0 = .success(Self.edition("d4")) }
        try await policies.look()
        let mended = await policies.status
        #expect(mended.inForce?.version.description == "d4" && mended.refusal == nil && mended.unreachable == nil)
        #expect(
            notices.seen.withLock { $0 } == [
                "unreachable", "reachable", "adopted a1", "refused b2", "refused c3", "unreachable", "reachable", "adopted d4",
            ])
        let acts = records.entries.withLock { $0.map { "\($0.action) \($0.policyVersion ?? "")" } }
        #expect(acts == ["policy.loaded a1", "policy.refused b2", "policy.refused ", "policy.loaded d4"])
        #expect(origin.asked.withLock { $0.last } == "a1", "who asks says what is in force")
    }

    @Test func aRestartGoesOnWithWhatWasInForce() async throws {
        records.stored.withLock { $0 = StoredPolicy(files: Self.edition("a1").files, commit: Self.edition("a1").commit, since: Date(timeIntervalSince1970: 3)) }
        let policies = adoption()
        try await policies.look()
        let status = await policies.status
        #expect(status.inForce?.version.description == "a1" && status.commit?.author == "Alice" && status.unreachable != nil)
        #expect(records.entries.withLock { $0.isEmpty })
    }

    /// What can't be written down does not happen, and is tried again.
    @Test func withoutItsEntryNothingIsAdopted() async throws {
        let policies = adoption()
        origin.next.withLock { $0 = .success(Self.edition("a1")) }
        records.isDown.withLock { $0 = true }
        await #expect(throws: PromotionFailure.self) { try await policies.look() }
        await #expect(throws: PromotionFailure.self) { try await policies.current() }
        records.isDown.withLock { $0 = false }
        try await policies.look()
        #expect(try await policies.current().version.description == "a1")
    }

    @Test func whoAskedIsWrittenDown() async throws {
        let policies = adoption()
        origin.next.withLock { $0 = .success(Self.edition("a1")) }
        _ = try await policies.refresh(by: SubjectID(stored: "token:admin"))
        let entry = try #require(records.entries.withLock { $0.first })
        #expect(entry.actor.id == "token:admin" && entry.actor.authentication == .token && entry.details["author"] == .string("Alice"))
    }
}
