import Foundation
import HTTPTransport
import OCI
import Registry
import TestSupport
import Testing
import Transfer

/// Copies between real registries: what arrives, and what it costs.
@Suite(.inTurn, .serialized, .timeLimit(.minutes(15))) struct CopyEngineTests {
    @Test(arguments: SampleImage.Format.allCases) func anIndexArrivesWholeWithoutATag(format: SampleImage.Format) async throws {
        let image = SampleImage.index([.single("a", format: format), .single("b", format: format)], format: format)
        try await withRegistries(2) { harness, registries in
            try registries[0].put(image, in: "dev/app", tag: "v1")
            let report = try await harness.copy(
                image.digest, from: harness.site(registries[0].port, "dev/app"), to: harness.site(registries[1].port, "app"))
            #expect(try registries[1].holds(image, in: "app"))
            #expect(try registries[1].manifest("app", "v1") == nil)
            #expect(report.targets[0].copied.blobs == image.blobs.count)
            #expect(report.targets[0].copied.bytes == image.size)
            #expect(report.targets[0].manifests == 3)
            #expect(report.sourceBytes == image.size)
        }
    }

    @Test func aNewImageCostsNoRequestTooMany() async throws {
        let image = SampleImage.single("cost", layers: 5)
        try await withRegistries(2) { harness, registries in
            try registries[0].put(image, in: "app")
            let source = try harness.site(registries[0].port, "app")
            let target = try harness.site(registries[1].port, "app")
            let first = try await harness.copy(image.digest, from: source, to: target)
            // One GET for the manifest and one a blob; a POST and a PUT a blob; the manifest.
            #expect(first.sourceRequests == ["get": 7])
            #expect(first.targets[0].requests == ["post": 6, "put": 7])
            let again = try await harness.copy(image.digest, from: source, to: target)
            #expect(again.sourceRequests == [:])
            #expect(again.targets[0].requests == [:])
            #expect(again.targets[0].present.blobs == 6)
            #expect(again.sourceBytes == 0)
        }
    }

    @Test func muchThatWouldTravelIsAskedAboutFirst() async throws {
        let image = SampleImage.single("much", layers: 2, layerBytes: 600_000)
        try await withRegistries(2) { harness, registries in
            try registries[0].put(image, in: "app")
            let report = try await harness.copy(
                image.digest, from: harness.site(registries[0].port, "app"), to: harness.site(registries[1].port, "app"))
            // The manifest is put twice: once to ask and once for good.
            #expect(report.targets[0].requests == ["post": 3, "put": 5])
        }
    }

    @Test func theFirstTagBringsTheRoot() async throws {
        let image = SampleImage.index([.single("a"), .single("b")])
        try await withRegistries(2) { harness, registries in
            try registries[0].put(image, in: "app")
            let target = try harness.site(registries[1].port, "app")
            let report = try await harness.engine.copy(
                image.digest, from: harness.site(registries[0].port, "app"), to: [target], leavingRoot: true
            ) { _ in }
            #expect(report.targets[0].manifests == 2)
            #expect(try registries[1].manifest("app", image.digest.description) == nil)
            let write = try await harness.engine.moveTag(
                try Tag(parsing: "v1"), to: image.digest, at: target, seen: .absent, deadline: .now + .seconds(20), meter: RequestMeter())
            #expect(write.written)
            #expect(try registries[1].holds(image, in: "app"))
            #expect(harness.memory.sightings.contains(.manifest(image.digest, blobs: [])))
        }
    }

    @Test func aConfigurationThatWasReadToDecideIsNotReadAgain() async throws {
        let image = SampleImage.single("kept", layers: 2)
        try await withRegistries(2) { harness, registries in
            try registries[0].put(image, in: "app")
            harness.memory.keepSmallBlob(image.blobs[0])
            let report = try await harness.copy(
                image.digest, from: harness.site(registries[0].port, "app"), to: harness.site(registries[1].port, "app"))
            #expect(report.sourceRequests == ["get": 3])
            #expect(report.targets[0].copied.blobs == 3)
            #expect(try registries[1].holds(image, in: "app"))
        }
    }

    /// Ten promotions of images over one base, at the same time: the base travels once, whoever brings it.
    @Test func whatIsOnItsWayIsNotSentTwice() async throws {
        let base = (0..<4).map { SampleImage.bytes("base \($0)", count: 50_000) }
        let images = (0..<10).map { SampleImage.single("image \($0)", shared: base) }
        try await withRegistries(2) { harness, registries in
            for (index, image) in images.enumerated() { try registries[0].put(image, in: "app\(index)") }
            let reports = try await withThrowingTaskGroup(of: TransferReport.self) { group in
                for (index, image) in images.enumerated() {
                    let (source, target) = (try harness.site(registries[0].port, "app\(index)"), try harness.site(registries[1].port, "app\(index)"))
                    group.addTask { try await harness.copy(image.digest, from: source, to: target) }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            for (index, image) in images.enumerated() { #expect(try registries[1].holds(image, in: "app\(index)")) }
            let unique = images.flatMap(\.blobs).filter { blob in !base.contains(blob) }
            #expect(reports.reduce(0) { $0 + $1.sourceBytes } == Int64((base + unique).reduce(0) { $0 + $1.count }))
            #expect(reports.reduce(0) { $0 + $1.targets[0].mounted.blobs } == 9 * 4)
        }
    }

    /// Who was sending a blob has died: its claim ends, and the blob is sent by whoever waits.
    @Test func aDeadSendersBlobIsSentByWhoeverWaits() async throws {
        let image = SampleImage.single("orphan")
        try await withRegistries(2) { harness, registries in
            try registries[0].put(image, in: "app")
            let target = try harness.site(registries[1].port, "app")
            let dead = UUID()
            _ = try await harness.memory.claim(image.blobDigests, server: target.server, by: dead, knownFor: .zero)
            async let copied = harness.copy(image.digest, from: harness.site(registries[0].port, "app"), to: target)
            try await Task.sleep(for: .milliseconds(300))
            #expect(try registries[1].blob("app", image.blobDigests[0]) == nil)
            try await harness.memory.release(image.blobDigests, server: target.server, by: dead)
            _ = try await copied
            #expect(try registries[1].holds(image, in: "app"))
        }
    }

    @Test func onOneServerEverythingIsMounted() async throws {
        let image = SampleImage.index([.single("a"), .single("b")])
        try await withRegistries(1) { harness, registries in
            try registries[0].put(image, in: "dev/app")
            let report = try await harness.copy(
                image.digest, from: harness.site(registries[0].port, "dev/app"), to: harness.site(registries[0].port, "test/app"))
            #expect(try registries[0].holds(image, in: "test/app"))
            #expect(report.targets[0].mounted.blobs == image.blobs.count)
            #expect(report.targets[0].copied.blobs == 0)
            #expect(report.sourceBytes == 0)
            #expect(report.targets[0].requests == ["post": 6, "put": 3])
        }
    }

    @Test func layersThatAnotherImageBroughtAreMounted() async throws {
        let base = (0..<3).map { SampleImage.bytes("base \($0)", count: 3_000) }
        let first = SampleImage.single("first", shared: base)
        let second = SampleImage.single("second", shared: base)
        try await withRegistries(2) { harness, registries in
            try registries[0].put(first, in: "first")
            try registries[0].put(second, in: "second")
            _ = try await harness.copy(
                first.digest, from: harness.site(registries[0].port, "first"), to: harness.site(registries[1].port, "prod/first"))
            let report = try await harness.copy(
                second.digest, from: harness.site(registries[0].port, "second"), to: harness.site(registries[1].port, "prod/second"))
            #expect(try registries[1].holds(second, in: "prod/second"))
            #expect(report.targets[0].mounted.blobs == 3)
            #expect(report.targets[0].copied.blobs == 3)
        }
    }

    @Test func whatIsThereWithoutOurKnowingIsNotSentAgain() async throws {
        let image = SampleImage.single("unknown", layers: 4, layerBytes: 300_000)
        try await withRegistries(2) { harness, registries in
            try registries[0].put(image, in: "app")
            for blob in image.blobs.dropLast() { try registries[1].put(blob, in: "app") }
            let report = try await harness.copy(
                image.digest, from: harness.site(registries[0].port, "app"), to: harness.site(registries[1].port, "app"))
            #expect(report.targets[0].present.blobs == 4)
            #expect(report.targets[0].copied.blobs == 1)
            #expect(report.targets[0].requests == ["put": 3, "post": 1])
            #expect(try registries[1].holds(image, in: "app"))
        }
    }

    @Test func oneReadServesTwoRegions() async throws {
        let image = SampleImage.single("regions", layers: 3, layerBytes: 300_000)
        try await withRegistries(3) { harness, registries in
            try registries[0].put(image, in: "app")
            let report = try await harness.copy(
                image.digest, from: harness.site(registries[0].port, "app"), to: harness.site(registries[1].port, "app", named: "eu"),
                harness.site(registries[2].port, "app", named: "us"))
            #expect(try registries[1].holds(image, in: "app"))
            #expect(try registries[2].holds(image, in: "app"))
            #expect(report.sourceBytes == image.size)
            #expect(report.targets.map(\.registry) == ["eu", "us"])
            #expect(report.targets.allSatisfy { $0.copied.bytes == image.size })
        }
    }

    @Test func aRegionThatFailsDoesNotStopTheOther() async throws {
        let image = SampleImage.single("one region")
        try await withRegistries(2) { harness, registries in
            try registries[0].put(image, in: "app")
            let broken = try ScriptedPeer { _ in .answer(PeerResponse(403, json: #"{"errors":[{"code":"DENIED","message":"read only"}]}"#)) }
            defer { broken.stop() }
            let error = await transferError {
                _ = try await harness.copy(
                    image.digest, from: harness.site(registries[0].port, "app"), to: harness.site(broken.port, "app", named: "eu"),
                    harness.site(registries[1].port, "app", named: "us"))
            }
            guard case .registry(.forbidden(let place, let answer)) = error else { throw Unexpected(error as Any) }
            #expect(place.registry == "eu")
            #expect(answer.message == "read only")
            #expect(try registries[1].holds(image, in: "app"))
        }
    }

    @Test func progressReachesItsEndAndNeverGoesBack() async throws {
        let image = SampleImage.single("progress", layers: 4, layerBytes: 200_000)
        try await withRegistries(2) { harness, registries in
            try registries[0].put(image, in: "app")
            let seen = Collected<TransferProgress>()
            _ = try await harness.engine.copy(
                image.digest, from: harness.site(registries[0].port, "app"), to: [harness.site(registries[1].port, "app")]
            ) { seen.append($0) }
            let last = try #require(seen.all.last)
            #expect((last.blobsDone, last.blobsTotal) == (5, 5))
            #expect((last.bytesDone, last.bytesTotal) == (image.size, image.size))
            #expect(seen.all.allSatisfy { $0.bytesDone <= $0.bytesTotal })
        }
    }

    @Test func aPlanChangesNothing() async throws {
        let image = SampleImage.single("plan")
        try await withRegistries(2) { harness, registries in
            try registries[0].put(image, in: "app")
            let target = try harness.site(registries[1].port, "app")
            let (tree, plan) = try await harness.engine.plan(image.digest, from: harness.site(registries[0].port, "app"), to: [target])
            #expect(tree.blobs.map(\.digest) == image.blobDigests)
            #expect(plan.targets[0].blobs.allSatisfy { $0.action == .copy })
            #expect(try registries[1].blob("app", image.blobDigests[0]) == nil)
            #expect(harness.memory.sightings.isEmpty)
        }
    }

    @Test func nestedIndexesAndRepeatedChildrenArrive() async throws {
        let inner = SampleImage.index([.single("a"), .single("b")])
        let outer = SampleImage.index([inner, .single("a"), inner])
        try await withRegistries(2) { harness, registries in
            try registries[0].put(outer, in: "app")
            _ = try await harness.copy(
                outer.digest, from: harness.site(registries[0].port, "app"), to: harness.site(registries[1].port, "app"))
            #expect(try registries[1].holds(outer, in: "app"))
        }
    }
}
