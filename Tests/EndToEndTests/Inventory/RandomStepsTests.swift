import APIModel
import Foundation
import OCI
import TestSupport
import Testing

/// Random acts of ours and of others, the same for the same seed: whatever happened, the inventory ends as what the registries say.
@Suite(.inTurn) struct RandomStepsTests {
    /// SplitMix64.
    private struct Generator: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }

    private enum Step: CaseIterable { case promote, push, foreignPush, untag, rollback, rollbackToTime, scan, restart }

    private static let images = ["shop/api", "shop/web", "tools/lint"]
    private static let tags = ["1", "2", "stable"]
    private static let settings = ProcessInfo.processInfo.environment
    /// SHIPLIFT_RANDOM_STEPS: 1,000 for a long run; SHIPLIFT_RANDOM_SEED: another course.
    private static let steps = settings["SHIPLIFT_RANDOM_STEPS"].flatMap(Int.init) ?? 200
    private static let seed = settings["SHIPLIFT_RANDOM_SEED"].flatMap(UInt64.init) ?? 20_261_125

    @Test func theInventoryEndsAsWhatTheRegistriesSay() async throws {
        let quay = try await Quay.make()
        var random = Generator(state: Self.seed)
        var service = try await quay.start()
        var done: [String] = []
        var times: [Date] = []
        for number in 0..<Self.steps {
            let (image, tag) = (pick(Self.images, &random), pick(Self.tags, &random))
            let index = Int.random(in: 0..<Quay.environments.count - 1, using: &random)
            let (from, to) = (Quay.environments[index], Quay.environments[index + 1])
            let seed = UInt64.random(in: 1...40, using: &random)
            // A restart costs most: it is rarest.
            let step = Int.random(in: 0..<100, using: &random) < 3 ? .restart : pick(Step.allCases.filter { $0 != .restart }, &random)
            done.append("\(number): \(step) \(image):\(tag) \(from) → \(to) \(seed)")
            switch step {
            case .promote: _ = try await quay.command("promote", "\(image):\(tag)", "--from", from, "--to", to, "--wait", "--timeout", "60")
            case .push: try await push(seed, image, tag, quay, "dev")
            case .foreignPush: try await push(seed, image, tag, quay, to)
            case .untag: if try await quay.registry(to).digest(of: tag, in: "\(to)/\(image)") != nil { try await quay.untag(image, tag, in: to) }
            case .rollback: _ = try await quay.command("rollback", to, image, "--to", "previous", "--wait", "--timeout", "60")
            case .rollbackToTime:
                guard let time = times.randomElement(using: &random) else { continue }
                _ = try await quay.command("rollback", to, "--to", time.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true)), "--wait")
            case .scan: #expect(try await quay.scan(to).state == "succeeded")
            case .restart:
                if Bool.random(using: &random) { try await service.kill9() } else { try await service.terminate() }
                service = try await quay.start()
            }
            times.append(Date())
        }
        for environment in Quay.environments {
            #expect(try await quay.scan(environment).state == "succeeded")
            let (said, truth) = (try await quay.inventory(environment), try await quay.truth(environment, images: Self.images))
            #expect(said == truth, "\(environment) after seed \(Self.seed):\n\(done.joined(separator: "\n"))")
            try await driftIsWhatOthersDid(quay, environment, truth)
        }
        #expect(try await quay.auditIsIntact())
        try await service.terminate()
    }

    /// Each open drift is a tag that really names something else than what we made it name, and every such tag is one.
    private func driftIsWhatOthersDid(_ quay: Quay, _ environment: String, _ truth: [String: String]) async throws {
        let drifts: PageResource<DriftResource> = try await quay.json("drift", "--environment", environment, "--limit", "1000")
        for drift in drifts.items {
            #expect(truth["\(drift.image):\(drift.tag)"] == drift.found && drift.found != drift.expected, "\(drift)")
        }
        for image in Self.images {
            let periods: PageResource<TagResource> = try await quay.json("tags", image, "--environment", environment, "--history", "--limit", "1000")
            for tag in Self.tags {
                let own = periods.items.filter { $0.tag == tag }
                guard let now = own.first, now.promotion == nil, let ours = own.first(where: { $0.promotion != nil }), now.digest != ours.digest else { continue }
                #expect(drifts.items.contains { $0.image == image && $0.tag == tag }, "\(environment) \(image):\(tag) was moved behind our back")
            }
        }
    }

    private func pick<Item>(_ items: [Item], _ random: inout Generator) -> Item { items[Int.random(in: 0..<items.count, using: &random)] }

    private func push(_ seed: UInt64, _ image: String, _ tag: String, _ quay: Quay, _ environment: String) async throws {
        try await quay.registry(environment).push(try ImageFixture.image(layers: [500], seed: seed), to: "\(environment)/\(image)", tag: tag)
    }
}
