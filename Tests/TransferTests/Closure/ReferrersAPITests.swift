import Foundation
import OCI
import Registry
import TestSupport
import Testing

@testable import Transfer

/// Sources and targets that have the referrers API, as peers before a real registry: honest ones, and others.
@Suite(.inTurn, .serialized, .timeLimit(.minutes(15))) struct ReferrersAPITests {
    private let signed = SignedImage()

    /// A source and a target that have the API; the source with the signed image in it.
    private func withAPIs(
        source conduct: ReferrersAPI.Conduct = ReferrersAPI.Conduct(), target other: ReferrersAPI.Conduct = ReferrersAPI.Conduct(),
        _ body: (Harness, End, End) async throws -> Void
    ) async throws {
        try await withRegistries(2) { harness, registries in
            let apis = [ReferrersAPI(conduct), ReferrersAPI(other)]
            let peers = try zip(apis, registries).map { try $0.peer(before: $1) }
            defer { for peer in peers { peer.stop() } }
            try registries[0].put(signed.image, in: "dev/app", tag: "v1")
            for artifact in signed.all { try registries[0].put(artifact, in: "dev/app") }
            apis[0].list(signed.signature.document, under: signed.image.digest, artifactType: SignedImage.signatureType)
            apis[0].list(signed.sbom.document, under: signed.platforms[1].digest, artifactType: SignedImage.sbomType)
            apis[0].list(signed.sbomSignature.document, under: signed.sbom.digest, artifactType: SignedImage.signatureType)
            try await body(
                harness,
                End(api: apis[0], peer: peers[0], registry: registries[0], site: harness.site(peers[0].port, "dev/app", named: "dev")),
                End(api: apis[1], peer: peers[1], registry: registries[1], site: harness.site(peers[1].port, "app", named: "prod")))
        }
    }

    private struct End {
        let api: ReferrersAPI
        let peer: ScriptedPeer
        let registry: DockerRegistry
        let site: Site

        var asked: Int { peer.requests.filter { $0.path.contains("/referrers/") }.count }
        var tagsWritten: [String] { peer.requests.filter { $0.method == "PUT" && $0.path.contains("/manifests/sha256-") }.map(\.path) }
    }

    @Test func everythingTravelsAndNoTagIsWritten() async throws {
        try await withAPIs { harness, source, target in
            let knowledge = ReferrersKnowledge()
            let report = try await harness.carry(signed.image.digest, from: source.site, to: [target.site], knowledge: knowledge)
            for image in [signed.image] + signed.all { #expect(try target.registry.holds(image, in: "app")) }
            #expect(target.api.referrers(of: signed.image.digest) == [signed.signature.digest])
            #expect(target.api.referrers(of: signed.sbom.digest) == [signed.sbomSignature.digest])
            #expect(target.tagsWritten.isEmpty)
            #expect(report.targets[0].attachments.map(\.way) == [.api, .api, .api])
            #expect(knowledge.all.values.allSatisfy { $0 == .api })
        }
    }

    /// One request for each manifest that is asked about, and one for cosign's tags, which live beside the API.
    @Test(arguments: [true, false]) func itCostsOneRequestASubject(readsCosignTags: Bool) async throws {
        try await withAPIs { harness, source, target in
            let plain = SampleImage.single("plain")
            try source.registry.put(plain, in: "dev/app")
            _ = try await harness.copy(plain.digest, from: source.site, to: target.site)
            let knowledge = ReferrersKnowledge(.api, source.site, target.site)
            let report = try await harness.carry(
                plain.digest, from: source.site, to: [target.site], knowledge: knowledge, readsCosignTags: readsCosignTags)
            #expect(report.sourceRequests == ["get": readsCosignTags ? 2 : 1])
            #expect(report.targets[0].requests == [:])
        }
    }

    /// What the target says while it takes a referrer counts, where it is known to have the API.
    @Test func aTargetThatSaysItListsAReferrerIsNotAsked() async throws {
        try await withAPIs { harness, source, target in
            let knowledge = ReferrersKnowledge(.api, source.site, target.site)
            _ = try await harness.carry(signed.image.digest, from: source.site, to: [target.site], knowledge: knowledge)
            #expect(target.asked == 0)
        }
    }

    @Test func aTargetThatSaysNothingIsAsked() async throws {
        var silent = ReferrersAPI.Conduct()
        silent.saysSubject = false
        try await withAPIs(target: silent) { harness, source, target in
            let knowledge = ReferrersKnowledge(.api, source.site, target.site)
            _ = try await harness.carry(signed.image.digest, from: source.site, to: [target.site], knowledge: knowledge)
            #expect(target.asked == 3)
            #expect(target.tagsWritten.isEmpty)
        }
    }

    /// ECR said OCI-Subject before it had the API (sigstore-js #1183): the word alone is not believed.
    @Test func aTargetThatOnlySaysSoGetsATag() async throws {
        var boaster = ReferrersAPI.Conduct()
        boaster.isThere = false
        try await withAPIs(target: boaster) { harness, source, target in
            let knowledge = ReferrersKnowledge()
            _ = try await harness.carry(signed.image.digest, from: source.site, to: [target.site], knowledge: knowledge)
            #expect(try target.registry.listed(signed.image.digest, in: "app")?.map(\.digest) == [signed.signature.digest])
            #expect(knowledge.support(of: target.site.registryKey) == .tagSchema)
        }
    }

    @Test func aTargetThatTakesAReferrerAndHidesItIsNoSuccess() async throws {
        var hiding = ReferrersAPI.Conduct()
        hiding.saysSubject = false
        hiding.lists = false
        try await withAPIs(target: hiding) { harness, source, target in
            let error = await transferError { _ = try await harness.carry(signed.image.digest, from: source.site, to: [target.site]) }
            guard case .referrersNotListed(let place, let digests) = error else { throw Unexpected(error as Any) }
            #expect(place.registry == "prod")
            #expect(digests.count == 1)
            #expect(error?.isTransient == true)
        }
    }

    /// Harbor deletes what refers to an image together with the image.
    @Test func whatWasDeletedAtTheTargetBehindOurBackIsBroughtAgain() async throws {
        try await withAPIs { harness, source, target in
            let knowledge = ReferrersKnowledge(.api, source.site)
            _ = try await harness.carry(signed.image.digest, from: source.site, to: [target.site], knowledge: knowledge)
            try target.registry.send(PeerRequest("DELETE", "/v2/app/manifests/\(signed.signature.digest)"))
            let fresh = ReferrersAPI()
            fresh.list(signed.sbom.document, under: signed.platforms[1].digest)
            fresh.list(signed.sbomSignature.document, under: signed.sbom.digest)
            let peer = try fresh.peer(before: target.registry)
            defer { peer.stop() }
            // The same registry, so far as is remembered.
            try await harness.memory.record(
                (signed.image.manifests + signed.all.map(\.document)).map { .manifest($0.digest, blobs: []) },
                server: harness.site(peer.port, "app").server, repository: target.site.repository)
            let report = try await harness.carry(
                signed.image.digest, from: source.site, to: [harness.site(peer.port, "app", named: "prod")], knowledge: knowledge)
            #expect(try target.registry.holds(signed.signature, in: "app"))
            #expect(fresh.referrers(of: signed.image.digest) == [signed.signature.digest])
            #expect(report.targets[0].manifests == 1)
        }
    }

    @Test func pagesAndForeignEntriesAreReadToTheEnd() async throws {
        var paging = ReferrersAPI.Conduct()
        paging.pageSize = 1
        try await withAPIs(source: paging) { harness, source, target in
            let more = (0..<3).map { SignedImage.signature(of: signed.image, by: "signer \($0)") }
            let stranger = SignedImage.signature(of: .single("other"), by: "somebody")
            let gone = SignedImage.signature(of: signed.image, by: "gone")
            for artifact in more + [stranger] { try source.registry.put(artifact, in: "dev/app") }
            for artifact in [stranger, gone] + more { source.api.list(artifact.document, under: signed.image.digest) }
            let report = try await harness.carry(signed.image.digest, from: source.site, to: [target.site])
            #expect(Set(target.api.referrers(of: signed.image.digest)) == Set(([signed.signature] + more).map(\.digest)))
            #expect(report.closure?.remarks == [.notAReferrer(stranger.digest, of: signed.image.digest), .missing(gone.digest, of: signed.image.digest)])
            #expect(try target.registry.manifest("app", stranger.digest.description) == nil)
        }
    }

    @Test func tooManyReferrersAreRefusedBeforeAnythingMoves() async throws {
        try await withAPIs { harness, source, target in
            for number in 0..<3 {
                let signature = SignedImage.signature(of: signed.image, by: "signer \(number)")
                try source.registry.put(signature, in: "dev/app")
                source.api.list(signature.document, under: signed.image.digest)
            }
            for change in [\ClosureLimits.perSubject, \.listed] {
                var limits = ClosureLimits()
                limits[keyPath: change] = 3
                let error = await transferError { _ = try await harness.carry(signed.image.digest, from: source.site, to: [target.site], limits: limits) }
                guard case .closure(signed.image.digest, let reason) = error else { throw Unexpected(error as Any) }
                #expect(reason.contains("more than 3"))
            }
            #expect(target.peer.requests.isEmpty)
        }
    }

    @Test func aTypeThatIsNamedIsAskedForByName() async throws {
        try await withAPIs { harness, source, target in
            let type = try #require(ArtifactTypePattern(SignedImage.signatureType))
            _ = try await harness.carry(signed.image.digest, from: source.site, to: [target.site], .types([type]))
            let queries = source.peer.requests.filter { $0.path.contains("/referrers/") }.map { $0.query("artifactType") }
            #expect(!queries.isEmpty && queries.allSatisfy { $0 == [SignedImage.signatureType] })
            #expect(target.api.referrers(of: signed.image.digest) == [signed.signature.digest])
            #expect(try target.registry.manifest("app", signed.sbom.digest.description) == nil)
        }
    }

    /// One answer that denies the API is not enough to overlook signatures from now on.
    @Test func aRegistryThatHadTheAPIAndDeniesItIsAskedAnotherTime() async throws {
        try await withAPIs { harness, source, target in
            let knowledge = ReferrersKnowledge(.api, source.site)
            source.api.conduct.isThere = false
            let error = await transferError {
                _ = try await harness.carry(signed.image.digest, from: source.site, to: [target.site], knowledge: knowledge)
            }
            guard case .referrersUnsettled = error else { throw Unexpected(error as Any) }
            #expect(error?.isTransient == true)
            #expect(knowledge.support(of: source.site.registryKey) == nil)
            source.api.conduct.isThere = true
            let report = try await harness.carry(signed.image.digest, from: source.site, to: [target.site], knowledge: knowledge)
            #expect(report.closure?.referrers.count == 3)
        }
    }

    /// A registry that gets the API with its next version: then nobody keeps the tags any more.
    @Test func thatARegistryHasNoAPIIsNotBelievedForEver() async throws {
        try await withAPIs { harness, source, target in
            let knowledge = ReferrersKnowledge(known: [source.site.registryKey: .tagSchema], tagSchemaLife: .zero)
            let report = try await harness.carry(signed.image.digest, from: source.site, to: [target.site], knowledge: knowledge)
            #expect(report.closure?.referrers.count == 3)
            #expect(knowledge.support(of: source.site.registryKey) == .api)
        }
    }

    @Test func whatSaysNothingOfTheAPIIsNotLearned() async throws {
        try await withAPIs { harness, source, target in
            let unclear = try ScriptedPeer.before(source.registry) { request, pass in
                guard request.path.contains("/referrers/") else { return .answer(try pass(request)) }
                return .answer(PeerResponse(404, json: #"{"errors":[{"code":"NAME_UNKNOWN"}]}"#))
            }
            defer { unclear.stop() }
            try source.registry.attach([signed.signature], to: signed.image.digest, in: "dev/app")
            let knowledge = ReferrersKnowledge()
            let site = try harness.site(unclear.port, "dev/app")
            let report = try await harness.carry(signed.image.digest, from: site, to: [target.site], knowledge: knowledge)
            #expect(report.closure?.referrers.map(\.digest) == [signed.signature.digest])
            #expect(knowledge.support(of: site.registryKey) == nil)
        }
    }

    @Test func aSourceThatCanNotBeReadStopsEverything() async throws {
        try await withAPIs { harness, source, target in
            let broken = try ScriptedPeer.before(source.registry) { request, pass in
                request.path.contains("/referrers/") ? .answer(PeerResponse(403)) : .answer(try pass(request))
            }
            defer { broken.stop() }
            let site = try harness.site(broken.port, "dev/app")
            let error = await transferError { _ = try await harness.carry(signed.image.digest, from: site, to: [target.site]) }
            guard case .registry(.forbidden) = error else { throw Unexpected(error as Any) }
            #expect(target.peer.requests.isEmpty)
        }
    }
}

/// Tags at a source that lie.
@Suite(.inTurn, .serialized, .timeLimit(.minutes(15))) struct LyingTagTests {
    private let image = SampleImage.index([.single("a"), .single("b")])

    private func closure(_ prepare: (DockerRegistry, String) throws -> Void) async throws -> ClosureReport {
        try await withRegistries(2) { harness, registries in
            try registries[0].put(image, in: "app")
            try prepare(registries[0], Tag(referrersOf: image.digest).description)
            let report = try await harness.carry(
                image.digest, from: harness.site(registries[0].port, "app"), to: [harness.site(registries[1].port, "app")])
            #expect(try registries[1].holds(image, in: "app"))
            return try #require(report.closure)
        }
    }

    /// oras #2148: the children of the image were taken for its referrers.
    @Test func theImageItselfIsNoListOfReferrers() async throws {
        let report = try await closure { try $0.put(image.document, in: "app", as: $1) }
        #expect(report.referrers.isEmpty)
        guard case .noReferrersIndex(_, let reason)? = report.remarks.first, report.remarks.count == 1 else { throw Unexpected(report.remarks) }
        #expect(reason == "it is the subject \(image.digest) itself")
    }

    @Test func anotherImageIsNoListOfReferrers() async throws {
        let other = SampleImage.single("other")
        let report = try await closure { registry, tag in try registry.put(other, in: "app", tag: tag) }
        #expect(report.referrers.isEmpty)
        #expect(report.remarks.count == 1)
    }

    @Test func anIndexOfSomethingElseListsNoReferrers() async throws {
        let other = SampleImage.index([.single("c"), .single("d")])
        let report = try await closure { registry, tag in try registry.put(other, in: "app", tag: tag) }
        #expect(report.referrers.isEmpty)
        #expect(report.remarks == other.manifests.dropLast().map { .notAReferrer($0.digest, of: image.digest) })
    }

    @Test func anEmptyListIsAList() async throws {
        let report = try await closure { try $0.put(SampleImage.referrersIndex(of: []).document, in: "app", as: $1) }
        #expect(report.referrers.isEmpty && report.remarks.isEmpty)
    }
}
