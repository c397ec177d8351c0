import APIModel
import Foundation
import OCI
import TestSupport
import Testing

/// What is where, on four real registries: scans, the state at a time, differences, drift, the way back.
@Suite(.inTurn) struct InventoryTests {
    private func image(_ seed: UInt64, _ labels: [String: String] = [:]) throws -> ImageFixture {
        try ImageFixture.image(layers: [600], labels: labels, seed: seed)
    }

    @Test func aScanKnowsWhatTheRegistryHasAndASecondOneCostsAHeadATag() async throws {
        let quay = try await Quay.make()
        let dev = try quay.registry("dev")
        // Two repositories with 60 tags each over few artifacts.
        for name in ["shop/api", "tools/lint"] {
            for artifact in 0..<3 {
                let fixture = try image(UInt64(artifact) + (name == "shop/api" ? 0 : 100), ["org.opencontainers.image.revision": "r\(artifact)"])
                try await dev.push(fixture, to: "dev/\(name)", tag: "a\(artifact)")
                for number in 0..<19 { try await dev.push(fixture.root, to: "dev/\(name)", as: "a\(artifact)-\(number)") }
            }
        }
        let service = try await quay.start()
        let first = try await quay.scan("dev")
        #expect(first.state == "succeeded" && first.counts.tags == 120 && first.counts.new == 120 && first.counts.repositories == 2, "\(first)")
        #expect(first.counts.artifacts == 6)
        let truth = try await quay.truth("dev", images: ["shop/api", "tools/lint"])
        #expect(try await quay.inventory("dev") == truth)
        let asked = try await dev.requests().count
        #expect(asked == first.counts.requests, "the scan counts what the registry saw")
        #expect(asked <= 120 + 6 + 3, "a manifest each, a configuration for each artifact, two lists and the catalog: \(asked)")

        let second = try await quay.scan("dev")
        let again = try await dev.requests().dropFirst(asked)
        #expect(second.counts.new == 0 && second.counts.moved == 0 && second.counts.gone == 0 && second.counts.tags == 120)
        #expect(Double(again.count) / 120 <= 1.05, "\(again.count) requests for 120 tags")
        #expect(again.filter { $0.path.contains("/manifests/") }.allSatisfy { $0.method == "HEAD" }, "an unchanged tag costs no body")

        try await quay.untag("shop/api", "a0-3", in: "dev")
        try await dev.push(try image(7), to: "dev/shop/api", tag: "a1-4")
        try await dev.push(try image(8), to: "dev/shop/new", tag: "1")
        let third = try await quay.scan("dev")
        #expect(third.counts.new == 1 && third.counts.moved == 1 && third.counts.gone == 1, "\(third.counts)")
        #expect(try await quay.inventory("dev") == quay.truth("dev", images: ["shop/api", "tools/lint", "shop/new"]))
        try await service.terminate()
    }

    /// A scan that dies is gone on with behind the repository that was done last.
    @Test func aScanThatDiesIsGoneOnWith() async throws {
        let quay = try await Quay.make()
        let dev = try quay.registry("dev")
        for number in 0..<30 { try await dev.push(try image(UInt64(number)), to: "dev/app/n\(number)", tag: "1") }
        let service = try await quay.start()
        let asked: InventoryScanResource = try await quay.json("scan", "dev")
        try await eventually("the scan to be under way", within: .seconds(20)) {
            let scans: PageResource<InventoryScanResource> = try await quay.json("scan")
            return scans.items.contains { $0.id == asked.id && $0.counts.repositories > 0 }
        }
        try await service.kill9()
        let before = try await dev.requests().count
        let anew = try await quay.start()
        try await eventually("the scan to end", within: .seconds(100)) {
            let scans: PageResource<InventoryScanResource> = try await quay.json("scan")
            return scans.items.contains { $0.id == asked.id && $0.state == "succeeded" }
        }
        #expect(try await quay.inventory("dev").count == 30)
        #expect(before > 0)
        try await anew.terminate()
    }

    @Test func fortyImagesInFourEnvironmentsAndTheWayBack() async throws {
        let quay = try await Quay.make(["production": "drift: restore"])
        let dev = try quay.registry("dev")
        let names = (0..<40).map { "shop/app-\($0)" }
        for (index, name) in names.enumerated() {
            try await dev.push(
                try image(UInt64(index), ["org.opencontainers.image.revision": "rev-\(index)-1", "team": index % 2 == 0 ? "even" : "odd"]), to: "dev/\(name)",
                tag: "stable")
        }
        let service = try await quay.start()
        #expect(try await quay.scan("dev").counts.tags == 40)

        // The difference before: 40 images are only here.
        let before: DifferenceResource = try await quay.json("diff", "dev", "test")
        #expect(before.items.count == 40 && before.items.allSatisfy { $0.presence == "only-from" && $0.standing == "ahead" })
        #expect(before.items.allSatisfy { $0.tags.first?.missingBlobs == 2 }, "a layer and a configuration would travel")
        for (from, to) in zip(Quay.environments, Quay.environments.dropFirst()) {
            let made: PromotionBatchResource = try await quay.json(
                "promote", "shop/app-0:stable", "shop/app-1:stable", "shop/app-2:stable", "shop/app-3:stable", "--from", from, "--to", to, "--wait")
            #expect(made.items.allSatisfy { $0.promotion?.state == "succeeded" })
        }
        let first = Date()
        try await Task.sleep(for: .milliseconds(50))
        let partly: DifferenceResource = try await quay.json("diff", "staging", "production")
        #expect(partly.items.count == 4 && partly.items.allSatisfy { $0.standing == "equal" })
        let after: DifferenceResource = try await quay.json("diff", "dev", "test")
        #expect(after.items.filter { $0.standing == "equal" }.count == 4 && after.items.filter { $0.standing == "ahead" }.count == 36)

        // Second versions of two images go up; one of them only to staging.
        for index in [0, 1] {
            try await dev.push(try image(UInt64(500 + index), ["org.opencontainers.image.revision": index == 1 ? "a|b<c" : "rev-0-2"]), to: "dev/shop/app-\(index)", tag: "stable")
        }
        #expect(try await quay.scan("dev").counts.moved == 2)
        for (from, to) in [("dev", "test"), ("test", "staging"), ("staging", "production")] {
            #expect(try await quay.promote("shop/app-0:stable", from: from, to: to).first?.state == "succeeded")
            if to != "production" { #expect(try await quay.promote("shop/app-1:stable", from: from, to: to).first?.state == "succeeded") }
        }
        let ahead: DifferenceResource = try await quay.json("diff", "staging", "production", "--image", "shop/app-1")
        let tag = try #require(ahead.items.first?.tags.first)
        #expect(ahead.items.first?.standing == "ahead" && tag.standing == "ahead")
        #expect(tag.from?.revision == "a|b<c" && tag.to?.revision == "rev-1-1", "the commits between them: \(tag)")
        let behind: DifferenceResource = try await quay.json("diff", "production", "staging", "--image", "shop/app-1")
        #expect(behind.items.first?.standing == "behind")
        let table = try await quay.command("diff", "staging", "production", "-o", "markdown")
        #expect(table.output.contains("| shop/app-1 | stable | ahead |") && table.output.contains(#"rev-1-1..a\|b&lt;c"#), "\(table.output)")
        #expect(table.status == .exited(4))

        // What was there then, exactly.
        let old = try image(0, ["org.opencontainers.image.revision": "rev-0-1", "team": "even"])
        let then = try await quay.inventory("production", at: first.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true)))
        #expect(then["shop/app-0:stable"] == old.digest.description && then.count == 4)
        let now = try await quay.inventory("production")
        #expect(now["shop/app-0:stable"] != then["shop/app-0:stable"])
        #expect(try await quay.truth("production", images: names) == now)

        // History: by promotions, by name.
        let moves: PageResource<MoveResource> = try await quay.json("history", "shop/app-0", "--environment", "production")
        #expect(moves.items.count == 2 && moves.items.allSatisfy { $0.by == "promotion" && $0.requestedBy?.hasPrefix("token:") == true })
        #expect(moves.items.first?.from == then["shop/app-0:stable"] && moves.items.first?.to == now["shop/app-0:stable"])

        // Back: only the tag moves.
        let production = try quay.registry("production")
        let already = try await production.requests().count
        let tried: RollbackResource = try await quay.json("rollback", "production", "shop/app-0", "--to", "previous", "--dry-run")
        #expect(tried.items.first?.decision?.outcome == "allow" && tried.items.first?.digest == then["shop/app-0:stable"])
        #expect(try await production.requests().dropFirst(already).allSatisfy { $0.method == "HEAD" || $0.method == "GET" })
        let back: RollbackResource = try await quay.json("rollback", "production", "shop/app-0", "--to", "previous", "--reason", "it fails", "--wait", "--idempotency-key", "k1")
        #expect(back.items.count == 1 && back.items.first?.promotion?.state == "succeeded", "\(back)")
        #expect(back.items.first?.source == "production" && back.items.first?.promotion?.rollback?.step == "staging")
        #expect(try await production.requests().dropFirst(already).allSatisfy { !$0.path.contains("/blobs/") || $0.method != "POST" }, "no blob travels")
        #expect(try await quay.inventory("production") == then)
        // The same call again is the same rollback, not one back from it.
        let repeated: RollbackResource = try await quay.json(
            "rollback", "production", "shop/app-0", "--to", "previous", "--reason", "it fails", "--wait", "--idempotency-key", "k1")
        #expect(repeated.items.first?.promotion?.id == back.items.first?.promotion?.id)
        #expect(try await quay.inventory("production") == then)
        // A whole environment to a time: nothing to do, as it is there already.
        let whole: RollbackResource = try await quay.json("rollback", "production", "--to", first.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true)))
        #expect(whole.items.isEmpty && whole.unchanged == 4)

        // Others move and take away tags: seen at the next scan, recorded, and put back, as production says.
        try await production.push(try image(900), to: "production/shop/app-2", tag: "stable")
        try await quay.untag("shop/app-3", "stable", in: "production")
        let scan = try await quay.scan("production")
        #expect(scan.counts.moved == 1 && scan.counts.gone == 1, "\(scan.counts)")
        try await eventually("both to be put back", within: .seconds(30)) {
            let resolved: PageResource<DriftResource> = try await quay.json("drift", "--state", "resolved")
            return resolved.items.filter { $0.resolution == "restored" }.count == 2
        }
        #expect(try await quay.inventory("production") == then)
        #expect(try await quay.truth("production", images: names) == then)
        #expect(try await quay.command("drift").status == .exited(0), "none is open")
        let acts = try await quay.actions("--environment", "production")
        #expect(acts.filter { $0 == "drift.detected" }.count == 2 && acts.filter { $0 == "drift.resolved" }.count == 2)
        // In staging it is only reported.
        let staging = try quay.registry("staging")
        let foreign = try image(901)
        try await staging.push(foreign, to: "staging/shop/app-2", tag: "stable")
        _ = try await quay.scan("staging")
        let open: PageResource<DriftResource> = try await quay.json("drift")
        #expect(open.items.map(\.image) == ["shop/app-2"] && open.items.first?.environment == "staging" && open.items.first?.found == foreign.digest.description)
        #expect(try await quay.command("drift").status == .exited(4))

        // Gone from production itself, the artifact comes back from where it still is.
        #expect(try await quay.promote("shop/app-0:stable", from: "staging", to: "production").first?.state == "succeeded")
        try await production.delete(old.digest, in: "production/shop/app-0")
        try await production.garbageCollect()
        let fetched: RollbackResource = try await quay.json("rollback", "production", "shop/app-0", "--to", old.digest.description, "--wait")
        #expect(fetched.items.first?.promotion?.state == "succeeded" && fetched.items.first?.source != "production", "\(fetched)")
        #expect(try await production.isComplete(old, in: "production/shop/app-0"))
        #expect(try await production.digest(of: "stable", in: "production/shop/app-0") == old.digest)

        // Search.
        let found: PageResource<ImageResource> = try await quay.json("search", "--label", "team=odd", "--limit", "100")
        #expect(found.items.count == 20)
        let byDigest: PageResource<ImageResource> = try await quay.json("search", "--digest", String(old.digest.description.prefix(17)), "--environment", "production")
        #expect(byDigest.items.map(\.image) == ["shop/app-0"])
        #expect(try await quay.auditIsIntact())
        try await service.terminate()
    }
}
