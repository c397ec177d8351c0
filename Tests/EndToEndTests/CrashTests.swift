import APIModel
import Foundation
import OCI
import Synchronization
import TestSupport
import Testing

/// The service dies, stops or loses its database in the middle of the work.
@Suite(.inTurn, .serialized) struct CrashTests {
    @Test(.timeLimit(.minutes(15))) func twentyKillsAndEveryPromotionSucceedsOnce() async throws {
        let lift = try await Lift.make()
        var service = try await lift.start()
        var random = SystemRandomNumberGenerator()
        for round in 1...20 {
            let image = try ImageFixture.image(layers: [100 << 20, 100 << 20], labels: Lift.labels, seed: UInt64(round))
            try await lift.shared.push(image, to: "dev/shop/big", tag: "1.0.\(round)")
            let promotion = try await lift.request("shop/big:1.0.\(round)", from: "dev", to: "staging")
            let watch = Task { try await Self.watch(image, "1.0.\(round)", lift) }
            try await Task.sleep(for: .milliseconds(Int.random(in: 0...1500, using: &random)))
            try await service.kill9()
            service = try await lift.start()
            let end = try await lift.end(of: promotion.id)
            watch.cancel()
            #expect(try await watch.value == 0, "the tag named something incomplete")
            #expect(end.state == "succeeded", "round \(round): \(end.failure?.message ?? "")")
            #expect(try await lift.staging.digest(of: "1.0.\(round)", in: "staging/shop/big") == image.digest)
            #expect(try await lift.staging.isComplete(image, in: "staging/shop/big"))
            let acts = try await lift.acts(of: promotion.id)
            #expect(acts.count == Set(acts).count, "round \(round): an act stands twice: \(acts.sorted())")
        }
        #expect(try await lift.auditIsIntact())
        try await service.terminate()
    }

    /// How often the tag was there and something below it was not.
    private static func watch(_ image: ImageFixture, _ tag: String, _ lift: Lift) async throws -> Int {
        var incomplete = 0
        while !Task.isCancelled {
            if try await lift.staging.digest(of: tag, in: "staging/shop/big") != nil, try await !lift.staging.isComplete(image, in: "staging/shop/big") {
                incomplete += 1
            }
            do { try await Task.sleep(for: .milliseconds(20)) } catch { break }
        }
        return incomplete
    }

    @Test func aGracefulStopHandsTheWorkBack() async throws {
        let lift = try await Lift.make(settings: ["SHIPLIFT_LEASE_SECONDS": "30"])
        let image = try ImageFixture.image(layers: [3 << 20], labels: Lift.labels)
        try await lift.shared.push(image, to: "dev/shop/api", tag: "1.0.0")
        lift.toShared.add(FaultRule(.stallResponse(afterBytes: 1 << 20), methods: ["GET"], target: "/blobs/"))
        var service = try await lift.start()
        let promotion = try await lift.request("shop/api:1.0.0", from: "dev", to: "staging")
        try await eventually("the copy to be under way") { !lift.toShared.requests("GET", "/blobs/").isEmpty }
        #expect(try await service.terminate(within: .seconds(30)) == .exited(0))
        lift.toShared.removeRules()
        service = try await lift.start()
        // The lease lasts 30 s: only work that was handed back is taken up at once.
        let end = try await lift.end(of: promotion.id, timeout: 10)
        #expect(end.state == "succeeded")
        #expect(end.attempts == 0)
        try await service.terminate()
    }

    @Test func theDatabaseRestartsInTheMiddle() async throws {
        let lift = try await Lift.make(ownDatabase: true)
        let image = try ImageFixture.image(layers: [20 << 20, 20 << 20], labels: Lift.labels)
        try await lift.shared.push(image, to: "dev/shop/api", tag: "1.0.0")
        lift.toShared.add(FaultRule(.delay(.milliseconds(1500)), methods: ["GET"], target: "/blobs/"))
        let service = try await lift.start()
        let promotion = try await lift.request("shop/api:1.0.0", from: "dev", to: "staging")
        try await eventually("the copy to be under way") { !lift.toShared.requests("GET", "/blobs/").isEmpty }
        try await lift.postgres.restart()
        try await service.ready(port: lift.port)
        let end = try await lift.end(of: promotion.id)
        #expect(end.state == "succeeded", "\(end.failure?.message ?? "")")
        let acts = try await lift.acts(of: promotion.id)
        #expect(acts.count == Set(acts).count)
        #expect(try await lift.auditIsIntact())
        try await service.terminate()
    }

    @Test(.timeLimit(.minutes(5))) func aGibibyteNeedsLessThanAHundredMebibytes() async throws {
        let lift = try await Lift.make()
        let image = try ImageFixture.image(layers: [1 << 30], labels: Lift.labels)
        try await lift.shared.push(image, to: "dev/shop/huge", tag: "1.0.0")
        let service = try await lift.start()
        #expect(try await lift.promote("shop/huge:1.0.0", from: "dev", to: "staging", timeout: 200).state == "succeeded")
        let peak = try service.memory().peak
        #expect(peak < 100 << 20, "peak \(peak >> 20) MiB")
        print("peak memory while copying 1 GiB: \(peak >> 20) MiB")
        try await service.terminate()
    }
}
