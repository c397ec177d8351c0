import APIModel
import Foundation
import OCI
import TestSupport
import Testing

/// What a pipeline relies on, at the running service: two of them on one database, restarts, slow and greedy callers.
@Suite(.inTurn, .serialized) struct PipelineContractTests {
    private static let body = #"{"image":"shop/api","from":"dev","to":"test","tag":"1.0.0"}"#

    private func send(
        _ method: String, _ path: String, port: Int, _ lift: Lift, _ fields: [HeaderField] = [], _ body: String? = nil
    ) async throws -> HTTPAnswer {
        let secret = try Caller.admin(of: lift).secret
        let own = [HeaderField("Authorization", "Bearer \(secret)"), HeaderField("Content-Type", "application/json")]
        return try await LoopbackHTTP.send(method, path, port: port, fields: own + fields, body: body.map { Array($0.utf8) })
    }

    private func promotion(_ answer: HTTPAnswer) throws -> PromotionResource { try APIJSON.decoder().decode(PromotionResource.self, from: Data(answer.body)) }

    private func ready() async throws -> (lift: Lift, image: ImageFixture) {
        let lift = try await Lift.make()
        let image = try ImageFixture.image(layers: [3 << 20], labels: Lift.labels)
        try await lift.shared.push(image, to: "dev/shop/api", tag: "1.0.0")
        return (lift, image)
    }

    @Test func aKeyHoldsAtEveryReplicaAndAfterARestart() async throws {
        let (lift, _) = try await ready()
        var first = try await lift.start()
        let port = try FreePort.take()
        let second = try await lift.start(with: ["SHIPLIFT_LISTEN": "127.0.0.1:\(port)"])
        try await second.ready(port: port)
        let key = [HeaderField("Idempotency-Key", "build-1")]
        let made = try await send("POST", "/v1/promotions", port: lift.port, lift, key + [HeaderField("Prefer", "wait=60")], Self.body)
        let id = try promotion(made).id
        #expect(made.status == 200 && made.value("Location") == "/v1/promotions/\(id)")
        #expect(try promotion(await send("POST", "/v1/promotions", port: port, lift, key, Self.body)).id == id)
        try await first.kill9()
        first = try await lift.start()
        #expect(try promotion(await send("POST", "/v1/promotions", port: lift.port, lift, key, Self.body)).id == id)
        for port in [lift.port, port] {
            let other = try await send("POST", "/v1/promotions", port: port, lift, key, Self.body.replacing("\"test\"", with: "\"staging\""))
            #expect(other.status == 422 && other.text.contains("idempotency-key-reused"))
        }
        // Another caller's key of the same name is another key.
        let colleague = try await Caller.admin(of: lift).colleague("other", role: "promoter")
        let answer = try await LoopbackHTTP.send(
            "POST", "/v1/promotions", port: port, fields: [HeaderField("Authorization", "Bearer \(colleague.secret)")] + key, body: Array(Self.body.utf8))
        #expect(try promotion(answer).id != id)
        try await second.terminate()
        try await first.terminate()
    }

    @Test func eventsComeFromEveryReplicaWithoutLossOrDoubling() async throws {
        let (lift, _) = try await ready()
        let first = try await lift.start()
        let port = try FreePort.take()
        let second = try await lift.start(with: ["SHIPLIFT_LISTEN": "127.0.0.1:\(port)"])
        try await second.ready(port: port)
        let asked = try promotion(await send("POST", "/v1/promotions", port: lift.port, lift, [], Self.body.replacing("\"test\"", with: "\"staging\"")))
        let path = "/v1/promotions/\(asked.id)/events"
        // Both listen from the beginning while it is under way; whichever replica does the work, both hear the same.
        async let here = send("GET", path, port: lift.port, lift)
        async let there = send("GET", path, port: port, lift)
        let (one, two) = try await (here, there)
        #expect(one.value("Content-Type") == "text/event-stream")
        let (heard, elsewhere) = (try Self.events(one.text), try Self.events(two.text))
        #expect(heard.compactMap(\.id) == elsewhere.compactMap(\.id) && Set(heard.compactMap(\.id)).count == heard.compactMap(\.id).count)
        #expect(heard.first?.state == "requested" && heard.last?.state == "succeeded")
        #expect(heard.contains { $0.name == "decision" })
        // From each place on, at the other replica: the rest and nothing else.
        for (index, event) in heard.enumerated() {
            guard let id = event.id else { continue }
            let rest = try await send("GET", path, port: port, lift, [HeaderField("Last-Event-ID", id)])
            let expected = heard[(index + 1)...].compactMap(\.id)
            #expect((rest.status == 204) == expected.isEmpty)
            #expect(try Self.events(rest.text).compactMap(\.id) == expected)
        }
        #expect(try await send("GET", path, port: port, lift, [HeaderField("Last-Event-ID", "99999")]).status == 422)
        let watched = try await lift.command("watch", asked.id, "-o", "json")
        #expect(watched.status == .exited(0) && watched.output.contains("\"succeeded\""))
        try await second.terminate()
        try await first.terminate()
    }

    private static func events(_ text: String) throws -> [(name: String, id: String?, state: String?)] {
        try text.components(separatedBy: "\n\n").compactMap { block in
            func value(_ name: String) -> String? { block.split(separator: "\n").first { $0.hasPrefix(name + ": ") }.map { String($0.dropFirst(name.count + 2)) } }
            guard let name = value("event") else { return nil }
            let state = try name == "state" ? value("data").map { try APIJSON.decoder().decode(StateEventResource.self, from: Data($0.utf8)).state } : nil
            return (name, value("id"), state)
        }
    }

    /// Who waits when the service stops is sent away at once, and not held until the end.
    @Test func aStopSendsWaitersAway() async throws {
        let (lift, _) = try await ready()
        let service = try await lift.start()
        lift.toShared.add(FaultRule(.stallResponse(afterBytes: 1 << 20), methods: ["GET"], target: "/blobs/"))
        let asked = try promotion(await send("POST", "/v1/promotions", port: lift.port, lift, [], Self.body.replacing("\"test\"", with: "\"staging\"")))
        async let waiter = send("GET", "/v1/promotions/\(asked.id)", port: lift.port, lift, [HeaderField("Prefer", "wait=600")])
        async let listener = send("GET", "/v1/promotions/\(asked.id)/events", port: lift.port, lift)
        try await eventually("the copy to be under way") { !lift.toShared.requests("GET", "/blobs/").isEmpty }
        try await Task.sleep(for: .milliseconds(300))
        let began = ContinuousClock.now
        #expect(try await service.terminate(within: .seconds(60)) == .exited(0))
        let (waited, heard) = try await (waiter, listener)
        #expect(waited.status == 200 && waited.value("Preference-Applied") == "wait=600")
        #expect(try promotion(waited).state == "copying")
        #expect(try Self.events(heard.text).last { $0.state != nil }?.state == "copying")
        #expect(began.duration(to: .now) < .seconds(40))
    }

    @Test func greedyCallersAreHeldBackAndGuessersToo() async throws {
        let lift = try await Lift.make()
        let service = try await lift.start(with: ["SHIPLIFT_RATE_LIMIT": "20", "SHIPLIFT_REFUSED_LIMIT": "5"])
        let colleague = try await Caller.admin(of: lift).colleague("other", role: "reader")
        var last = try await send("GET", "/v1/keys", port: lift.port, lift)
        #expect(last.value("RateLimit-Policy") == "\"caller\";q=20;w=60" && last.value("RateLimit") == "\"caller\";r=18;t=6")
        for _ in 0..<19 { last = try await send("GET", "/v1/keys", port: lift.port, lift) }
        #expect(last.status == 429 && last.text.contains("rate-limited") && last.value("Retry-After").flatMap { Int($0) }.map { (1...3).contains($0) } == true)
        #expect(last.value("RateLimit")?.hasPrefix("\"caller\";r=0;") == true)
        #expect(try await colleague.send("GET", "/v1/keys").status == 200, "one caller's limit is not another's")
        let guesser = Caller(port: lift.port, secret: "shp_x", id: "")
        var statuses: [Int] = []
        for _ in 0..<7 { statuses.append(try await guesser.send("GET", "/v1/keys").status) }
        #expect(statuses == [401, 401, 401, 401, 401, 429, 429])
        #expect(try await colleague.send("GET", "/v1/keys").status == 200, "who shows a valid token is not held back for others from its address")
        try await service.terminate()
    }

    @Test func slowRequestsAreCutOff() async throws {
        let lift = try await Lift.make()
        let service = try await lift.start()
        let program = """
            import socket, sys, threading, time
            def trickle(first):
                s = socket.create_connection(("127.0.0.1", \(lift.port)))
                s.sendall(first)
                began = time.time()
                s.settimeout(1)
                while time.time() - began < 50:
                    try:
                        s.sendall(b"a")
                        if s.recv(1) == b"": break
                    except TimeoutError: pass
                    except OSError: break
                return time.time() - began
            took = {}
            def run(name, first): took[name] = trickle(first)
            heads = b"GET /healthz HTTP/1.1\\r\\nHost: a\\r\\nX-A: "
            body = b"POST /v1/promotions HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 1000\\r\\n\\r\\n"
            threads = [threading.Thread(target=run, args=a) for a in (("head", heads), ("body", body))]
            [t.start() for t in threads]; [t.join() for t in threads]
            print(int(took["head"]), int(took["body"]))
            """
        let took = try await Tool.check("/usr/bin/env", ["python3", "-c", program], within: .seconds(120)).split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
        #expect(took.count == 2 && (9...15).contains(took[0]) && took[1] <= 36, "\(took)")
        try await service.terminate()
    }

    @Test func thoseWhoMoveOverGoOnWithTheirCalls() async throws {
        let (lift, image) = try await ready()
        let service = try await lift.start(with: ["SHIPLIFT_FOREIGN_NAMES": "docker-dev-local=dev"])
        let secret = try Caller.admin(of: lift).secret
        let port = lift.port
        func call(_ path: String, _ credentials: HeaderField, _ body: String) async throws -> HTTPAnswer {
            try await LoopbackHTTP.send("POST", path, port: port, fields: [credentials, HeaderField("Content-Type", "application/json")], body: Array(body.utf8))
        }
        let artifactory = "/api/docker/docker-dev-local/v2/promote"
        let move = #"{"targetRepo":"test","dockerRepository":"shop/api","tag":"1.0.0"}"#
        let refused = try await call(artifactory, HeaderField("X-JFrog-Art-Api", secret), move)
        #expect(refused.status == 422 && refused.text.contains("move-refused") && refused.text.contains("moves_as_copies"))
        let copied = try await call(
            artifactory, HeaderField("X-JFrog-Art-Api", secret), #"{"targetRepo":"test","dockerRepository":"shop/api","tag":"1.0.0","targetTag":"7","copy":true}"#)
        #expect(copied.status == 200)
        #expect(try promotion(copied).state == "succeeded")
        #expect(try await lift.shared.digest(of: "7", in: "test/shop/api") == image.digest)
        let basic = Data("ci:\(secret)".utf8).base64EncodedString()
        let proGet = #"{"group":"shop","name":"api","version":"7","fromFeed":"test","toFeed":"staging","comments":"release 7"}"#
        for credentials in [HeaderField("X-ApiKey", secret), HeaderField("Authorization", "Basic \(basic)"), HeaderField("Authorization", "Bearer \(secret)")] {
            let answer = try await call("/api/promotions/promote", credentials, proGet)
            #expect(answer.status == 200, "\(answer.text)")
            #expect(try promotion(answer).reason == "release 7")
        }
        #expect(try await lift.staging.digest(of: "7", in: "staging/shop/api") == image.digest)
        let acts = try await lift.acts(of: try promotion(copied).id)
        #expect(acts.contains("promotion.requested") && acts.contains("promotion.succeeded"))
        #expect(try await call("/api/promotions/promote", HeaderField("X-ApiKey", "shp_x"), proGet).status == 401)
        // Their headers open nothing else.
        #expect(try await LoopbackHTTP.send("GET", "/v1/keys", port: port, fields: [HeaderField("X-ApiKey", secret)]).status == 401)
        let unknown = try await call("/api/promotions/promote", HeaderField("X-ApiKey", secret), proGet.replacing("\"staging\"", with: "\"nowhere\""))
        #expect(unknown.status == 422 && unknown.text.contains("toFeed"))
        let denied = try await call(
            "/api/promotions/promote", HeaderField("X-ApiKey", secret),
            proGet.replacing("\"test\"", with: "\"staging\"").replacing("\"toFeed\":\"staging\"", with: "\"toFeed\":\"dev\""))
        #expect(denied.status == 403 && denied.text.contains("promotion-denied"), "\(denied.text)")
        try await service.terminate()
        let lenient = try await lift.start(with: ["SHIPLIFT_FOREIGN_NAMES": "docker-dev-local=dev", "SHIPLIFT_MOVES_AS_COPIES": "true"])
        #expect(try await call(artifactory, HeaderField("X-JFrog-Art-Api", secret), move).status == 200)
        #expect(try await lift.shared.digest(of: "1.0.0", in: "dev/shop/api") == image.digest, "nothing was taken away")
        try await lenient.terminate()
    }

    @Test func answersAreCompressedForThoseWhoTakeIt() async throws {
        let lift = try await Lift.make()
        let service = try await lift.start()
        let base = "http://127.0.0.1:\(lift.port)"
        let plain = try await Tool.check("/usr/bin/curl", ["-s", base + "/openapi.yaml"])
        #expect(try await Tool.check("/usr/bin/curl", ["-s", "--compressed", base + "/openapi.yaml"]) == plain)
        let size = try await Tool.check("/usr/bin/curl", ["-s", "-H", "Accept-Encoding: gzip", "-o", "/dev/null", "-w", "%{size_download}", base + "/openapi.yaml"])
        #expect(Int(size).map { $0 * 4 < plain.utf8.count } == true)
        try await service.terminate()
    }
}
