import Foundation
import OCI
import Registry
import TestSupport
import Testing
import Transfer

/// Images that move with what speaks about them, between registries that have no referrers API.
@Suite(.inTurn, .serialized, .timeLimit(.minutes(15))) struct ClosureCopyTests {
    private let signed = SignedImage()

    /// Source and target of a promotion, the source with the signed image in it.
    private func withSigned(_ body: (Harness, DockerRegistry, Site, DockerRegistry, Site) async throws -> Void) async throws {
        try await withRegistries(2) { harness, registries in
            try registries[0].put(signed, in: "dev/app")
            try await body(
                harness, registries[0], harness.site(registries[0].port, "dev/app", named: "dev"), registries[1],
                harness.site(registries[1].port, "app", named: "prod"))
        }
    }

    @Test func whatSpeaksAboutAnImageTravelsWithItInEveryDepth() async throws {
        try await withSigned { harness, _, source, registry, target in
            let knowledge = ReferrersKnowledge()
            let report = try await harness.carry(signed.image.digest, from: source, to: [target], knowledge: knowledge)
            for image in [signed.image] + signed.all { #expect(try registry.holds(image, in: "app")) }
            #expect(try registry.manifest("app", "v1") == nil)
            #expect(knowledge.all == [source.registryKey: .tagSchema, target.registryKey: .tagSchema])
            // The lists at the target say what the manifests say, whatever the source's lists said.
            let list = try #require(try registry.listed(signed.image.digest, in: "app"))
            #expect(list.map(\.digest) == [signed.signature.digest])
            #expect(list[0].artifactType == SignedImage.signatureType)
            #expect(list[0].annotations == ["signer": "ci"])
            #expect(try registry.listed(signed.platforms[1].digest, in: "app")?.map(\.artifactType) == [SignedImage.sbomType])
            #expect(try registry.listed(signed.sbom.digest, in: "app")?.map(\.digest) == [signed.sbomSignature.digest])
            #expect(try registry.listed(signed.platforms[0].digest, in: "app") == nil)
            let closure = try #require(report.closure)
            #expect(closure.referrers.map(\.digest) == signed.all.map(\.digest))
            #expect(closure.referrers.map(\.depth) == [1, 1, 2])
            #expect(closure.remarks.isEmpty)
            #expect(report.targets[0].manifests == 3 + 3)
            #expect(Set(report.targets[0].attachments.map(\.subject)) == [signed.image.digest, signed.platforms[1].digest, signed.sbom.digest])
            #expect(report.targets[0].attachments.allSatisfy { $0.isWritten })
        }
    }

    @Test func aSecondTimeNothingIsWritten() async throws {
        try await withSigned { harness, _, source, _, target in
            let knowledge = ReferrersKnowledge()
            _ = try await harness.carry(signed.image.digest, from: source, to: [target], knowledge: knowledge)
            let again = try await harness.carry(signed.image.digest, from: source, to: [target], knowledge: knowledge)
            // One list of tags and the three lists of referrers; at the target, the three lists.
            #expect(again.sourceRequests == ["get": 4])
            #expect(again.targets[0].requests == ["get": 3])
            #expect(again.targets[0].manifests == 0)
            #expect(!again.targets[0].attachments.contains { $0.isWritten })
        }
    }

    @Test func everythingIsInPlaceBeforeTheTagMoves() async throws {
        try await withSigned { harness, _, source, registry, _ in
            let proxy = try ScriptedPeer.before(registry) { request, pass in .answer(try pass(request)) }
            defer { proxy.stop() }
            let target = try harness.site(proxy.port, "app")
            _ = try await harness.carry(signed.image.digest, from: source, to: [target])
            let written = proxy.requests.count
            _ = try await harness.engine.moveTag(
                try Tag(parsing: "v1"), to: signed.image.digest, at: target, seen: nil, deadline: .now + .seconds(20), meter: RequestMeter())
            let puts = proxy.requests.enumerated().filter { $1.method == "PUT" }
            let tag = try #require(puts.firstIndex(where: { $0.element.path.hasSuffix("/v1") }).map { puts[$0].offset })
            #expect(tag >= written)
            for name in signed.all.map(\.digest.description) + [Tag(referrersOf: signed.image.digest).description] {
                #expect(puts.contains { $0 < tag && $1.path.hasSuffix(name) })
            }
            // A subject is there before what speaks about it: Quay refuses it otherwise.
            let order = [signed.image, signed.signature, signed.sbomSignature].map { image in
                puts.last { $1.path.hasSuffix(image.digest.description) }?.offset ?? -1
            }
            #expect(order == order.sorted())
        }
    }

    /// Whoever speaks about the root follows it: it can't be left to its first tag then.
    @Test func aRootThatIsSpokenAboutIsNotLeftToItsTag() async throws {
        let plain = SampleImage.single("plain")
        try await withSigned { harness, from, source, registry, target in
            try from.put(plain, in: "dev/app")
            let options = CopyOptions(closure: ClosureOrder(.all, knowledge: ReferrersKnowledge()))
            for digest in [plain.digest, signed.image.digest] {
                _ = try await harness.engine.copy(digest, from: source, to: [target], options: options, leavingRoot: true) { _ in }
            }
            #expect(try registry.manifest("app", signed.image.digest.description) != nil)
            #expect(try registry.manifest("app", plain.digest.description) == nil)
        }
    }

    @Test func onOneServerReferrersAreMounted() async throws {
        try await withSigned { harness, source, from, _, _ in
            let report = try await harness.carry(signed.image.digest, from: from, to: [harness.site(source.port, "test/app", named: "dev")])
            for image in [signed.image] + signed.all { #expect(try source.holds(image, in: "test/app")) }
            #expect(report.sourceBytes == 0)
            #expect(try source.listed(signed.sbom.digest, in: "test/app")?.count == 1)
        }
    }

    @Test func inItsOwnRepositoryNothingMoves() async throws {
        try await withSigned { harness, source, from, _, _ in
            let before = try source.manifest("dev/app", Tag(referrersOf: signed.image.digest).description)
            let report = try await harness.carry(signed.image.digest, from: from, to: [from])
            #expect(report.targets[0].attachments.isEmpty)
            #expect(try source.manifest("dev/app", Tag(referrersOf: signed.image.digest).description) == before)
        }
    }

    @Test func onlyWhatIsSelectedTravels() async throws {
        try await withSigned { harness, _, source, registry, target in
            let spdx = try #require(ArtifactTypePattern("*spdx*"))
            let report = try await harness.carry(signed.image.digest, from: source, to: [target], .types([spdx]))
            #expect(report.closure?.referrers.map(\.digest) == [signed.sbom.digest])
            #expect(try registry.holds(signed.sbom, in: "app"))
            #expect(try registry.manifest("app", signed.signature.digest.description) == nil)
            #expect(try registry.listed(signed.image.digest, in: "app") == nil)
        }
    }

    @Test func noneCostsNothing() async throws {
        try await withSigned { harness, _, source, registry, target in
            let alone = try await harness.copy(signed.image.digest, from: source, to: target)
            let none = try await harness.carry(signed.image.digest, from: source, to: [harness.site(registry.port, "other", named: "prod")], .none)
            #expect(none.sourceRequests == [:])
            #expect(alone.targets[0].requests["get"] == nil && none.targets[0].requests["get"] == nil)
            #expect(none.closure?.referrers == [])
            let again = try await harness.carry(signed.image.digest, from: source, to: [target], .none)
            #expect(again.requests == 0)
        }
    }

    /// One list of tags, whatever the number of subjects.
    @Test func anImageWithoutReferrersCostsOneRequest() async throws {
        let plain = SampleImage.index([.single("plain a"), .single("plain b")])
        try await withSigned { harness, registry, source, _, target in
            try registry.put(plain, in: "dev/app")
            _ = try await harness.copy(plain.digest, from: source, to: target)
            let known = try await harness.carry(plain.digest, from: source, to: [target], knowledge: ReferrersKnowledge(.tagSchema, source))
            #expect(known.sourceRequests == ["get": 1])
            #expect(known.targets[0].requests == [:])
            // The API is asked for once and not again.
            let knowledge = ReferrersKnowledge()
            let first = try await harness.carry(plain.digest, from: source, to: [target], knowledge: knowledge)
            #expect(first.sourceRequests == ["get": 2])
            let second = try await harness.carry(plain.digest, from: source, to: [target], knowledge: knowledge)
            #expect(second.sourceRequests == ["get": 1])
        }
    }

    @Test func aPlanShowsReferrersAndChangesNothing() async throws {
        try await withSigned { harness, _, source, registry, target in
            let options = CopyOptions(closure: ClosureOrder(.all, knowledge: ReferrersKnowledge()))
            let (closure, plan) = try await harness.engine.plan(signed.image.digest, from: source, to: [target], options: options)
            #expect(closure.referrers.map(\.manifest.digest) == signed.all.map(\.digest))
            let digests = plan.targets[0].manifests.map(\.digest)
            #expect(Set(digests) == Set((signed.image.manifests + signed.all.flatMap(\.manifests)).map(\.digest)))
            #expect(try #require(digests.firstIndex(of: signed.image.digest)) < #require(digests.firstIndex(of: signed.signature.digest)))
            #expect(try registry.blob("app", signed.sbom.blobDigests[0]) == nil)
        }
    }

    // MARK: The target's own list

    @Test func theTargetsOwnListIsExtendedAndNotReplaced() async throws {
        let own = SignedImage.signature(of: signed.image, by: "production")
        try await withSigned { harness, _, source, registry, target in
            try registry.put(signed.image, in: "app")
            try registry.attach([own], to: signed.image.digest, in: "app")
            let report = try await harness.carry(signed.image.digest, from: source, to: [target])
            let list = try #require(try registry.listed(signed.image.digest, in: "app"))
            #expect(list.map(\.digest) == [own.digest, signed.signature.digest])
            #expect(list[0].annotations == ["listed": "yes"])
            let previous = SampleImage.referrersIndex(of: [own]).digest
            guard case .tag(_, previous, _, true)? = report.targets[0].attachments.first(where: { $0.subject == signed.image.digest })?.way else {
                throw Unexpected(report.targets[0].attachments)
            }
        }
    }

    /// distribution takes no index of which it misses an entry: a list in which something was deleted could never be extended.
    @Test func entriesWhoseManifestsAreGoneAreLeftOut() async throws {
        let own = (0..<3).map { SignedImage.signature(of: signed.image, by: "signer \($0)") }
        try await withSigned { harness, _, source, registry, target in
            try registry.put(signed.image, in: "app")
            try registry.attach(own, to: signed.image.digest, in: "app")
            try registry.send(PeerRequest("DELETE", "/v2/app/manifests/\(own[1].digest)"))
            _ = try await harness.carry(signed.image.digest, from: source, to: [target])
            #expect(try registry.listed(signed.image.digest, in: "app")?.map(\.digest) == [own[0].digest, own[2].digest, signed.signature.digest])
        }
    }

    /// Registries have no compare-and-set: another writer may put its list over ours.
    @Test func aListThatSomebodyElseOverwritesIsWrittenAgain() async throws {
        let own = SignedImage.signature(of: signed.image, by: "somebody else")
        let writes = Countdown(2)
        let name = Tag(referrersOf: signed.image.digest).description
        try await withSigned { harness, _, source, registry, _ in
            try registry.put(own, in: "app")
            let proxy = try ScriptedPeer.before(registry) { request, pass in
                let response = try pass(request)
                if request.method == "PUT", request.path.hasSuffix(name), writes.next() > 0 {
                    try registry.put(SampleImage.referrersIndex(of: [own]).document, in: "app", as: name)
                }
                return .answer(response)
            }
            defer { proxy.stop() }
            _ = try await harness.carry(signed.image.digest, from: source, to: [harness.site(proxy.port, "app")])
            #expect(try registry.listed(signed.image.digest, in: "app")?.map(\.digest) == [own.digest, signed.signature.digest])
        }
    }

    @Test func aListThatIsAlwaysOverwrittenIsGivenUp() async throws {
        let name = Tag(referrersOf: signed.image.digest).description
        try await withSigned { harness, _, source, registry, _ in
            let proxy = try ScriptedPeer.before(registry) { request, pass in
                let response = try pass(request)
                if request.method == "PUT", request.path.hasSuffix(name) {
                    try registry.put(SampleImage.referrersIndex(of: []).document, in: "app", as: name)
                }
                return .answer(response)
            }
            defer { proxy.stop() }
            let target = try harness.site(proxy.port, "app")
            let error = await transferError { _ = try await harness.carry(signed.image.digest, from: source, to: [target]) }
            guard case .referrersTagContended(let place) = error else { throw Unexpected(error as Any) }
            #expect(place.reference == name)
            #expect(error?.isTransient == true)
            #expect(proxy.requests.filter { $0.method == "PUT" && $0.path.hasSuffix(name) }.count == 5)
        }
    }

    /// Two at a time in one process: each reads the list, adds its own, writes it.
    @Test func twoWhoExtendOneListDoNotLoseEachOther() async throws {
        let signers = (0..<6).map { SignedImage.signature(of: signed.image, by: "signer \($0)") }
        try await withRegistries(2) { harness, registries in
            for (number, signature) in signers.enumerated() {
                try registries[0].put(signed.image, in: "team\(number)/app")
                try registries[0].attach([signature], to: signed.image.digest, in: "team\(number)/app")
            }
            let target = try harness.site(registries[1].port, "app")
            _ = try await harness.copy(signed.image.digest, from: harness.site(registries[0].port, "team0/app"), to: target)
            let knowledge = ReferrersKnowledge()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in signers.indices {
                    group.addTask {
                        let source = try harness.site(registries[0].port, "team\(number)/app")
                        _ = try await harness.carry(signed.image.digest, from: source, to: [target], knowledge: knowledge)
                    }
                }
                try await group.waitForAll()
            }
            #expect(Set(try #require(try registries[1].listed(signed.image.digest, in: "app")).map(\.digest)) == Set(signers.map(\.digest)))
        }
    }

    /// GitLab's registry answers this tag with the image itself: no list can be kept there.
    @Test func atATargetThatCanNotKeepAListThePromotionFails() async throws {
        try await withSigned { harness, _, source, registry, target in
            try registry.put(signed.image, in: "app")
            try registry.put(signed.image.document, in: "app", as: Tag(referrersOf: signed.image.digest).description)
            let error = await transferError { _ = try await harness.carry(signed.image.digest, from: source, to: [target]) }
            guard case .referrersTagTaken(let place, let reason) = error else { throw Unexpected(error as Any) }
            #expect(place.registry == "prod")
            #expect(reason.contains("is the subject"))
            #expect(error?.isTransient == false)
        }
    }

    @Test func aReferrerThatWasDeletedAtTheTargetIsBroughtAgain() async throws {
        try await withSigned { harness, _, source, registry, target in
            let knowledge = ReferrersKnowledge()
            _ = try await harness.carry(signed.image.digest, from: source, to: [target], knowledge: knowledge)
            try registry.send(PeerRequest("DELETE", "/v2/app/manifests/\(signed.signature.digest)"))
            let list = SampleImage.referrersIndex(of: [signed.signature]).digest
            let tag = Tag(referrersOf: signed.image.digest).description
            let current = try #require(try registry.manifest("app", tag))
            try registry.send(PeerRequest("DELETE", "/v2/app/manifests/\(Digest(hashing: current))"))
            #expect(list != Digest(hashing: current))
            let report = try await harness.carry(signed.image.digest, from: source, to: [target], knowledge: knowledge)
            #expect(try registry.holds(signed.signature, in: "app"))
            #expect(try registry.listed(signed.image.digest, in: "app")?.map(\.digest) == [signed.signature.digest])
            #expect(report.targets[0].manifests == 1)
        }
    }

    /// ECR answered 405 to some referrers; others refuse the tag that lists them.
    @Test(arguments: [true, false]) func aTargetThatRefusesReferrersFailsAndTheOtherDoesNot(refusesList: Bool) async throws {
        try await withSigned { harness, _, source, registry, _ in
            let refusing = try await DockerRegistry.start()
            defer { refusing.stop() }
            let name = refusesList ? Tag(referrersOf: signed.image.digest).description : signed.signature.digest.description
            let proxy = try ScriptedPeer.before(refusing) { request, pass in
                guard request.method == "PUT", request.path.hasSuffix(name) else { return .answer(try pass(request)) }
                return .answer(PeerResponse(405, json: #"{"errors":[{"code":"UNSUPPORTED","message":"no referrers here"}]}"#))
            }
            defer { proxy.stop() }
            let eu = try harness.site(proxy.port, "app", named: "eu")
            let us = try harness.site(registry.port, "app", named: "us")
            let error = await transferError { _ = try await harness.carry(signed.image.digest, from: source, to: [eu, us]) }
            guard case .registry(.refused(let place, let answer)) = error else { throw Unexpected(error as Any) }
            #expect(place.registry == "eu")
            #expect(answer.message == "no referrers here")
            #expect(try registry.holds(signed.sbomSignature, in: "app"))
            #expect(try registry.listed(signed.image.digest, in: "app")?.count == 1)
        }
    }
}
