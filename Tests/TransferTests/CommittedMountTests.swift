import Foundation
import OCI
import Registry
import Synchronization
import TestSupport
import Testing
import Transfer

/// A server that mounts only what a manifest refers to (ECR): whoever waits for a blob waits for somebody's manifest, and nobody in a circle.
@Suite(.inTurn, .serialized, .timeLimit(.minutes(5))) struct CommittedMountTests {
    private static func isBlobPut(_ request: PeerRequest) -> Bool { request.method == "PUT" && request.path.contains("/blobs/uploads/") }

    /// A real registry that refuses to mount from repositories without a manifest.
    private func withServer(
        hold: @escaping @Sendable (PeerRequest) -> Void = { _ in }, _ body: (Harness, DockerRegistry, ScriptedPeer, ProfileBook) async throws -> Void
    ) async throws {
        try await withRegistries(2) { harness, registries in
            let committed = Mutex<Set<String>>([])
            let proxy = try ScriptedPeer.before(registries[1]) { request, pass in
                hold(request)
                if let from = request.query("from").first, !committed.withLock({ $0.contains(from) }) {
                    var plain = request
                    plain.target = request.path
                    return .answer(try pass(plain))
                }
                let answer = try pass(request)
                if request.method == "PUT", request.path.contains("/manifests/"), answer.status == 201 {
                    let repository = String(request.path.dropFirst(4).prefix { $0 != "/" })
                    committed.withLock { _ = $0.insert(repository) }
                }
                return .answer(answer)
            }
            defer { proxy.stop() }
            var profile = RegistryProfile()
            profile.mount = .committed
            try await body(harness, registries[0], proxy, ProfileBook(probed: profile))
        }
    }

    private func copy(_ image: SampleImage, _ harness: Harness, _ source: DockerRegistry, _ proxy: ScriptedPeer, _ book: ProfileBook, _ name: String) async throws {
        let target = try harness.site(proxy.port, name, named: "ecr") { $0.book = book }
        _ = try await harness.engine.copy(image.digest, from: harness.site(source.port, name), to: [target], leavingRoot: true) { _ in }
    }

    @Test func theYoungerWaitsForTheOldersManifestAndMounts() async throws {
        let shared = SampleImage.bytes("shared", count: 100_000)
        let (old, young) = (SampleImage.single("old", layers: 1, shared: [shared]), SampleImage.single("young", layers: 1, shared: [shared]))
        let gate = Gate()
        defer { gate.open() }
        let isHeld = Collected<Bool>()
        try await withServer(hold: { request in
            // The older one stands before its manifest for a while: its blobs have arrived, and nothing refers to them.
            guard request.method == "PUT", request.path == "/v2/old/manifests/\(old.digest)" else { return }
            isHeld.append(true)
            gate.wait()
        }) { harness, source, proxy, book in
            try source.put(old, in: "old")
            try source.put(young, in: "young")
            async let first: Void = copy(old, harness, source, proxy, book, "old")
            try await eventually("the older one's manifest") { !isHeld.all.isEmpty }
            async let second: Void = copy(young, harness, source, proxy, book, "young")
            try await eventually("the younger one's own blobs") { proxy.requests.filter { Self.isBlobPut($0) && $0.path.hasPrefix("/v2/young/") }.count >= 2 }
            gate.open()
            _ = try await (first, second)
            let digest = Digest(hashing: shared).description
            #expect(proxy.requests.filter { Self.isBlobPut($0) && $0.query("digest") == [digest] }.count == 1)
            #expect(proxy.requests.filter { $0.query("mount") == [digest] && $0.query("from") == ["old"] }.count == 1)
        }
    }

    /// The older one's blob is in the younger one's hands: it does not wait for it.
    @Test func theOlderDoesNotWaitForTheYounger() async throws {
        let shared = SampleImage.bytes("shared", count: 100_000)
        let image = SampleImage.single("old", layers: 1, shared: [shared])
        try await withServer { harness, source, proxy, book in
            try source.put(image, in: "old")
            let server = try harness.site(proxy.port, "x").server
            let younger = try #require(UUID(uuidString: "FF000000-0000-7000-8000-000000000000"))
            _ = try await harness.memory.claim([Digest(hashing: shared)], server: server, by: younger, knownFor: .zero)
            let began = ContinuousClock.now
            try await copy(image, harness, source, proxy, book, "old")
            #expect(began.duration(to: .now) < .seconds(20))
            #expect(proxy.requests.filter { Self.isBlobPut($0) && $0.query("digest") == [Digest(hashing: shared).description] }.count == 1)
        }
    }

    /// Each holds what the other one needs: both come to an end.
    @Test func twoThatShareTwoBlobsDoNotWaitInACircle() async throws {
        let shared = ["a", "b"].map { SampleImage.bytes($0, count: 300_000) }
        let one = SampleImage.single("one", layers: 1, shared: shared)
        let two = SampleImage.single("two", layers: 1, shared: shared.reversed())
        try await withServer { harness, source, proxy, book in
            try source.put(one, in: "one")
            try source.put(two, in: "two")
            async let first: Void = copy(one, harness, source, proxy, book, "one")
            async let second: Void = copy(two, harness, source, proxy, book, "two")
            _ = try await (first, second)
            for blob in shared {
                let puts = proxy.requests.filter { Self.isBlobPut($0) && $0.query("digest") == [Digest(hashing: blob).description] }
                #expect((1...2).contains(puts.count))
            }
        }
    }

    /// The older one fails behind its blobs: nobody's manifest will refer to them, and the younger one brings its own.
    @Test func whoeverWaitedForOneThatFailedSendsItself() async throws {
        let shared = SampleImage.bytes("shared", count: 100_000)
        let young = SampleImage.single("young", layers: 1, shared: [shared])
        try await withServer { harness, source, proxy, book in
            try source.put(young, in: "young")
            let server = try harness.site(proxy.port, "x").server
            let older = try #require(UUID(uuidString: "00000000-0000-7000-8000-000000000000"))
            let digest = Digest(hashing: shared)
            _ = try await harness.memory.claim([digest], server: server, by: older, knownFor: .zero)
            async let copied: Void = copy(young, harness, source, proxy, book, "young")
            try await eventually("the younger one's own blobs") { proxy.requests.filter(Self.isBlobPut).count >= 2 }
            // It arrived, and then its sender gave up.
            try await harness.memory.record([.blob(digest)], server: server, repository: RepositoryName(parsing: "old"))
            try await harness.memory.release([digest], server: server, by: older)
            _ = try await copied
            #expect(proxy.requests.filter { Self.isBlobPut($0) && $0.query("digest") == [digest.description] }.count == 1)
        }
    }
}
