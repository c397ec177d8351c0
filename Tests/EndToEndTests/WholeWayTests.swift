import APIModel
import Foundation
import OCI
import TestSupport
import Testing

/// The main job, as a user does it: the built command, real registries, a real PostgreSQL.
@Suite(.inTurn) struct WholeWayTests {
    @Test func anImageGoesTheWholeWayByDigest() async throws {
        let lift = try await Lift.make()
        let image = try ImageFixture.index(layers: [300_000, 70_000], labels: Lift.labels)
        try await lift.shared.push(image, to: "dev/shop/api", tag: "1.0.0")
        let service = try await lift.start()

        let inside = try await lift.promote("shop/api:1.0.0", from: "dev", to: "test")
        #expect(inside.state == "succeeded")
        let mounted = try #require(inside.report?.targets.first)
        #expect(mounted.copied.blobs == 0 && mounted.mounted.blobs == image.blobs.count, "inside one server everything is mounted")
        #expect(try await lift.shared.isComplete(image, in: "test/shop/api"))

        let across = try await lift.promote("shop/api:1.0.0", from: "test", to: "staging")
        #expect(across.report?.targets.first?.copied.bytes == Int64(image.size))
        #expect(try await lift.staging.isComplete(image, in: "staging/shop/api"))
        #expect(try await lift.staging.digest(of: "1.0.0", in: "staging/shop/api") == image.digest)
        let seen = try await Tool.check(
            "/usr/bin/skopeo", ["inspect", "--raw", "--tls-verify=false", "docker://\(lift.staging.host)/staging/shop/api:1.0.0"])
        #expect(Digest(hashing: Data(seen.utf8)) == image.digest, "another tool reads the same bytes")

        #expect(
            Set(try await lift.acts(of: across.id))
                == ["promotion.requested", "promotion.evaluating", "promotion.queued", "promotion.copying", "promotion.committing", "promotion.succeeded"])
        #expect(try await lift.auditIsIntact())
        try await service.terminate()
    }

    @Test func againCostsTwoRequestsAndAsksNoBlob() async throws {
        let lift = try await Lift.make()
        let image = try ImageFixture.image(layers: Array(repeating: 1_000, count: 50), labels: Lift.labels)
        try await lift.shared.push(image, to: "dev/shop/api", tag: "1.0.0")
        let service = try await lift.start()
        #expect(try await lift.promote("shop/api:1.0.0", from: "dev", to: "staging").state == "succeeded")
        lift.toShared.forgetRequests()
        lift.toStaging.forgetRequests()
        let again = try await lift.promote("shop/api:1.0.0", from: "dev", to: "staging")
        #expect(again.state == "succeeded")
        let requests = lift.toShared.requests() + lift.toStaging.requests()
        // A look at each tag, and a list of the source's tags for what refers to the image.
        #expect(requests.count <= 3, "\(requests.map { "\($0.method) \($0.target)" })")
        #expect(requests.filter { !$0.target.contains("/tags/list") }.count <= 2)
        #expect(requests.allSatisfy { !$0.target.contains("/blobs/") })
        #expect(again.report?.totalRequests == requests.count, "the report counts what the registries saw")
        try await service.terminate()
    }

    /// A signature in cosign's way and an SBOM in OCI's: both are at the target before the image's tag is.
    @Test func signaturesAndSBOMsGoWithTheImage() async throws {
        let lift = try await Lift.make()
        let image = try ImageFixture.index(labels: Lift.labels)
        try await lift.shared.push(image, to: "dev/shop/api", tag: "1.0.0")
        let hex = image.digest.hex
        let signature = try ImageFixture.image(layers: [300], seed: 900)
        try await lift.shared.push(signature, to: "dev/shop/api", tag: "sha256-\(hex).sig")
        let sbom = try ImageFixture.artifact(
            type: "application/spdx+json", about: image.root, content: [("application/spdx+json", BlobFixture(size: 900, seed: 901))])
        let list =
            #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"\#(sbom.root.mediaType)","#
            + #""digest":"\#(sbom.digest)","size":\#(sbom.root.bytes.count),"artifactType":"application/spdx+json"}]}"#
        let fallback = ImageFixture(
            root: ManifestFixture(mediaType: "application/vnd.oci.image.index.v1+json", bytes: Data(list.utf8)), children: [sbom])
        try await lift.shared.push(fallback, to: "dev/shop/api", tag: "sha256-\(hex)")
        let service = try await lift.start()
        let end = try await lift.promote("shop/api:1.0.0", from: "dev", to: "staging")
        #expect(end.state == "succeeded", "\(end.failure?.message ?? "")")
        #expect(end.report?.referrers == 2)
        #expect(try await lift.staging.digest(of: "sha256-\(hex).sig", in: "staging/shop/api") == signature.digest)
        #expect(try await lift.staging.isComplete(sbom, in: "staging/shop/api"))
        #expect(try await lift.staging.digest(of: "sha256-\(hex)", in: "staging/shop/api") != nil)
        let writes = lift.toStaging.requests("PUT", "/manifests/").map { $0.target.split(separator: "/").last.map(String.init) ?? "" }
        #expect(writes.last == "1.0.0", "the tag comes last: \(writes)")
        try await service.terminate()
    }

    /// A signature made after the promotion follows the image, and the log says so.
    @Test func lateEvidenceFollowsTheImage() async throws {
        let lift = try await Lift.make(settings: ["SHIPLIFT_EVIDENCE_SECONDS": "1"])
        let image = try ImageFixture.image(labels: Lift.labels)
        try await lift.shared.push(image, to: "dev/shop/api", tag: "1.0.0")
        let service = try await lift.start()
        let promoted = try await lift.promote("shop/api:1.0.0", from: "dev", to: "staging")
        #expect(promoted.report?.referrers == 0)
        let signature = try ImageFixture.image(layers: [300], seed: 910)
        let tag = "sha256-\(image.digest.hex).sig"
        try await lift.shared.push(signature, to: "dev/shop/api", tag: tag)
        try await eventually("the signature to follow", within: .seconds(30)) {
            try await lift.staging.digest(of: tag, in: "staging/shop/api") == signature.digest
        }
        try await eventually("the log to say so") { try await lift.acts(of: promoted.id).contains("evidence.carried") }
        // Looked at again, there is nothing to carry.
        try await Task.sleep(for: .seconds(3))
        #expect(try await lift.acts(of: promoted.id).filter { $0 == "evidence.carried" }.count == 1)
        #expect(try await lift.auditIsIntact())
        try await service.terminate()
    }

    /// A soak time: the promotion waits and goes on by itself when the time has come.
    @Test func aPromotionWaitsForItsSoakTimeAndGoesOnByItself() async throws {
        let lift = try await Lift.make()
        let image = try ImageFixture.image(labels: Lift.labels)
        try await lift.shared.push(image, to: "dev/shop/api", tag: "1.0.0")
        try lift.folder.write(
            """
            version: 1
            kind: Policy
            name: soak
            match: { images: ["shop/**"], from: test, to: staging }
            gates: [{ soak: { for: 6s } }]
            """, to: "policies/soak.yaml")
        let service = try await lift.start()
        #expect(try await lift.promote("shop/api:1.0.0", from: "dev", to: "test").state == "succeeded")
        let promotion = try await lift.request("shop/api:1.0.0", from: "test", to: "staging")
        try await eventually("the promotion to wait") { try await lift.json(["status", promotion.id], as: PromotionResource.self).state == "waiting" }
        let waiting: PromotionResource = try await lift.json(["status", promotion.id])
        #expect(waiting.decision?.gates.contains { $0.gate == "soak" && $0.outcome == "wait" && $0.reason.contains("6s") } == true)
        #expect(waiting.decision?.retryAt != nil)
        #expect(try await lift.staging.digest(of: "1.0.0", in: "staging/shop/api") == nil)
        let end = try await lift.end(of: promotion.id)
        #expect(end.state == "succeeded", "\(end.failure?.message ?? end.decision?.summary ?? "")")
        try await service.terminate()
    }

    @Test func aSharedBaseIsMountedWhicheverImageBroughtIt() async throws {
        let lift = try await Lift.make()
        let base = [BlobFixture(size: 400_000, seed: 77)]
        try await lift.shared.push(try ImageFixture.image(base: base, labels: Lift.labels, seed: 1), to: "dev/shop/web", tag: "1.0.0")
        try await lift.shared.push(try ImageFixture.image(base: base, labels: Lift.labels, seed: 2), to: "dev/shop/api", tag: "1.0.0")
        let service = try await lift.start()
        _ = try await lift.promote("shop/web:1.0.0", from: "dev", to: "staging")
        let second = try await lift.promote("shop/api:1.0.0", from: "dev", to: "staging")
        let target = try #require(second.report?.targets.first)
        #expect(target.mounted.bytes == 400_000)
        #expect(target.copied.bytes < 10_000)
        try await service.terminate()
    }

    @Test func theExitStatusIsWhatAPipelineBranchesOn() async throws {
        let lift = try await Lift.make()
        try await lift.shared.push(try ImageFixture.image(labels: Lift.labels), to: "dev/shop/api", tag: "1.0.0")
        try await lift.shared.push(try ImageFixture.image(), to: "dev/shop/bare", tag: "1.0.0")
        let service = try await lift.start()
        func status(_ arguments: String...) async throws -> TestSupport.ExitStatus {
            try await ShipliftProcess.run(
                arguments, environment: ["SHIPLIFT_URL": "http://127.0.0.1:\(lift.port)", "SHIPLIFT_TOKEN_FILE": lift.folder.path("data/admin-token")]
            ).status
        }
        #expect(try await status("promote", "shop/api:1.0.0", "--from", "dev", "--to", "test", "--wait") == .exited(0))
        #expect(try await status("promote", "shop/api:1.0.0", "--from", "dev", "--to", "test", "--dry-run") == .exited(0))
        #expect(try await status("promote", "shop/api", "--from", "dev", "--to", "test") == .exited(2))
        #expect(try await status("promote", "shop/api:1.0.0", "--from", "dev", "--to", "nowhere") == .exited(2))
        #expect(try await status("promote", "shop/api:1.0.0", "--from", "test", "--to", "dev", "--wait") == .exited(3), "no policy allows it")
        #expect(try await status("promote", "shop/bare:1.0.0", "--from", "dev", "--to", "test", "--wait") == .exited(3), "the label is missing")
        #expect(try await status("promote", "shop/api:9.9.9", "--from", "dev", "--to", "test", "--wait") == .exited(4))
        lift.toStaging.add(FaultRule(.hold, methods: ["PUT"]))
        #expect(try await status("promote", "shop/api:1.0.0", "--from", "dev", "--to", "staging", "--wait", "--timeout", "1") == .exited(5))
        lift.toStaging.removeRules()
        lift.toStaging.release()
        try await service.terminate()
    }

    @Test func aDryRunWritesNothingAnywhere() async throws {
        let lift = try await Lift.make()
        try await lift.shared.push(try ImageFixture.index(labels: Lift.labels), to: "dev/shop/api", tag: "1.0.0")
        let service = try await lift.start()
        let plan: DryRunResource = try await lift.json(["promote", "shop/api:1.0.0", "--from", "dev", "--to", "staging", "--dry-run"])
        #expect(plan.decision.outcome == "allow")
        #expect(plan.steps?.filter { $0.action == "copy" }.count == 6 && plan.steps?.filter { $0.action == "put" }.count == 3)
        #expect(lift.toStaging.requests().allSatisfy { $0.method == "HEAD" || $0.method == "GET" })
        let list: PageResource<PromotionResource> = try await lift.json(["promotions"])
        #expect(list.items.isEmpty)
        try await service.terminate()
    }

    /// Twenty tags of a new repository in one call: each has its end, one that does not exist harms none, and the base travels once.
    @Test func aBatchIsAsGoodAsItsItems() async throws {
        let lift = try await Lift.make()
        let base = [BlobFixture(size: 200_000, seed: 77)]
        let images = try (0..<20).map { try ImageFixture.image(layers: [1_000], base: base, labels: Lift.labels, seed: UInt64(100 + $0)) }
        for (index, image) in images.enumerated() { try await lift.shared.push(image, to: "dev/shop/many", tag: "1.0.\(index)") }
        let service = try await lift.start()
        let names = images.indices.map { "shop/many:1.0.\($0)" } + ["shop/many:none"]
        let batch: PromotionBatchResource = try await lift.json(["promote"] + names + ["--from", "dev", "--to", "staging", "--wait"])
        #expect(batch.items.map { $0.promotion?.state ?? "" } == Array(repeating: "succeeded", count: 20) + [""])
        #expect(batch.items.last?.status == 404)
        for (index, image) in images.enumerated() { #expect(try await lift.staging.digest(of: "1.0.\(index)", in: "staging/shop/many") == image.digest) }
        let puts = lift.toStaging.requests("PUT", base[0].digest.hex).count
        #expect(puts == 1, "the base was sent \(puts) times")
        // Looks at tags that are new: lists answer for most of them.
        #expect(lift.toStaging.requests("HEAD", "/manifests/").count < 20 + 20)
        try await service.terminate()
    }

    @Test func aRepeatedRequestIsOnePromotion() async throws {
        let lift = try await Lift.make()
        try await lift.shared.push(try ImageFixture.image(labels: Lift.labels), to: "dev/shop/api", tag: "1.0.0")
        let service = try await lift.start()
        let ids = try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    let made: PromotionResource = try await lift.json(
                        ["promote", "shop/api:1.0.0", "--from", "dev", "--to", "staging", "--wait", "--idempotency-key", "run-1"])
                    return made.id
                }
            }
            return try await group.reduce(into: Set<String>()) { $0.insert($1) }
        }
        #expect(ids.count == 1)
        let other = try await lift.command("promote", "shop/api:1.0.0", "--from", "dev", "--to", "test", "--idempotency-key", "run-1")
        #expect(other.status == .exited(2) && other.errors.contains("Idempotency-Key"))
        try await service.terminate()
    }

    @Test func aBadPolicyFileLeavesTheLastGoodOneInForce() async throws {
        let lift = try await Lift.make()
        try await lift.shared.push(try ImageFixture.image(labels: Lift.labels), to: "dev/shop/api", tag: "1.0.0")
        var service = try await lift.start()
        let before: EnvironmentsResource = try await lift.json(["environments"])
        try lift.folder.write("version: 1\nkind: Policy\nname: x\nmach: {}\n", to: "policies/x.yaml")
        let refused: EnvironmentsResource = try await eventualValue("the mistake to be shown") {
            let now: EnvironmentsResource = try await lift.json(["environments"])
            return now.refused.isEmpty ? nil : now
        }
        #expect(refused.refused.first?.hasPrefix("x.yaml:4:1: ") == true && refused.refused.first?.contains("'match'") == true)
        #expect(refused.policyVersion == before.policyVersion)
        try await service.terminate()
        service = try await lift.start()
        let after: EnvironmentsResource = try await lift.json(["environments"])
        #expect(after.policyVersion == before.policyVersion, "also after a restart")
        #expect(try await lift.promote("shop/api:1.0.0", from: "dev", to: "test").state == "succeeded")
        try await service.terminate()
    }
}
