import Foundation
import OCI
import TestSupport
import Testing

@testable import Transfer

/// What belongs to a closure, and where it ends: nobody is asked.
struct ClosureGatheringTests {
    private let image = SampleImage.index([.single("a"), .single("b")])

    private func tree(_ image: SampleImage) throws -> ManifestTree {
        let manifests = try image.manifests.map { try Manifest(bytes: $0.bytes, servedAs: nil, expected: nil) }
        return ManifestTree(manifests: manifests, root: try #require(manifests.last))
    }

    private func signature(_ name: String, of subject: SampleImage) -> SampleImage { SignedImage.signature(of: subject, by: name) }

    private func gathering(_ change: (inout ClosureLimits) -> Void = { _ in }, _ selection: ReferrerSelection = .all) throws -> ClosureGathering {
        var limits = ClosureLimits()
        change(&limits)
        return ClosureGathering(image: try tree(image), selection: selection, limits: limits)
    }

    private func offer(_ artifact: SampleImage, of subject: Digest, link: ReferrerLink = .subject) throws -> OfferedReferrer {
        OfferedReferrer(subject: subject, link: link, digest: artifact.digest, tree: try tree(artifact))
    }

    @Test func itBeginsWithTheRootAndEveryPlatform() throws {
        #expect(try gathering().firstSubjects == image.manifests.reversed().map(\.digest))
        #expect(try gathering({ $0.depth = 0 }).firstSubjects == [])
        #expect(try gathering({ _ in }, .none).firstSubjects == [])
        #expect(throws: TransferError.self) { try gathering({ $0.subjects = 2 }).firstSubjects }
    }

    @Test func whatWasFoundIsAskedAboutUntilTheDepthIsReached() throws {
        var gathering = try gathering { $0.depth = 2 }
        let first = signature("first", of: image)
        let second = signature("second", of: first)
        try gathering.take(offer(first, of: image.digest))
        #expect(try gathering.descend() == [first.digest])
        try gathering.take(offer(second, of: first.digest))
        #expect(try gathering.descend() == [])
        #expect(gathering.closure.referrers.map(\.depth) == [1, 2])
        #expect(gathering.closure.levels.map { $0.manifests.map(\.digest) } == [[first.digest], [second.digest]])
        #expect(gathering.closure.whole.manifests.map(\.digest) == image.manifests.map(\.digest) + [first.digest, second.digest])
        #expect(gathering.closure.whole.root.digest == image.digest)
    }

    /// A registry can list what it likes; only the manifest itself says what it speaks about.
    @Test func whoeverSpeaksAboutSomethingElseIsNoReferrer() throws {
        var gathering = try gathering()
        let stranger = signature("ci", of: .single("other"))
        try gathering.take(offer(stranger, of: image.digest))
        try gathering.take(offer(image, of: image.digest))
        #expect(gathering.closure.referrers.isEmpty)
        #expect(gathering.closure.remarks == [.notAReferrer(stranger.digest, of: image.digest), .notAReferrer(image.digest, of: image.digest)])
    }

    @Test func whatIsListedAndNotThereIsRemarked() throws {
        var gathering = try gathering()
        let gone = Digest(hashing: Data("gone".utf8))
        for _ in 0..<2 { try gathering.take(OfferedReferrer(subject: image.digest, link: .subject, digest: gone, tree: nil)) }
        #expect(gathering.closure.remarks == [.missing(gone, of: image.digest)])
        #expect(try gathering.descend() == [])
    }

    /// `subject` fields are hashes and make no circle; tags can.
    @Test func aCircleOfTagsIsWalkedOnce() throws {
        var gathering = try gathering { $0.depth = 100 }
        let one = SampleImage.cosignSignature(of: image.digest, by: ["one"])
        let two = SampleImage.cosignSignature(of: one.digest, by: ["two"])
        func link(_ subject: Digest) throws -> ReferrerLink { .cosign(try #require(CosignTag(.signatures, of: subject))) }
        try gathering.take(offer(one, of: image.digest, link: link(image.digest)))
        #expect(try gathering.descend() == [one.digest])
        try gathering.take(offer(two, of: one.digest, link: link(one.digest)))
        #expect(try gathering.descend() == [two.digest])
        try gathering.take(offer(one, of: two.digest, link: link(two.digest)))
        try gathering.take(offer(image, of: two.digest, link: link(two.digest)))
        #expect(try gathering.descend() == [])
        // The tags that make the circle travel; the manifests travel once.
        #expect(gathering.closure.referrers.count == 4)
        #expect(gathering.closure.levels.flatMap(\.manifests).map(\.digest) == [one.digest, two.digest])
    }

    @Test func theSameReferrerUnderTwoListsIsTakenOnce() throws {
        var gathering = try gathering { $0.perSubject = 1 }
        let only = signature("ci", of: image)
        for _ in 0..<3 { try gathering.take(offer(only, of: image.digest)) }
        #expect(gathering.closure.referrers.count == 1)
    }

    @Test func moreThanTheLimitIsRefusedAndNotCutOff() throws {
        let signatures = (0..<3).map { signature("\($0)", of: image) }
        func fill(_ change: (inout ClosureLimits) -> Void, _ selection: ReferrerSelection = .all) throws {
            var gathering = try gathering(change, selection)
            for signature in signatures { try gathering.take(offer(signature, of: image.digest)) }
            _ = try gathering.descend()
        }
        #expect(throws: TransferError.closure(subject: image.digest, reason: "more than 2 referrers would travel with it")) { try fill { $0.perSubject = 2 } }
        #expect(throws: TransferError.closure(subject: image.digest, reason: "its referrers have more than 2 manifests")) { try fill { $0.manifests = 2 } }
        #expect(throws: TransferError.self) { try fill { $0.manifestBytes = signatures[0].document.bytes.count * 2 } }
        #expect(throws: TransferError.self) { try fill { $0.subjects = 2 } }
        try fill {
            $0.perSubject = 3; $0.manifests = 3
        }
        // What is not selected does not count.
        try fill({ $0.perSubject = 0 }, .types([try #require(ArtifactTypePattern("application/other"))]))
    }

    /// BuildKit's attestations can stand in the index and have a subject too.
    @Test func aReferrerThatTheImageHoldsIsTiedAndNotBroughtTwice() throws {
        let platform = SampleImage.single("amd64")
        let attestation = signature("buildkit", of: platform)
        let index = SampleImage.index(of: [(platform, ""), (attestation, "")])
        var gathering = ClosureGathering(image: try tree(index), selection: .all, limits: ClosureLimits())
        try gathering.take(offer(attestation, of: platform.digest))
        #expect(try gathering.descend() == [])
        #expect(gathering.closure.levels.isEmpty)
        #expect(gathering.closure.bySubject.map(\.subject) == [platform.digest])
    }
}
