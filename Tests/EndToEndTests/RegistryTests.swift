import APIModel
import Foundation
import OCI
import TestSupport
import Testing

/// Registries as people see them: probed, shown, counted.
@Suite(.inTurn) struct RegistryTests {
    @Test func aRegistryIsProbedShownAndServedByItsProfile() async throws {
        let lift = try await Lift.make()
        var service = try await lift.start()
        let before: PageResource<RegistryResource> = try await lift.json(["registry", "list"])
        #expect(before.items.map(\.name) == ["dev", "test", "staging"] && before.items.allSatisfy { $0.profile.isEmpty && $0.probedAt == nil })
        let probed: RegistryResource = try await lift.json(["registry", "probe", "staging"])
        #expect(probed.mayWrite == true && probed.probedAt != nil && probed.failure == nil)
        let traits = Dictionary(uniqueKeysWithValues: probed.profile.map { ($0.name, $0.value) })
        #expect(traits["mount"] == "any" && traits["upload"] == "put" && traits["referrers"] == "tag" && traits["chunked"] == "true", "\(probed.findings)")
        #expect(probed.profile.allSatisfy { $0.source == "probed" })
        #expect(lift.toStaging.requests().allSatisfy { $0.target.contains("/staging/shiplift-probe") || !$0.target.contains("/v2/") })
        // It outlives the service, and is in the audit log.
        try await service.terminate()
        service = try await lift.start()
        let shown: RegistryResource = try await lift.json(["registry", "show", "staging"])
        #expect(shown.profile == probed.profile && shown.probedAt == probed.probedAt)
        struct Item: Codable {
            struct Entry: Codable { let action: String }
            let entry: Entry
        }
        let acts: PageResource<Item> = try await lift.json(["audit", "--action", "registry.probed"])
        #expect(acts.items.count == 1)
        #expect(try await lift.auditIsIntact())
        #expect(try await lift.command("registry", "probe", "nowhere").status == .exited(4))
        try await lift.toStaging.goDown()
        #expect(try await lift.command("registry", "probe", "staging").status == .exited(4))
        let down: RegistryResource = try await lift.json(["registry", "show", "staging"])
        #expect(down.failure != nil && down.profile == probed.profile, "what was known stays")
        try await service.terminate()
    }

    /// Nobody asked: the registries of a policy are probed when they join, and promotions go on beside it.
    @Test func registriesThatJoinAreProbedByThemselves() async throws {
        let lift = try await Lift.make(settings: ["SHIPLIFT_PROBE_REGISTRIES": "true"])
        try await lift.shared.push(try ImageFixture.image(labels: Lift.labels), to: "dev/shop/api", tag: "1.0.0")
        let service = try await lift.start()
        #expect(try await lift.promote("shop/api:1.0.0", from: "dev", to: "staging").state == "succeeded")
        try await eventually("all registries to be probed", within: .seconds(60), every: .milliseconds(500)) {
            try await lift.json(["registry", "list"], as: PageResource<RegistryResource>.self).items.allSatisfy { $0.probedAt != nil }
        }
        let count = lift.toStaging.requests().filter { $0.target.contains("shiplift-probe") }.count
        try await Task.sleep(for: .seconds(5))
        #expect(lift.toStaging.requests().filter { $0.target.contains("shiplift-probe") }.count == count, "once, not each time")
        try await service.terminate()
    }

    @Test func metricsSayWhatWasDone() async throws {
        let lift = try await Lift.make()
        try await lift.shared.push(try ImageFixture.image(layers: [100_000], labels: Lift.labels), to: "dev/shop/api", tag: "1.0.0")
        let service = try await lift.start()
        #expect(try await lift.promote("shop/api:1.0.0", from: "dev", to: "test").state == "succeeded")
        #expect(try await lift.promote("shop/api:1.0.0", from: "dev", to: "staging").state == "succeeded")
        let metrics = try await LoopbackHTTP.send("GET", "/metrics", port: lift.port).text
        func value(_ series: String) -> Double? {
            metrics.split(separator: "\n").first { $0.hasPrefix(series + " ") }.flatMap { Double($0.split(separator: " ").last ?? "") }
        }
        #expect(value(#"shiplift_promotions_total{outcome="succeeded"}"#) == 2)
        #expect(value(#"shiplift_promotion_seconds_count{outcome="succeeded"}"#) == 2)
        #expect(value(#"shiplift_blobs_total{registry="test",way="mounted"}"#) == 2)
        #expect(value(#"shiplift_blobs_total{registry="staging",way="copied"}"#) == 2)
        #expect((value(#"shiplift_blob_bytes_total{registry="staging",way="copied"}"#) ?? 0) > 100_000)
        #expect((value(#"shiplift_registry_bytes_total{registry="staging",direction="out"}"#) ?? 0) > 100_000)
        #expect((value(#"shiplift_registry_requests_total{registry="dev",status="2xx"}"#) ?? 0) >= 3)
        #expect(value(#"shiplift_registry_requests_in_flight{registry="staging"}"#) == 0)
        #expect((value(#"shiplift_registry_request_seconds_count{registry="staging"}"#) ?? 0) >= 3)
        #expect(value("shiplift_queue_depth") == 0 && value("shiplift_up_database") == 1 && value("shiplift_audit_unsequenced") != nil)
        #expect(metrics.contains("shiplift_policy_info{version=") && metrics.contains(#"shiplift_pool_connections{pool="service",state="idle"}"#))
        // Whoever comes through a proxy is not this machine.
        let passedOn = try await LoopbackHTTP.send("GET", "/metrics", port: lift.port, fields: [HeaderField("X-Forwarded-For", "192.0.2.1")])
        #expect(passedOn.status == 401)
        try await service.terminate()
    }
}
