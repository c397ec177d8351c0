import Foundation
import OCI
import Registry
import TestSupport
import Testing
import Transfer

/// The way that is chosen is the one that the registry's profile says; what is met on the way is learned.
@Suite(.inTurn, .serialized, .timeLimit(.minutes(15))) struct ProfileTests {
    private static let image = SampleImage.single("profile", layers: 2, layerBytes: 3_000_000)

    /// A copy into a real registry whose answers `change` may change; the target's book is shown, and how often each source blob was read.
    private func copying(
        _ image: SampleImage = image, _ profile: RegistryProfile = RegistryProfile(),
        _ change: @escaping @Sendable (PeerRequest, (PeerRequest) throws -> PeerResponse) throws -> ScriptedPeer.Reply?,
        _ body: (Harness, DockerRegistry, _ target: ScriptedPeer, _ source: ScriptedPeer, ProfileBook, TransferError?) async throws -> Void
    ) async throws {
        try await withRegistries(2) { harness, registries in
            try registries[0].put(image, in: "app")
            let proxy = try ScriptedPeer.before(registries[1]) { request, pass in try change(request, pass) ?? .answer(try pass(request)) }
            defer { proxy.stop() }
            let reading = try ScriptedPeer.before(registries[0]) { request, pass in .answer(try pass(request)) }
            defer { reading.stop() }
            let book = ProfileBook(configured: RegistryProfile(), probed: profile)
            let error = await transferError {
                _ = try await harness.copy(
                    image.digest, from: harness.site(reading.port, "app"),
                    to: harness.site(proxy.port, "app", named: "target") { $0.book = book })
            }
            try await body(harness, registries[1], proxy, reading, book, error)
        }
    }

    private static func profile(_ change: (inout RegistryProfile) -> Void) -> RegistryProfile {
        var profile = RegistryProfile()
        change(&profile)
        return profile
    }

    private static func isBlobPut(_ request: PeerRequest) -> Bool { request.method == "PUT" && request.path.contains("/blobs/uploads/") }

    /// What a registry with the single POST does with one.
    private static func singlePost(_ request: PeerRequest, _ pass: (PeerRequest) throws -> PeerResponse) throws -> PeerResponse {
        let opened = try pass(PeerRequest("POST", request.path, fields: [("content-type", "application/octet-stream")]))
        let digest = request.query("digest").first ?? ""
        return try pass(PeerRequest("PUT", "\(opened.locationPath)&digest=\(digest)", fields: [("content-type", "application/octet-stream")], body: request.body))
    }

    @Test func aSinglePostSavesARequestForEachBlob() async throws {
        try await copying(
            Self.image, Self.profile { $0.upload = .post },
            { request, pass in
                request.method == "POST" && !request.query("digest").isEmpty ? .answer(try Self.singlePost(request, pass)) : nil
            }
        ) { _, registry, target, _, _, error in
            #expect(error == nil)
            let isWhole = try registry.holds(Self.image, in: "app")
            #expect(isWhole)
            #expect(target.requests.filter { $0.method == "POST" }.count == 3)
            #expect(target.requests.filter(Self.isBlobPut).isEmpty)
        }
    }

    /// Large blobs would be lost whole with a POST that breaks.
    @Test func largeBlobsGetASessionAllTheSame() async throws {
        let image = SampleImage.single("large", layers: 1, layerBytes: 5_000_000)
        try await copying(
            image, Self.profile { $0.upload = .post },
            { request, pass in
                request.method == "POST" && !request.query("digest").isEmpty ? .answer(try Self.singlePost(request, pass)) : nil
            }
        ) { _, registry, target, _, _, error in
            #expect(error == nil)
            let isWhole = try registry.holds(image, in: "app")
            #expect(isWhole)
            #expect(target.requests.filter(Self.isBlobPut).count == 1)
        }
    }

    @Test func aRegistryThatForgotTheSinglePostIsServedAllTheSame() async throws {
        try await copying(Self.image, Self.profile { $0.upload = .post }, { _, _ in nil }) { _, registry, _, _, book, error in
            #expect(error == nil)
            let isWhole = try registry.holds(Self.image, in: "app")
            #expect(isWhole)
            #expect(book.profile.upload == .put)
        }
    }

    @Test func whereNothingIsMountedNobodyAsks() async throws {
        let image = SampleImage.single("no mounts", layers: 2)
        try await withRegistries(1) { harness, registries in
            try registries[0].put(image, in: "dev/app")
            let proxy = try ScriptedPeer.before(registries[0]) { request, pass in .answer(try pass(request)) }
            defer { proxy.stop() }
            let book = ProfileBook(probed: Self.profile { $0.mount = .never })
            let target = try harness.site(proxy.port, "test/app") { $0.book = book }
            let report = try await harness.copy(image.digest, from: harness.site(proxy.port, "dev/app"), to: target)
            #expect(report.targets[0].copied.blobs == 3)
            #expect(proxy.requests.allSatisfy { $0.query("mount").isEmpty })
            let isWhole = try registries[0].holds(image, in: "test/app")
            #expect(isWhole)
        }
    }

    /// "No such method" is met once; the next plan does without.
    @Test func aMountThatIsNoMethodIsRemembered() async throws {
        let images = ["a", "b"].map { SampleImage.single($0, layers: 1) }
        try await withRegistries(1) { harness, registries in
            for (number, image) in images.enumerated() { try registries[0].put(image, in: "dev/app\(number)") }
            let proxy = try ScriptedPeer.before(registries[0]) { request, pass in request.query("mount").isEmpty ? .answer(try pass(request)) : .answer(PeerResponse(405)) }
            defer { proxy.stop() }
            let book = ProfileBook()
            for (number, image) in images.enumerated() {
                let target = try harness.site(proxy.port, "test/app\(number)") { $0.book = book }
                _ = try await harness.copy(image.digest, from: harness.site(proxy.port, "dev/app\(number)"), to: target)
                let isWhole = try registries[0].holds(image, in: "test/app\(number)")
                #expect(isWhole)
            }
            #expect(proxy.requests.filter { !$0.query("mount").isEmpty }.count == 2)
        }
    }

    /// Only where an environment turned it on: other registries break over the name of a third one.
    @Test(arguments: [true, false]) func aMountNamesAnotherRegistryWhereThatIsTurnedOn(isOn: Bool) async throws {
        let image = SampleImage.single("elsewhere", layers: 1)
        try await copying(
            image, Self.profile { $0.origin = isOn },
            { request, pass in
                guard !request.query("mount").isEmpty else { return nil }
                var plain = request
                plain.target = request.path
                return .answer(try pass(plain))
            }
        ) { _, registry, target, source, _, error in
            #expect(error == nil)
            let isWhole = try registry.holds(image, in: "app")
            #expect(isWhole)
            let mounts = target.requests.filter { !$0.query("mount").isEmpty }
            #expect(mounts.count == (isOn ? 2 : 0))
            #expect(mounts.allSatisfy { $0.query("origin") == [source.host] && $0.query("from") == ["app"] })
        }
    }

    // MARK: Parts

    @Test func aBodyThatIsTooLargeGoesInSmallerParts() async throws {
        let limit = 300_000
        try await copying(Self.image, RegistryProfile(), { request, _ in request.body.count > limit ? .answer(PeerResponse(413)) : nil }) {
            harness, registry, target, source, book, error in
            #expect(error == nil)
            let isWhole = try registry.holds(Self.image, in: "app")
            #expect(isWhole)
            #expect(book.profile.chunkBytes == 256 << 10)
            let refused = target.requests.filter { $0.body.count > limit }.count
            #expect((2...4).contains(refused), "3 MB, then 1 MiB, of two layers at once")
            // What was learned holds for the next image.
            let next = SampleImage.single("next", layers: 1, layerBytes: 1_000_000)
            try registry.put(next, in: "other")
            let site = try harness.site(target.port, "app", named: "target") { $0.book = book }
            _ = try await harness.engine.copy(next.digest, from: harness.site(registry.port, "other"), to: [site]) { _ in }
            let isNextWhole = try registry.holds(next, in: "app")
            #expect(isNextWhole)
            #expect(target.requests.filter { $0.body.count > limit }.count == refused)
        }
    }

    @Test func aRegistryThatTakesNothingSaysSoInTheEnd() async throws {
        try await copying(Self.image, RegistryProfile(), { request, _ in request.body.count > 1_000 ? .answer(PeerResponse(413)) : nil }) { _, registry, target, _, _, error in
            guard case .registry(.refused(_, let answer)) = error else { throw Unexpected(error as Any) }
            #expect(answer.status == 413)
            #expect(target.requests.filter { $0.body.count > 1_000 }.count <= 12)
            let left = try registry.manifest("app", Self.image.digest.description)
            #expect(left == nil)
        }
    }

    @Test func wherePartsAreKnownNotToBeTakenNoneIsTried() async throws {
        try await copying(
            Self.image, Self.profile { $0.chunked = false }, { request, _ in request.body.count > 300_000 ? .answer(PeerResponse(413)) : nil }
        ) { _, _, target, _, book, error in
            guard case .registry(.refused(_, let answer)) = error else { throw Unexpected(error as Any) }
            #expect(answer.status == 413)
            #expect(target.requests.filter { $0.method == "PATCH" }.isEmpty && book.profile.chunkBytes == nil)
        }
    }

    @Test func whereAReferrersTagIsKnownToLieItIsNotRead() async throws {
        let tag = Tag(referrersOf: Self.image.digest)
        try await withRegistries(2) { harness, registries in
            try registries[0].put(Self.image, in: "app")
            try registries[0].put(SampleImage.single("no list", layers: 1, layerBytes: 1_000), in: "app", tag: tag.description)
            let source = try ScriptedPeer.before(registries[0]) { request, pass in
                request.path.contains("/referrers/") ? .answer(PeerResponse(404)) : .answer(try pass(request))
            }
            defer { source.stop() }
            for (lies, reads) in [(false, 1), (true, 0)] {
                let book = ProfileBook(configured: Self.profile { if lies { $0.fallbackTag = .lies } })
                let before = source.requests.count
                _ = try await harness.engine.copy(
                    Self.image.digest, from: harness.site(source.port, "app", named: "source-\(lies)") { $0.book = book },
                    to: [harness.site(registries[1].port, "app-\(lies)")], options: CopyOptions(closure: ClosureOrder(.all, knowledge: ReferrersKnowledge()))
                ) { _ in }
                let asked = source.requests[before...].filter { $0.path.hasSuffix("/manifests/\(tag)") }.count
                #expect(asked == reads, "lies: \(lies)")
            }
        }
    }

    @Test func whereNoTagMovesNoneIsTried() async throws {
        let (old, new) = (SampleImage.single("old", layers: 1, layerBytes: 1_000), SampleImage.single("new", layers: 1, layerBytes: 1_000))
        let tag = try Tag(parsing: "1.0")
        try await withRegistries(1) { harness, registries in
            try registries[0].put(old, in: "app", tag: "1.0")
            try registries[0].put(new, in: "app")
            let proxy = try ScriptedPeer.before(registries[0]) { request, pass in .answer(try pass(request)) }
            defer { proxy.stop() }
            let site = try harness.site(proxy.port, "app") { $0.book = ProfileBook(configured: Self.profile { $0.movableTags = false }) }
            let error = await transferError {
                _ = try await harness.engine.moveTag(tag, to: new.digest, at: site, seen: nil, deadline: .now + .seconds(20), meter: RequestMeter())
            }
            guard case .tagFixed(_, old.digest) = error else { throw Unexpected(error as Any) }
            #expect(proxy.requests.filter { $0.method == "PUT" }.isEmpty)
            // The same artifact, and a tag that is not there, are no moves.
            let same = try await harness.engine.moveTag(tag, to: old.digest, at: site, seen: nil, deadline: .now + .seconds(20), meter: RequestMeter())
            #expect(!same.written)
            let first = try await harness.engine.moveTag(
                Tag(parsing: "2.0"), to: new.digest, at: site, seen: nil, deadline: .now + .seconds(20), meter: RequestMeter())
            #expect(first.written)
        }
    }

    @Test(arguments: [405, 415]) func whereAPutTakesNoBodyAPatchDoes(status: Int) async throws {
        try await copying(Self.image, RegistryProfile(), { request, _ in Self.isBlobPut(request) && !request.body.isEmpty ? .answer(PeerResponse(status)) : nil }) {
            _, registry, target, _, book, error in
            #expect(error == nil)
            let isWhole = try registry.holds(Self.image, in: "app")
            #expect(isWhole)
            #expect(book.profile.upload == .patch)
            let patches = target.requests.filter { $0.method == "PATCH" }
            #expect(patches.count == 3 && patches.allSatisfy { $0["content-range"] == nil }, "a whole body says nothing of a part")
        }
    }

    @Test func anEnvironmentsWordStands() async throws {
        try await withRegistries(2) { harness, registries in
            try registries[0].put(Self.image, in: "app")
            let proxy = try ScriptedPeer.before(registries[1]) { request, pass in request.body.count > 300_000 ? .answer(PeerResponse(413)) : .answer(try pass(request)) }
            defer { proxy.stop() }
            let book = ProfileBook(configured: Self.profile { $0.chunkBytes = 1 << 20 })
            let error = await transferError {
                _ = try await harness.copy(
                    Self.image.digest, from: harness.site(registries[0].port, "app"), to: harness.site(proxy.port, "app") { $0.book = book })
            }
            guard case .registry(.refused(_, let answer)) = error else { throw Unexpected(error as Any) }
            #expect(answer.status == 413)
        }
    }

    // MARK: Going on

    /// The registry keeps what it got before the connection broke.
    @Test func anUploadThatBreaksGoesOnWhereTheSessionStands() async throws {
        let image = SampleImage.single("resumed", layers: 1, layerBytes: 4_000_000)
        let layer = image.blobDigests[1]
        let breaks = Countdown(1)
        let stands = Collected<String>()
        try await copying(
            image, RegistryProfile(),
            { request, pass in
                // This registry knows an upload by its last address only; others know it by any.
                if request.method == "GET", request.path.contains("/blobs/uploads/"), let place = stands.all.last {
                    return .answer(try pass(PeerRequest("GET", place, fields: [("host", request["host"] ?? "")])))
                }
                guard Self.isBlobPut(request), request.query("digest") == [layer.description], request.body.count > 3_000_000, breaks.next() > 0 else { return nil }
                let session = request.target.replacing("&digest=\(layer.description.replacing(":", with: "%3A"))", with: "")
                let kept = Array(request.body.prefix(2_500_000))
                stands.append(try pass(PeerRequest("PATCH", session, fields: [("content-type", "application/octet-stream")], body: kept)).locationPath)
                return .drop
            }
        ) { _, registry, target, source, _, error in
            #expect(error == nil)
            let isWhole = try registry.holds(image, in: "app")
            #expect(isWhole)
            let rest = target.requests.filter { $0.method == "PATCH" }
            #expect(rest.map { $0["content-range"] } == ["2500000-3999999"])
            #expect(rest.map(\.body.count) == [1_500_000])
            // The source is asked for no more than is missing, as far as the digest is known.
            let reads = source.requests.filter { $0.method == "GET" && $0.path.hasSuffix(layer.description) }.map { $0["range"] }
            #expect(reads.count == 2 && reads[0] == nil)
            let second = try #require(reads.last??.dropFirst(6).dropLast())
            #expect((Int(second) ?? 0) >= 2 << 20)
        }
    }

    /// In parts: the session says how many arrived.
    @Test func anUploadInPartsGoesOnBehindTheLastOneThatArrived() async throws {
        let breaks = Countdown(1)
        try await copying(
            Self.image, Self.profile { $0.chunkBytes = 1 << 20 },
            { request, _ in
                request["content-range"]?.hasPrefix("2097152-") == true && breaks.next() > 0 ? .drop : nil
            }
        ) { _, registry, target, _, _, error in
            #expect(error == nil)
            let isWhole = try registry.holds(Self.image, in: "app")
            #expect(isWhole)
            let bytes = target.requests.filter { $0.method == "PATCH" }.map(\.body.count).reduce(0, +)
            #expect(bytes == 6_000_000 + 3_000_000 - (2 << 20), "one part came twice")
        }
    }

    /// A registry that says nonsense about how far it is, or forbids the question: from the beginning, in a session of its own.
    @Test(arguments: ["0-9999999", "5-10", "bytes=0--1", "0-x", ""]) func nonsenseAboutAnUploadIsNotBelieved(range: String) async throws {
        let breaks = Countdown(1)
        try await copying(
            Self.image, RegistryProfile(),
            { request, _ in
                if request.method == "GET", request.path.contains("/blobs/uploads/") { return .answer(PeerResponse(204, ["Range": range])) }
                return Self.isBlobPut(request) && request.body.count > 1_000_000 && breaks.next() > 0 ? .drop : nil
            }
        ) { _, registry, target, _, _, error in
            #expect(error == nil)
            let isWhole = try registry.holds(Self.image, in: "app")
            #expect(isWhole)
            #expect(target.requests.filter { $0.method == "PATCH" }.isEmpty)
            #expect(Set(target.requests.filter(Self.isBlobPut).map(\.path)).count == 4)
        }
    }

    @Test func whereAnUploadCantBeGoneOnWithNobodyAsks() async throws {
        let breaks = Countdown(1)
        try await copying(
            Self.image, Self.profile { $0.resume = false },
            { request, _ in
                Self.isBlobPut(request) && request.body.count > 1_000_000 && breaks.next() > 0 ? .drop : nil
            }
        ) { _, registry, target, _, _, error in
            #expect(error == nil)
            let isWhole = try registry.holds(Self.image, in: "app")
            #expect(isWhole)
            #expect(!target.requests.contains { $0.method == "GET" && $0.path.contains("/blobs/uploads/") })
        }
    }

    // MARK: Tags and content

    @Test func aTagIsMovedOnCondition() async throws {
        let images = ["one", "two"].map { SampleImage.single($0, layers: 1) }
        try await withRegistries(1) { harness, registries in
            for image in images { try registries[0].put(image, in: "app") }
            let movesFirst = Countdown(1)
            let proxy = try ScriptedPeer.before(registries[0]) { request, pass in
                guard request.method == "PUT", request.path.hasSuffix("/manifests/latest") else { return .answer(try pass(request)) }
                // Somebody else is faster, and the registry heeds conditions.
                if movesFirst.next() > 0, let other = images[1].manifests.last { try registries[0].put(other, in: "app", as: "latest") }
                let isThere = try pass(PeerRequest("HEAD", request.target, fields: [("accept", MediaType.ociManifest.description)])).status == 200
                return .answer(request["if-none-match"] == "*" && isThere ? PeerResponse(412) : try pass(request))
            }
            defer { proxy.stop() }
            let site = try harness.site(proxy.port, "app") { $0.book = ProfileBook(probed: Self.profile { $0.conditionalPut = true }) }
            let tag = try OCI.Tag(parsing: "latest")
            let error = await transferError {
                _ = try await harness.engine.moveTag(tag, to: images[0].digest, at: site, seen: nil, deadline: .now + .seconds(20), meter: RequestMeter())
            }
            guard case .tagMoved(_, images[0].digest, images[1].digest) = error else { throw Unexpected(error as Any) }
            let left = try registries[0].manifest("app", "latest")
            #expect(left.map { Digest(hashing: $0) } == images[1].digest, "what others wrote stays")
        }
    }

    @Test func wrongContentIsNotReadAgainInOneCopy() async throws {
        let image = SampleImage.single("flipped", layers: 1, layerBytes: 200_000)
        try await withRegistries(2) { harness, registries in
            try registries[0].put(image, in: "app")
            let source = try ScriptedPeer.before(registries[0]) { request, pass in
                var answer = try pass(request)
                if request.path.hasSuffix(image.blobDigests[1].description) { answer.body[7] ^= 1 }
                return .answer(answer)
            }
            defer { source.stop() }
            let error = await transferError {
                _ = try await harness.copy(image.digest, from: harness.site(source.port, "app"), to: harness.site(registries[1].port, "app"))
            }
            guard case .registry(.contentMismatch) = error else { throw Unexpected(error as Any) }
            #expect(source.requests.filter { $0.path.hasSuffix(image.blobDigests[1].description) }.count == 1)
        }
    }
}
