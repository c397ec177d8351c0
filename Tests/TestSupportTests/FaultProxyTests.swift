import Foundation
import OCI
import TestSupport
import Testing

/// Each fault against a real registry, seen by a client that reports what arrived.
@Suite(.inTurn, .timeLimit(.minutes(15))) struct FaultProxyTests {
    static let blob = BlobFixture(size: 1_000_000, seed: 5)

    /// A registry that holds ``blob``, and a proxy before it.
    static func withProxy(_ body: (FaultProxy, RegistryServer, String) async throws -> Void) async throws {
        let registry = try await RegistryServer.start()
        try await registry.push(blob, to: "a")
        let proxy = try FaultProxy(to: registry.endpoint)
        try await body(proxy, registry, "/v2/a/blobs/\(blob.digest)")
        proxy.stop()
        try await registry.stop()
    }

    @Test func withoutARuleAllPassesAndIsRecorded() async throws {
        try await Self.withProxy { proxy, registry, path in
            let answer = try await LoopbackHTTP.send("GET", path, port: proxy.port, fields: [HeaderField("X-Test", "1")])
            #expect(Digest(hashing: Data(answer.body)) == Self.blob.digest)
            #expect(try #require(proxy.requests("GET").first).value("x-test") == "1")
            #expect(try await registry.requests().map(\.target) == [path])
            let opened = try await LoopbackHTTP.send("POST", "/v2/b/blobs/uploads/", port: proxy.port)
            #expect(try #require(opened.value("Location")).hasPrefix("\(proxy.url)/v2/b/"))
        }
    }

    @Test func oneByteOfAnAnswerIsFlippedOnce() async throws {
        try await Self.withProxy { proxy, _, path in
            let good = try await LoopbackHTTP.send("GET", path, port: proxy.port).body
            proxy.add(FaultRule(.flipResponseByte(at: 700_000), methods: ["GET"], target: "/blobs/", times: 1))
            let bad = try await LoopbackHTTP.send("GET", path, port: proxy.port).body
            #expect(zip(good, bad).enumerated().filter { $1.0 != $1.1 }.map(\.offset) == [700_000])
            #expect(try await LoopbackHTTP.send("GET", path, port: proxy.port).body == good)
        }
    }

    @Test func anAnswerIsCut() async throws {
        try await Self.withProxy { proxy, _, path in
            proxy.add(FaultRule(.cutResponse(afterBytes: 1_000)))
            await #expect(throws: HarnessError.self) { try await LoopbackHTTP.send("GET", path, port: proxy.port) }
            proxy.add(FaultRule(.lieContentLength(1_000_001)))
            await #expect(throws: HarnessError.self) { try await LoopbackHTTP.send("GET", path, port: proxy.port) }
            proxy.add(FaultRule(.reset))
            await #expect(throws: HarnessError.self) { try await LoopbackHTTP.send("GET", path, port: proxy.port) }
        }
    }

    @Test func aRequestsBodyIsCutOrDamagedBeforeTheServerSeesIt() async throws {
        try await Self.withProxy { proxy, registry, _ in
            let bytes = [UInt8]((0..<50_000).map { UInt8(truncatingIfNeeded: $0) })
            for fault in [Fault.cutRequest(afterBytes: 40_000), .flipRequestByte(at: 40_000)] {
                let location = try #require(try await LoopbackHTTP.send("POST", "/v2/c/blobs/uploads/", port: proxy.port).value("Location"))
                let target = "\(location.dropFirst(proxy.url.count))&digest=\(Digest(hashing: Data(bytes)))"
                proxy.add(FaultRule(fault, methods: ["PUT"]))
                let answer = try? await LoopbackHTTP.send("PUT", target, port: proxy.port, body: bytes)  // cut: no answer
                #expect(answer?.status != 201)
                #expect(try await !registry.holds(Digest(hashing: Data(bytes)), in: "c"))
                proxy.removeRules()
            }
        }
    }

    @Test func theProxyAnswersItselfAfterSoManyRequests() async throws {
        try await Self.withProxy { proxy, registry, path in
            proxy.add(FaultRule(.answer(HTTPAnswer(429, [HeaderField("Retry-After", "7")], body: Array("slow".utf8))), skipping: 1, times: 1))
            #expect(try await LoopbackHTTP.send("HEAD", path, port: proxy.port).status == 200)
            let answer = try await LoopbackHTTP.send("PUT", path, port: proxy.port, body: [UInt8](repeating: 0, count: 300_000))
            #expect(answer.status == 429 && answer.value("Retry-After") == "7" && answer.text == "slow")
            #expect(try await LoopbackHTTP.send("HEAD", path, port: proxy.port).status == 200)
            #expect(try await registry.requests().count == 2)
        }
    }

    @Test func theServerActsThoughItsAnswerIsLost() async throws {
        try await Self.withProxy { proxy, registry, _ in
            let image = try ImageFixture.image()
            try await registry.push(image, to: "d")
            proxy.add(FaultRule(.loseResponse, methods: ["PUT"]))
            await #expect(throws: HarnessError.self) {
                try await LoopbackHTTP.send(
                    "PUT", "/v2/d/manifests/1.0", port: proxy.port, fields: [HeaderField("Content-Type", image.root.mediaType)],
                    body: Array(image.root.bytes))
            }
            #expect(try await registry.digest(of: "1.0", in: "d") == image.digest)
        }
    }

    @Test func aHeldRequestGoesOnWhenReleased() async throws {
        try await Self.withProxy { proxy, registry, path in
            proxy.add(FaultRule(.hold, methods: ["HEAD"]))
            async let answer = LoopbackHTTP.send("HEAD", path, port: proxy.port)
            try await eventually("the request to be held") { proxy.held == 1 }
            #expect(try await registry.requests().isEmpty)
            proxy.release()
            #expect(try await answer.status == 200)
        }
    }

    @Test func theProxyGoesDownAndComesBack() async throws {
        try await Self.withProxy { proxy, _, path in
            try await proxy.goDown()
            await #expect(throws: HarnessError.self) { try await LoopbackHTTP.send("HEAD", path, port: proxy.port) }
            try await proxy.comeBack()
            #expect(try await LoopbackHTTP.send("HEAD", path, port: proxy.port).status == 200)
        }
    }

    @Test func aStalledAnswerStaysOpenUntilTheProxyEndsIt() async throws {
        try await Self.withProxy { proxy, _, path in
            proxy.add(FaultRule(.stallResponse(afterBytes: 10), methods: ["GET"]))
            async let outcome = Result.of { try await LoopbackHTTP.send("GET", path, port: proxy.port) }
            try await eventually("the request") { proxy.requests("GET").count == 1 }
            #expect(try await LoopbackHTTP.send("HEAD", path, port: proxy.port).status == 200)
            proxy.cutAll()
            #expect(throws: HarnessError.self, performing: await outcome.get)
        }
    }

    @Test func fieldsAreRewrittenInBothDirections() async throws {
        try await Self.withProxy { proxy, _, path in
            proxy.add(FaultRule(.rewriteResponseField("Docker-Content-Digest", "sha256:lie"), methods: ["HEAD"]))
            let answer = try await LoopbackHTTP.send("HEAD", path, port: proxy.port)
            #expect(answer.value("docker-content-digest") == "sha256:lie" && answer.value("Content-Length") == "1000000")
            proxy.add(FaultRule(.rewriteRequestField("Range", "bytes=0-99"), methods: ["GET"]))
            #expect(try await LoopbackHTTP.send("GET", path, port: proxy.port).body.count == 100)
        }
    }

    /// docker-registry answers the tags of a large repository in chunks: their framing passes and their content is what offsets count.
    @Test func aChunkedAnswerPassesAndIsCutByItsContent() async throws {
        try await Self.withProxy { proxy, registry, _ in
            let image = try ImageFixture.image()
            try await registry.push(image, to: "t")
            for number in 0..<80 { try await registry.push(image.root, to: "t", as: String(repeating: "x", count: 60) + "\(number)") }
            let target = "/v2/t/tags/list"
            let whole = try await LoopbackHTTP.send("GET", target, port: proxy.port)
            #expect(whole.value("Transfer-Encoding") == "chunked")
            #expect(whole.body == (try await LoopbackHTTP.send("GET", target, port: registry.port).body))
            proxy.add(FaultRule(.flipResponseByte(at: 4_500), methods: ["GET"]))
            let bad = try await LoopbackHTTP.send("GET", target, port: proxy.port).body
            #expect(zip(whole.body, bad).enumerated().filter { $1.0 != $1.1 }.map(\.offset) == [4_500])
        }
    }
}

extension Result where Failure == any Error {
    fileprivate static func of(_ work: () async throws -> Success) async -> Self {
        do { return .success(try await work()) } catch { return .failure(error) }
    }
}
