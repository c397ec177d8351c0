import Foundation
import TestSupport
import Testing

@testable import HTTPTransport

/// One limit for all that goes to a registry and comes from it, within a fifth.
@Suite(.inTurn, .timeLimit(.minutes(15))) struct BandwidthTests {
    private static let rate = 3 << 20

    private static func limited(_ name: String = "registry") -> ConnectionSettings {
        quickSettings { $0.bandwidth = BandwidthLimit(name: name, bytesPerSecond: rate) }
    }

    private func seconds(_ body: () async throws -> Void) async throws -> Double {
        let began = ContinuousClock.now
        try await body()
        return began.duration(to: .now) / .seconds(1)
    }

    @Test func threeUploadsShareOneLimit() async throws {
        let blob = Blob(size: 2 << 20)
        let uploads = Record<Upload>()
        try await withServer(source(blob, requests: Record())) { from in
            try await withServer(target(uploads)) { to in
                try await withClient { client in
                    let took = try await seconds {
                        try await withThrowingTaskGroup(of: Int?.self) { group in
                            for _ in 0..<3 {
                                var request = try relayRequest(blob, from: from, to: [to])
                                request.targets[0].settings = Self.limited()
                                group.addTask { [request] in try await client.relay(request).report?.targets[0]?.status }
                            }
                            for try await status in group { #expect(status == 201) }
                        }
                    }
                    #expect((1.6...2.4).contains(took), "6 MiB at 3 MiB/s took \(took) s")
                }
            }
        }
        #expect(uploads.all.map(\.digest) == [blob.sha256, blob.sha256, blob.sha256])
    }

    @Test func whatComesCountsAsWellAsWhatGoes() async throws {
        let blob = Blob(size: 3 << 20)
        try await withServer(source(blob, requests: Record())) { from in
            try await withServer(target(Record())) { to in
                try await withClient { client in
                    var request = try relayRequest(blob, from: from, to: [to])
                    request.sourceSettings = Self.limited()
                    request.targets[0].settings = Self.limited()
                    let took = try await seconds { [request] in
                        let status = try await client.relay(request).report?.targets[0]?.status
                        #expect(status == 201)
                    }
                    #expect((1.6...2.4).contains(took), "3 MiB twice at 3 MiB/s took \(took) s")
                }
            }
        }
    }

    @Test func anotherRegistryHasItsOwnLimit() async throws {
        let blob = Blob(size: 3 << 20)
        try await withServer(source(blob, requests: Record())) { from in
            try await withServer(target(Record())) { to in
                try await withClient { client in
                    let took = try await seconds {
                        try await withThrowingTaskGroup(of: Void.self) { group in
                            for name in ["one", "two"] {
                                var request = try relayRequest(blob, from: from, to: [to])
                                request.targets[0].settings = Self.limited(name)
                                group.addTask { [request] in
                                    let status = try await client.relay(request).report?.targets[0]?.status
                                    #expect(status == 201)
                                }
                            }
                            try await group.waitForAll()
                        }
                    }
                    #expect((0.8...1.3).contains(took), "3 MiB at 3 MiB/s each took \(took) s")
                }
            }
        }
    }

    /// A look at a manifest does not wait behind a large layer.
    @Test func wholeMessagesDoNotWait() async throws {
        let blob = Blob(size: 3 << 20)
        try await withServer(source(blob, requests: Record())) { from in
            try await withServer(target(Record())) { to in
                try await withServer(serving { _, connection in try connection.answer(200, body: [1]) }) { other in
                    try await withClient { client in
                        var request = try relayRequest(blob, from: from, to: [to])
                        request.targets[0].settings = Self.limited()
                        async let relayed = client.relay(request)
                        var longest = 0.0
                        for _ in 0..<10 {
                            longest = max(
                                longest,
                                try await seconds {
                                    _ = try await client.send(HTTPRequest(.get, try other.url()), settings: Self.limited(), maximumBodyBytes: 10)
                                })
                        }
                        #expect(longest < 0.3)
                        _ = try await relayed
                    }
                }
            }
        }
    }

    /// Held for longer than a silence would be borne: it is we who hold it.
    @Test func waitingForBandwidthIsNoSilence() async throws {
        let blob = Blob(size: 200_000)
        try await withServer(source(blob, requests: Record())) { from in
            try await withServer(target(Record())) { to in
                try await withClient { client in
                    var request = try relayRequest(blob, from: from, to: [to])
                    request.targets[0].settings.stallTimeout = .milliseconds(300)
                    request.sourceSettings.stallTimeout = .milliseconds(300)
                    request.targets[0].settings.bandwidth = BandwidthLimit(name: "slow", bytesPerSecond: 100_000)
                    let took = try await seconds { [request] in
                        let status = try await client.relay(request).report?.targets[0]?.status
                        #expect(status == 201)
                    }
                    #expect((1.6...2.4).contains(took), "200,000 bytes at 100,000/s took \(took) s")
                }
            }
        }
    }
}
