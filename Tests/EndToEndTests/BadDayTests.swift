import APIModel
import Foundation
import OCI
import TestSupport
import Testing

/// Registries that fail and lie. Each time: a definite end with a clear reason, the target's tag untouched, and a retry that works.
@Suite(.inTurn) struct BadDayTests {
    /// Where the harm is done.
    enum Side: Sendable { case source, target }

    struct Harm: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let side: Side
        let rule: FaultRule
        let kind: String
    }

    private static func answer(_ status: Int, _ code: String, _ fields: [HeaderField] = []) -> Fault {
        .answer(HTTPAnswer(status, fields, body: Array(#"{"errors":[{"code":"\#(code)","message":"said the registry"}]}"#.utf8)))
    }

    static let harms: [Harm] = [
        Harm(
            testDescription: "a flipped bit in a blob", side: .source, rule: FaultRule(.flipResponseByte(at: 70_000), methods: ["GET"], target: "/blobs/"),
            kind: "content-mismatch"),
        Harm(
            testDescription: "a flipped bit in a manifest", side: .source, rule: FaultRule(.flipResponseByte(at: 60), methods: ["GET"], target: "/manifests/sha256"),
            kind: "content-mismatch"),
        Harm(
            testDescription: "a blob that is always cut off", side: .source, rule: FaultRule(.cutResponse(afterBytes: 500), methods: ["GET"], target: "/blobs/"),
            kind: "registry-unavailable"),
        Harm(
            testDescription: "a blob that is gone", side: .source, rule: FaultRule(answer(404, "BLOB_UNKNOWN"), methods: ["GET"], target: "/blobs/"),
            kind: "content-missing"),
        Harm(
            testDescription: "a malformed manifest", side: .source,
            rule: FaultRule(.answer(HTTPAnswer(200, [], body: Array("{".utf8))), methods: ["GET"], target: "/manifests/sha256"), kind: "content-mismatch"),
        Harm(
            testDescription: "an oversized manifest", side: .source,
            rule: FaultRule(.answer(HTTPAnswer(200, [], body: Array(repeating: 32, count: 5 << 20))), methods: ["GET"], target: "/manifests/sha256"),
            kind: "malformed-content"),
        Harm(testDescription: "401 at the target", side: .target, rule: FaultRule(answer(401, "UNAUTHORIZED"), methods: ["POST", "PUT"]), kind: "registry-unauthorized"),
        Harm(testDescription: "403 at the target", side: .target, rule: FaultRule(answer(403, "DENIED"), methods: ["POST", "PUT"]), kind: "registry-forbidden"),
        Harm(testDescription: "404 at the target", side: .target, rule: FaultRule(answer(404, "NAME_UNKNOWN"), methods: ["POST", "PUT"]), kind: "content-missing"),
        Harm(testDescription: "429 at the target", side: .target, rule: FaultRule(answer(429, "TOOMANYREQUESTS"), methods: ["POST", "PUT"]), kind: "registry-rate-limited"),
        Harm(testDescription: "500 at the target", side: .target, rule: FaultRule(answer(500, "UNKNOWN"), methods: ["POST", "PUT"]), kind: "registry-unavailable"),
        Harm(testDescription: "503 at the target", side: .target, rule: FaultRule(answer(503, "UNAVAILABLE"), methods: ["POST", "PUT"]), kind: "registry-unavailable"),
        Harm(
            testDescription: "an upload that leads elsewhere", side: .target,
            rule: FaultRule(.rewriteResponseField("Location", "http://169.254.169.254/upload"), methods: ["POST"]), kind: "host-not-allowed"),
    ]

    @Test(arguments: harms) func endsClearlyAndCanBeRetried(_ harm: Harm) async throws {
        let lift = try await Lift.make(settings: ["SHIPLIFT_MAXIMUM_ATTEMPTS": "1"])
        let image = try ImageFixture.index(layers: [200_000], labels: Lift.labels)
        try await lift.shared.push(image, to: "dev/shop/api", tag: "1.0.0")
        let service = try await lift.start()
        let proxy = harm.side == .source ? lift.toShared : lift.toStaging
        proxy.add(harm.rule)
        let failed = try await lift.promote("shop/api:1.0.0", from: "dev", to: "staging")
        #expect(failed.state == "failed")
        #expect(failed.failure?.kind == harm.kind, "\(failed.failure?.message ?? "")")
        #expect(failed.failure?.registry == (harm.side == .source ? "dev" : "staging"))
        #expect(failed.failure?.message.contains("shop/api") == true)
        #expect(try await lift.staging.digest(of: "1.0.0", in: "staging/shop/api") == nil, "the tag is untouched")
        proxy.removeRules()
        let retried: PromotionResource = try await lift.json(["retry", failed.id, "--wait"])
        #expect(retried.state == "succeeded", "\(retried.failure?.message ?? "")")
        #expect(try await lift.staging.isComplete(image, in: "staging/shop/api"))
        #expect(try await lift.auditIsIntact())
        try await service.terminate()
    }

    /// What a tag names is read when the promotion is asked for: what can't be read is not accepted.
    @Test(arguments: [
        FaultRule(.flipResponseByte(at: 60), methods: ["GET"], target: "/manifests/1.0.0"),
        FaultRule(.answer(HTTPAnswer(200, [], body: Array("{".utf8))), methods: ["GET"], target: "/manifests/1.0.0"),
        FaultRule(.answer(HTTPAnswer(200, [], body: Array(repeating: 32, count: 5 << 20))), methods: ["GET"], target: "/manifests/1.0.0"),
    ]) func aSpoiltManifestBehindTheTagIsRefusedAtOnce(_ rule: FaultRule) async throws {
        let lift = try await Lift.make()
        let image = try ImageFixture.image(labels: Lift.labels)
        try await lift.shared.push(image, to: "dev/shop/api", tag: "1.0.0")
        let service = try await lift.start()
        lift.toShared.add(rule)
        let refused = try await lift.command("promote", "shop/api:1.0.0", "--from", "dev", "--to", "staging", "--wait")
        #expect(refused.status == .exited(4))
        #expect(refused.errors.contains("shop/api:1.0.0") && refused.errors.contains("dev"), "\(refused.errors)")
        #expect(try await lift.json(["promotions"], as: PageResource<PromotionResource>.self).items.isEmpty)
        lift.toShared.removeRules()
        #expect(try await lift.promote("shop/api:1.0.0", from: "dev", to: "staging").state == "succeeded")
        try await service.terminate()
    }

    @Test func aBlobThatBreaksOnceGoesOnWhereItBroke() async throws {
        let lift = try await Lift.make()
        let image = try ImageFixture.image(layers: [4 << 20], labels: Lift.labels)
        try await lift.shared.push(image, to: "dev/shop/api", tag: "1.0.0")
        lift.toShared.add(FaultRule(.cutResponse(afterBytes: 2 << 20), methods: ["GET"], target: "/blobs/\(image.blobs[0].digest)", times: 1))
        let service = try await lift.start()
        let end = try await lift.promote("shop/api:1.0.0", from: "dev", to: "staging")
        #expect(end.state == "succeeded" && end.attempts == 0)
        #expect(lift.toShared.requests("GET", "/blobs/\(image.blobs[0].digest)").last?.value("Range") != nil)
        try await service.terminate()
    }

    @Test func aRegistryThatIsDownIsSaidSo() async throws {
        let lift = try await Lift.make(settings: ["SHIPLIFT_MAXIMUM_ATTEMPTS": "1"])
        try await lift.shared.push(try ImageFixture.image(labels: Lift.labels), to: "dev/shop/api", tag: "1.0.0")
        let service = try await lift.start()
        try await lift.toStaging.goDown()
        let failed = try await lift.promote("shop/api:1.0.0", from: "dev", to: "staging")
        #expect(failed.state == "failed" && failed.failure?.kind == "registry-unavailable" && failed.failure?.registry == "staging")
        try await lift.toShared.goDown()
        let refused = try await lift.command("promote", "shop/api:1.0.0", "--from", "dev", "--to", "staging")
        #expect(refused.status == .exited(4) && refused.errors.contains("dev"), "the source is down: nothing is accepted that can't be resolved")
        try await lift.toShared.comeBack()
        try await lift.toStaging.comeBack()
        let retried: PromotionResource = try await lift.json(["retry", failed.id, "--wait"])
        #expect(retried.state == "succeeded")
        try await service.terminate()
    }

    @Test func aSourceTagThatMovesChangesNothing() async throws {
        let lift = try await Lift.make()
        let asked = try ImageFixture.image(layers: [50_000], labels: Lift.labels, seed: 1)
        try await lift.shared.push(asked, to: "dev/shop/api", tag: "main")
        lift.toStaging.add(FaultRule(.hold, methods: ["POST"], times: 1))
        let service = try await lift.start()
        let promotion = try await lift.request("shop/api:main", from: "dev", to: "staging")
        try await eventually("the copy to be under way") { lift.toStaging.held > 0 }
        try await lift.shared.push(try ImageFixture.image(layers: [50_000], labels: Lift.labels, seed: 2), to: "dev/shop/api", tag: "main")
        lift.toStaging.release()
        #expect(try await lift.end(of: promotion.id).state == "succeeded")
        #expect(try await lift.staging.digest(of: "main", in: "staging/shop/api") == asked.digest)
        try await service.terminate()
    }

    /// More is not accepted than may wait; what was accepted is done, and the refused one may come again.
    @Test func aFullQueueIsSaidSoAndLosesNothing() async throws {
        let lift = try await Lift.make(settings: ["SHIPLIFT_CONCURRENCY": "1", "SHIPLIFT_QUEUE_LIMIT": "1"])
        for number in 1...3 {
            try await lift.shared.push(try ImageFixture.image(labels: Lift.labels, seed: UInt64(number)), to: "dev/shop/api", tag: "1.0.\(number)")
        }
        lift.toStaging.add(FaultRule(.hold, methods: ["POST"], times: 1))
        let service = try await lift.start()
        let running = try await lift.request("shop/api:1.0.1", from: "dev", to: "staging")
        try await eventually("the first to be under way") { lift.toStaging.held > 0 }
        let waiting = try await lift.request("shop/api:1.0.2", from: "dev", to: "staging")
        let refused = try await lift.command("promote", "shop/api:1.0.3", "--from", "dev", "--to", "staging")
        #expect(refused.status == .exited(4))
        #expect(refused.errors.contains("1 promotions wait, the limit is 1"), "\(refused.errors)")
        lift.toStaging.release()
        for promotion in [running, waiting] { #expect(try await lift.end(of: promotion.id).state == "succeeded") }
        #expect(try await lift.promote("shop/api:1.0.3", from: "dev", to: "staging").state == "succeeded")
        try await service.terminate()
    }

    @Test func anImmutableTagIsNeverMoved() async throws {
        let lift = try await Lift.make()
        let first = try ImageFixture.image(labels: Lift.labels, seed: 1)
        try await lift.shared.push(first, to: "dev/shop/api", tag: "1.0.0")
        let service = try await lift.start()
        #expect(try await lift.promote("shop/api:1.0.0", from: "dev", to: "staging").state == "succeeded")
        try await lift.shared.push(try ImageFixture.image(labels: Lift.labels, seed: 2), to: "dev/shop/api", tag: "1.0.0")
        let denied = try await lift.promote("shop/api:1.0.0", from: "dev", to: "staging")
        #expect(denied.state == "denied" && denied.decision?.summary.contains("immutable") == true)
        #expect(try await lift.staging.digest(of: "1.0.0", in: "staging/shop/api") == first.digest)
        try await service.terminate()
    }

    @Test func whatACollectorTookIsBroughtAgain() async throws {
        let lift = try await Lift.make()
        let base = [BlobFixture(size: 300_000, seed: 5)]
        try await lift.shared.push(try ImageFixture.image(base: base, labels: Lift.labels, seed: 1), to: "dev/shop/api", tag: "1.0.0")
        let second = try ImageFixture.image(base: base, labels: Lift.labels, seed: 2)
        try await lift.shared.push(second, to: "dev/shop/api", tag: "1.1.0")
        let service = try await lift.start()
        #expect(try await lift.promote("shop/api:1.0.0", from: "dev", to: "staging").state == "succeeded")
        try await lift.staging.stop()
        try lift.staging.forget(base[0].digest, in: "staging/shop/api")
        try await lift.staging.startAgain()
        let end = try await lift.promote("shop/api:1.1.0", from: "dev", to: "staging")
        #expect(end.state == "succeeded", "\(end.failure?.message ?? "")")
        #expect(try await lift.staging.isComplete(second, in: "staging/shop/api"))
        try await service.terminate()
    }

    /// The target's tag is looked at while the source is asked: whoever asks for a promotion must not wait for a target that is silent.
    @Test func aSilentTargetDoesNotHoldUpWhoAsks() async throws {
        let lift = try await Lift.make()
        try await lift.shared.push(try ImageFixture.image(labels: Lift.labels), to: "dev/shop/api", tag: "1.0.0")
        lift.toStaging.add(FaultRule(.hold, methods: ["HEAD"], target: "/manifests/", times: 1))
        let service = try await lift.start()
        let began = ContinuousClock.now
        let promotion = try await lift.request("shop/api:1.0.0", from: "dev", to: "staging")
        let taken = ContinuousClock.now - began
        #expect(taken < .seconds(10), "\(taken): a request's own limit is longer")
        #expect(!lift.toStaging.requests("HEAD", "/manifests/").isEmpty)
        lift.toStaging.release()
        #expect(try await lift.end(of: promotion.id).state == "succeeded")
        try await service.terminate()
    }

    @Test func aCancelledPromotionLeavesTheTagAlone() async throws {
        let lift = try await Lift.make()
        try await lift.shared.push(try ImageFixture.image(layers: [2 << 20], labels: Lift.labels), to: "dev/shop/api", tag: "1.0.0")
        lift.toShared.add(FaultRule(.stallResponse(afterBytes: 1000), methods: ["GET"], target: "/blobs/"))
        let service = try await lift.start()
        let promotion = try await lift.request("shop/api:1.0.0", from: "dev", to: "staging")
        try await eventually("the copy to be under way") { !lift.toShared.requests("GET", "/blobs/").isEmpty }
        _ = try await lift.command("cancel", promotion.id)
        let end = try await lift.end(of: promotion.id)
        #expect(end.state == "cancelled")
        #expect(try await lift.staging.digest(of: "1.0.0", in: "staging/shop/api") == nil)
        #expect(try await lift.acts(of: promotion.id).contains("promotion.cancel-requested"))
        try await service.terminate()
    }

    @Test func noSecretIsEverWritten() async throws {
        let lift = try await Lift.make()
        try await lift.shared.push(try ImageFixture.image(labels: Lift.labels), to: "dev/shop/api", tag: "1.0.0")
        let service = try await lift.start()
        _ = try await lift.promote("shop/api:1.0.0", from: "dev", to: "staging")
        _ = try await lift.command("promote", "shop/none:1", "--from", "dev", "--to", "staging")
        let secret = try String(contentsOfFile: lift.folder.path("data/admin-token"), encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
        #expect(secret.hasPrefix("shp_"))
        #expect(try !service.errors().contains(secret), "the log")
        let name = try #require(lift.databaseURL.split(separator: "?").first?.split(separator: "/").last)
        let dump = try await Tool.check("/usr/bin/pg_dump", ["-h", lift.postgres.socketFolder, "-U", PostgresServer.superuser, String(name)])
        #expect(!dump.contains(secret), "the database")
        let mode = try FileManager.default.attributesOfItem(atPath: lift.folder.path("data/admin-token"))[.posixPermissions] as? Int
        #expect(mode == 0o600)
        try await service.terminate()
    }
}
