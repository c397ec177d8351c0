import AuditLog
import Foundation
import OCI
import PolicyEngine
import PromotionCore
import Synchronization
import Testing

@Suite struct PromotionRunTests {
    private static let environments = """
        version: 1
        kind: Environments
        environments:
          - { name: dev, registries: [{ url: "https://dev.example.test", repository: "dev/{image}" }] }
          - { name: test, registries: [{ url: "https://test.example.test" }] }
        """
    private static let policy = """
        version: 1
        kind: Policy
        name: dev-to-test
        match: { images: ["shop/*"], from: dev, to: test }
        labels: { require: { org.opencontainers.image.source: "https://git.example.test/**" } }
        """

    private func promotion() throws -> Promotion {
        Promotion(
            id: PromotionID(UUID()), image: try ImageName(parsing: "shop/api"), from: try #require(EnvironmentName(parsing: "dev")),
            to: try #require(EnvironmentName(parsing: "test")), digest: Digest(hashing: Data("image".utf8)), sourceTag: try Tag(parsing: "1.0.0"),
            requestedTags: [], reason: nil, requestedBy: SubjectID(stored: "token:1"), requestID: nil, createdAt: Date())
    }

    private func run(
        _ store: InMemoryPromotions, registries: FakeRegistries = FakeRegistries(), transfer: FakeTransfer = FakeTransfer(), failures: Int = 0,
        interruption: Interruption = Interruption()
    ) async throws -> RunOutcome {
        let policies = FixedPolicies(
            set: try PolicySet(
                files: [PolicyFile(path: "environments.yaml", text: Self.environments), PolicyFile(path: "p.yaml", text: Self.policy)], commit: nil))
        let run = PromotionRun(
            store: store, queue: store, registries: registries, transfer: transfer, memory: NothingRemembered(), policies: policies,
            environs: Environs(now: { Date() }, newID: { UUID() }), backoff: Backoff(maximumAttempts: 3))
        return await run.run(
            LeasedPromotion(lease: store.lease, promotion: store.state.withLock { $0.promotion }, failures: failures),
            in: PromotionRun.Context(commitDeadline: { .now + .seconds(10) }, interruption: interruption, progress: { _ in }))
    }

    @Test func goesTheWholeWayAndWritesEachActOnce() async throws {
        let store = InMemoryPromotions(try promotion())
        #expect(try await run(store) == .settled(.succeeded))
        let state = store.state.withLock { $0 }
        #expect(state.moves == [.evaluating, .queued, .copying, .committing, .succeeded])
        #expect(state.audits.map(\.action) == state.moves.map { "promotion.\($0.rawValue)" })
        #expect(state.promotion.report?.totalRequests == 4, "deciding, copying and committing are all counted")
    }

    @Test func aDenialEndsItBeforeAnythingIsCopied() async throws {
        let store = InMemoryPromotions(try promotion())
        let transfer = FakeTransfer(onCopy: { Issue.record("copied although denied") })
        #expect(try await run(store, registries: FakeRegistries(labels: [:]), transfer: transfer) == .settled(.denied))
        #expect(store.state.withLock { $0.promotion.decision?.outcome } == .deny)
    }

    @Test func whatWaitsForAnothersTagsKeepsItsDecisionAndIsNoFailure() async throws {
        let store = InMemoryPromotions(try promotion())
        store.state.withLock { $0.tagsAreHeldBy = PromotionID(UUID()) }
        let transfer = FakeTransfer(onCopy: { Issue.record("copied although another one holds the tags") })
        #expect(try await run(store, transfer: transfer) == .interrupted)
        let state = store.state.withLock { $0 }
        #expect(state.moves == [.evaluating, .queued])
        #expect(state.promotion.decision?.outcome == .allow)
        #expect(state.givenBack.map(\.1) == [false])
    }

    @Test func factsThatCannotBeHadNeverPass() async throws {
        let store = InMemoryPromotions(try promotion())
        var registries = FakeRegistries()
        registries.failure = PromotionFailure(.registryForbidden, "no")
        #expect(try await run(store, registries: registries) == .settled(.failed))
        let gone = InMemoryPromotions(try promotion())
        #expect(try await run(gone, registries: FakeRegistries(isPresent: false)) == .settled(.failed))
        #expect(gone.state.withLock { $0.promotion.failure?.kind } == .imageNotFound)
    }

    @Test func aPassingFailureIsTriedAgainAndThenIsOne() async throws {
        let transfer = FakeTransfer(onCopy: { () throws(PromotionFailure) in
            throw PromotionFailure(.registryUnavailable, "down", isTransient: true, retryAfter: 30)
        })
        let store = InMemoryPromotions(try promotion())
        guard case .postponed = try await run(store, transfer: transfer) else { Issue.record("not postponed"); return }
        let state = store.state.withLock { $0 }
        #expect(state.moves.last == .queued)
        #expect(state.givenBack.count == 1 && state.givenBack[0].failed && state.givenBack[0].delay >= .seconds(30))
        #expect(try await run(store, transfer: transfer, failures: 2) == .settled(.failed))
    }

    /// Damaged on the way it arrives whole the second time; a third one would be the same wrong bytes.
    @Test func wrongContentIsTriedOnceMore() async throws {
        let transfer = FakeTransfer(onCopy: { () throws(PromotionFailure) in throw PromotionFailure(.contentMismatch, "other bytes", isTransient: true) })
        let store = InMemoryPromotions(try promotion())
        guard case .postponed = try await run(store, transfer: transfer) else { Issue.record("not postponed"); return }
        #expect(try await run(store, transfer: transfer, failures: 1) == .settled(.failed))
    }

    @Test func aLastingFailureIsFinalAtOnce() async throws {
        let transfer = FakeTransfer(onCommit: { () throws(PromotionFailure) in throw PromotionFailure(.tagConflict, "moved") })
        let store = InMemoryPromotions(try promotion())
        #expect(try await run(store, transfer: transfer) == .settled(.failed))
        #expect(store.state.withLock { $0.moves.last } == .failed)
    }

    @Test func aCancelStopsTheCopyAndIsWrittenDown() async throws {
        let interruption = Interruption()
        let stopped = Mutex(false)
        let transfer = FakeTransfer(onCopy: {
            interruption.interrupt(.cancelRequested)
            do { try await Task.sleep(for: .seconds(60)) } catch { stopped.withLock { $0 = true } }
        })
        let store = InMemoryPromotions(try promotion())
        #expect(try await run(store, transfer: transfer, interruption: interruption) == .settled(.cancelled))
        #expect(stopped.withLock { $0 }, "the copy itself was cancelled")
    }

    @Test func aStopHandsTheWorkBackWithoutAFailure() async throws {
        let interruption = Interruption()
        let transfer = FakeTransfer(onCopy: {
            interruption.interrupt(.shutdown)
            do { try await Task.sleep(for: .seconds(60)) } catch {}
        })
        let store = InMemoryPromotions(try promotion())
        #expect(try await run(store, transfer: transfer, interruption: interruption) == .interrupted)
        let state = store.state.withLock { $0 }
        #expect(state.promotion.state == .copying && state.givenBack.map(\.failed) == [false])
    }

    @Test func aWorkerWithoutItsLeaseWritesNothing() async throws {
        let store = InMemoryPromotions(try promotion())
        let transfer = FakeTransfer(onCopy: { store.state.withLock { $0.isLeaseLost = true } }, onCommit: { Issue.record("wrote a tag without a lease") })
        #expect(try await run(store, transfer: transfer) == .leaseLost)
        #expect(store.state.withLock { $0.moves.last } == .copying)
        #expect(store.state.withLock { $0.givenBack.isEmpty })
    }

    @Test func resumesWhereItStood() async throws {
        var half = try promotion()
        half.state = .committing
        let store = InMemoryPromotions(half)
        let transfer = FakeTransfer(onCopy: { Issue.record("copied again") })
        #expect(try await run(store, transfer: transfer) == .settled(.succeeded))
    }
}

@Suite struct PrincipalTests {
    @Test func promotersAreBoundToImagesAndEnvironments() throws {
        let test = try #require(EnvironmentName(parsing: "test"))
        let production = try #require(EnvironmentName(parsing: "production"))
        let api = try ImageName(parsing: "shop/api")
        func may(_ grant: Grant, _ image: ImageName, _ environment: EnvironmentName) -> Bool {
            Principal(subject: .service, name: "", grant: grant).mayPromote(image, to: environment)
        }
        let bound = Grant.promoter(images: ["shop/*"], environments: [test])
        #expect(may(bound, api, test))
        #expect(!may(bound, api, production))
        #expect(!may(bound, try ImageName(parsing: "shop/api/x"), test))
        #expect(!may(bound, try ImageName(parsing: "myshop/api"), test))
        #expect(!may(.promoter(images: ["["], environments: []), api, test), "a pattern that does not parse matches nothing")
        #expect(!may(.reader, api, test))
        #expect(may(.admin, api, production))
    }
}
