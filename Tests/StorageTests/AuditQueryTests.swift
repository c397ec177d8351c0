import AuditLog
import Foundation
import OCI
import PolicyEngine
import PromotionCore
import Storage
import TestSupport
import Testing

@Suite(.inTurn) struct AuditQueryTests {
    private func entry(_ action: String, at seconds: Double = 0, details: [String: JSONValue] = [:], reason: String? = nil) throws -> AuditEntry {
        try AuditEntry(
            id: UUID(), time: Date().addingTimeInterval(seconds), actor: AuditActor(id: "token:test", authentication: .token), action: action, outcome: .success,
            reason: reason, details: details)
    }

    private func ids(_ items: [ListedAct]) throws -> [UUID] { try items.map { try AuditEntry(canonical: $0.canonicalText).id } }

    private func found(_ fixture: StoreFixture, _ change: (inout AuditFilter) throws -> Void) async throws -> [UUID] {
        var filter = AuditFilter()
        try change(&filter)
        return try ids(try await fixture.trail.entries(filter, order: .newest, cursor: nil, limit: 50).items)
    }

    @Test func everyFieldFindsItsEntryAlone() async throws {
        let fixture = try await StoreFixture.make()
        let digest = Digest(hashing: Data("x".utf8))
        let wanted = try AuditEntry(
            id: UUID(), time: Date(), actor: AuditActor(id: "token:ann", authentication: .none), action: "promotion.denied", outcome: .denied,
            subject: AuditEntry.Subject(
                image: "shop/api", digest: digest.description, environment: "production", fromEnvironment: "staging", tags: ["1.0.0", "1"],
                promotionID: "01934c5e-0000-7000-8000-000000000001"),
            requestID: "r-1 \"ü\"", policyVersion: "sha256:abc", reason: "The Freeze of \"December\" 50% off_x")
        // Another that says the same words, but in another place.
        let decoy = try entry(
            "test.decoy",
            details: [
                "requestId": .string("r-1 \"ü\""), "tags": .array([.string("1.0.0")]), "fromEnvironment": .string("staging"), "policyVersion": .string("sha256:abc"),
                "actorAuth": .string("none"),
            ])
        for each in [wanted, decoy, try entry("test.other")] { try await fixture.trail.append(each) }
        let since = Date().addingTimeInterval(-3600)
        let questions: [(inout AuditFilter) throws -> Void] = [
            { $0.actor = SubjectID(stored: "token:ann") }, { $0.actions = ["promotion.denied"] }, { $0.actions = ["promotion.denied", "promotion.none"] }, { $0.outcome = .denied },
            { $0.image = try ImageName(parsing: "shop/api") }, { $0.digest = digest }, { $0.environment = EnvironmentName(parsing: "production") },
            { $0.promotion = PromotionID(parsing: "01934c5e-0000-7000-8000-000000000001") },
            { ($0.since, $0.actorAuthentication) = (since, AuditActor.Authentication.none) }, { ($0.since, $0.fromEnvironment) = (since, EnvironmentName(parsing: "staging")) },
            { ($0.since, $0.tag) = (since, try Tag(parsing: "1.0.0")) }, { ($0.since, $0.requestID) = (since, "r-1 \"ü\"") },
            { ($0.since, $0.policyVersion) = (since, "sha256:abc") },
            { ($0.since, $0.text) = (since, "freeze OF \"dec") }, { ($0.since, $0.text) = (since, "50% off_x") },
        ]
        for (number, question) in questions.enumerated() { #expect(try await found(fixture, question) == [wanted.id], "question \(number)") }
        #expect(try await found(fixture) { ($0.since, $0.text) = (since, "50_ off%x") } == [])
        #expect(try await found(fixture) { $0.until = since } == [])
    }

    @Test func pagesLeadInBothDirectionsWithoutSharingOrSkipping() async throws {
        let fixture = try await StoreFixture.make()
        try await fixture.append(30)
        for order in AuditOrder.allCases {
            var (pages, cursor): ([[UUID]], String?) = ([], nil)
            var last: AuditPage?
            repeat {
                let page = try await fixture.trail.entries(AuditFilter(), order: order, cursor: cursor, limit: 7)
                pages.append(try ids(page.items))
                (cursor, last) = (page.next, page)
            } while cursor != nil
            #expect(Set(pages.joined()).count == 31 && pages.map(\.count) == [7, 7, 7, 7, 3])
            var back: [[UUID]] = []
            var previous = last?.previous
            while let cursor = previous {
                let page = try await fixture.trail.entries(AuditFilter(), order: order, cursor: cursor, limit: 7)
                if !page.items.isEmpty { back.append(try ids(page.items)) }
                previous = page.previous
            }
            #expect(back.reversed() == Array(pages.dropLast()))
        }
        // A cursor belongs to its question.
        let cursor = try await fixture.trail.entries(AuditFilter(), order: .newest, cursor: nil, limit: 7).next
        await #expect(throws: StoreError.invalidCursor) { _ = try await fixture.trail.entries(AuditFilter(), order: .oldest, cursor: cursor, limit: 7) }
    }

    /// An entry that is committed late has an earlier time; whoever follows still gets it, once.
    @Test func followingLeavesNothingOut() async throws {
        let fixture = try await StoreFixture.make()
        try await fixture.append(5)
        _ = try await fixture.trail.sequence(signer: nil)
        var position = try #require(try await fixture.trail.entries(AuditFilter(), order: .newest, cursor: nil, limit: 1).position)
        #expect(position == 5)
        var filter = AuditFilter()
        filter.actions = ["test.late", "test.wanted"]
        let late = try entry("test.late", at: -600)
        let wanted = try entry("test.wanted")
        var seen: [UUID] = []
        for each in [wanted, try entry("test.other"), late] {
            try await fixture.trail.append(each)
            _ = try await fixture.trail.sequence(signer: nil)
            let page = try await fixture.trail.entries(filter, after: position, limit: 100)
            seen += try ids(page.items)
            position = try #require(page.position)
        }
        #expect(seen == [wanted.id, late.id] && position == 8)
    }

    @Test func aStreamIsTheWholeQuestion() async throws {
        let fixture = try await StoreFixture.make()
        try await fixture.append(25)
        _ = try await fixture.trail.sequence(signer: nil)
        var filter = AuditFilter()
        filter.actor = SubjectID(stored: "token:test")
        var items: [ListedAct] = []
        try await fixture.trail.stream(filter, order: .oldest) { items.append($0) }
        #expect(items.map(\.index) == Array(0...25).map { Int64($0) })
        #expect(items.allSatisfy { MerkleHash(leaf: $0.canonicalText.utf8) == $0.leafHash })
        filter.actions = ["test.act-3"]
        items = []
        try await fixture.trail.stream(filter, order: .newest) { items.append($0) }
        #expect(items.count == 1)
    }
}
