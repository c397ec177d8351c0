import Foundation
import HTTPTransport
import Synchronization
import TestSupport
import Testing

@Suite(.inTurn, .timeLimit(.minutes(15))) struct ClientTests {
    @Test(
        arguments: [
            (HTTPMethod.get, nil), (.head, nil), (.delete, nil), (.post, []), (.post, nil), (.put, Array("{}".utf8)),
            (.patch, [UInt8](repeating: 7, count: 300_000)),
        ] as [(HTTPMethod, [UInt8]?)]) func sendsAndReceivesExactly(method: HTTPMethod, body: [UInt8]?) async throws
    {
        let requests = Record<ReceivedRequest>()
        let bodies = Record<[UInt8]>()
        let script = serving { request, connection in
            requests.append(request)
            bodies.append(connection.readWholeBody(request))
            if request.method == "HEAD" {
                try connection.write("HTTP/1.1 200 OK\r\nContent-Length: 12345\r\nX-A: 1\r\nX-A:  2 \r\n\r\n")
            } else {
                try connection.answer(201, ["X-A: 1", "X-A:  2 "], body: Array("hello".utf8))
            }
        }
        try await withServer(script) { server in
            try await withClient { client in
                let url = try server.url("/v2/a/../b//c?x=%2F&_state=A==")
                let fields = try HTTPFields(["Authorization": "Bearer t", "Accept": "a/b, c/d", "X-Empty": ""])
                let request = HTTPRequest(method, url, fields: fields, body: body)
                let response = try await client.send(request, settings: quickSettings(), maximumBodyBytes: 100)
                #expect(response.status == (method == .head ? 200 : 201))
                #expect(response.fields.all("x-a") == ["1", "2"])
                #expect(response.body == (method == .head ? [] : Array("hello".utf8)))
                #expect(response.head.contentLength == (method == .head ? 12345 : 5))
            }
        }
        let request = try #require(requests.all.first)
        #expect(request.method == method.rawValue)
        #expect(request.target == "/v2/a/../b//c?x=%2F&_state=A==")
        #expect(request["authorization"] == "Bearer t")
        #expect(request["accept"] == "a/b, c/d")
        #expect(request["x-empty"] == "")
        #expect(request["expect"] == nil)
        #expect(request["accept-encoding"] == nil)
        #expect(bodies.all.first == body ?? [])
        let takesBody = method == .post || method == .put || method == .patch
        #expect(request["content-type"] == (takesBody ? "application/octet-stream" : nil))
        #expect(request["content-length"] == (takesBody ? "\(body?.count ?? 0)" : nil))
        #expect(request["transfer-encoding"] == nil)
    }

    @Test func doesNotFollowRedirects() async throws {
        let script = serving { request, connection in try connection.answer(307, ["Location: /elsewhere"]) }
        try await withServer(script) { server in
            try await withClient { client in
                let response = try await client.send(
                    HTTPRequest(.get, server.url()), settings: quickSettings(), maximumBodyBytes: 0)
                #expect(response.status == 307)
                #expect(response.fields["location"] == "/elsewhere")
                #expect(server.connectionCount == 1)
            }
        }
    }

    /// With and without a length that tells beforehand.
    @Test(arguments: [true, false]) func limitsTheBody(announced: Bool) async throws {
        let script: ScriptedServer.Script = { connection in
            _ = try connection.readRequest()
            try connection.write("HTTP/1.1 200 OK\r\n" + (announced ? "Content-Length: 101\r\n" : "") + "\r\n")
            try connection.write(String(repeating: "x", count: 101))
        }
        try await withServer(script) { server in
            try await withClient { client in
                let request = HTTPRequest(.get, try server.url("/?secret"))
                let error = await transportError {
                    _ = try await client.send(request, settings: quickSettings(), maximumBodyBytes: 100)
                }
                let url = try server.url().redacted
                #expect(error == .bodyTooLarge(url: url, limit: 100))
                if !announced {
                    let whole = try await client.send(request, settings: quickSettings(), maximumBodyBytes: 101)
                    #expect(whole.body.count == 101)
                }
            }
        }
    }

    @Test func limitsTheHead() async throws {
        let script: ScriptedServer.Script = { connection in
            _ = try connection.readRequest()
            try connection.write("HTTP/1.1 200 OK\r\n")
            for index in 0..<200 { try connection.write("X-\(index): " + String(repeating: "y", count: 400) + "\r\n") }
            try connection.write("Content-Length: 0\r\n\r\n")
        }
        try await withServer(script) { server in
            try await withClient { client in
                let request = HTTPRequest(.get, try server.url())
                let error = await transportError {
                    _ = try await client.send(request, settings: quickSettings(), maximumBodyBytes: 100)
                }
                let url = try server.url().redacted
                #expect(error == .headersTooLarge(url: url, limit: 65536))
            }
        }
    }

    @Test func skipsInterimAnswers() async throws {
        let script: ScriptedServer.Script = { connection in
            _ = try connection.readRequest()
            try connection.write("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\nX: y\r\n\r\n")
        }
        try await withServer(script) { server in
            try await withClient { client in
                let response = try await client.send(
                    HTTPRequest(.get, server.url()), settings: quickSettings(), maximumBodyBytes: 0)
                #expect(response.status == 204)
                #expect(response.fields["link"] == nil)
                #expect(response.fields["x"] == "y")
            }
        }
    }

    @Test(arguments: ["silent", "in the head", "in the body"]) func stallsEnd(where place: String) async throws {
        let script: ScriptedServer.Script = { connection in
            _ = try connection.readRequest()
            if place != "silent" { try connection.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n") }
            if place == "in the body" { try connection.write("\r\nabc") }
            connection.waitForClose()
        }
        try await withServer(script) { server in
            try await withClient { client in
                let settings = quickSettings { $0.stallTimeout = .milliseconds(300) }
                let request = HTTPRequest(.get, try server.url())
                let error = await transportError {
                    _ = try await client.send(request, settings: settings, maximumBodyBytes: 100)
                }
                let url = try server.url().redacted
                #expect(error == .stalled(url: url, after: .milliseconds(300)))
            }
        }
    }

    @Test func totalTimeEnds() async throws {
        let script: ScriptedServer.Script = { connection in
            _ = try connection.readRequest()
            try connection.write("HTTP/1.1 200 OK\r\n\r\n")
            while true {
                try connection.write("x")
                _ = connection.canWrite(within: 1)
                usleep(10_000)
            }
        }
        try await withServer(script) { server in
            try await withClient { client in
                let settings = quickSettings { $0.totalTimeout = .milliseconds(400) }
                let request = HTTPRequest(.get, try server.url())
                let error = await transportError {
                    _ = try await client.send(request, settings: settings, maximumBodyBytes: 1 << 30)
                }
                let url = try server.url().redacted
                #expect(error == .timedOut(url: url, phase: .total))
            }
        }
    }

    @Test func refusedConnections() async throws {
        let server = try ScriptedServer { _ in }
        let url = try server.url("/p?secret=1")
        server.stop()
        try await withClient { client in
            let error = await transportError {
                _ = try await client.send(HTTPRequest(.get, url), settings: quickSettings(), maximumBodyBytes: 0)
            }
            #expect(error == .connect(url: url.redacted))
            #expect(error?.isRetryable == true)
            #expect(error.map { "\($0)".contains("secret") } == false)
        }
    }

    @Test func unknownHosts() async throws {
        try await withClient { client in
            let url = try HTTPURL(parsing: "http://does-not-exist.invalid/")
            let error = await transportError {
                _ = try await client.send(HTTPRequest(.get, url), settings: quickSettings(), maximumBodyBytes: 0)
            }
            #expect(error == .resolve(url: url.redacted))
        }
    }

    @Test func shortBodies() async throws {
        let script: ScriptedServer.Script = { connection in
            _ = try connection.readRequest()
            try connection.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        }
        try await withServer(script) { server in
            try await withClient { client in
                let error = await transportError {
                    _ = try await client.send(
                        HTTPRequest(.get, server.url()), settings: quickSettings(), maximumBodyBytes: 100)
                }
                let url = try server.url().redacted
                #expect(error == .receiveFailed(url: url, received: 3, expected: 10))
            }
        }
    }

    /// The body went out, the connection broke: it must not be sent a second time.
    @Test func bodiesAreNeverSentTwice() async throws {
        let bodies = Record<Int>()
        let script: ScriptedServer.Script = { connection in
            let first = try connection.readRequest()
            let body = connection.readBody(first.bodyBytes)
            guard bodies.all.isEmpty else { return bodies.append(body) }
            try connection.answer(200)
            let second = try connection.readRequest()
            bodies.append(connection.readBody(second.bodyBytes))
        }
        try await withServer(script) { server in
            try await withClient { client in
                let request = HTTPRequest(.put, try server.url(), body: [1, 2, 3])
                _ = try await client.send(request, settings: quickSettings(), maximumBodyBytes: 0)
                let error = await transportError {
                    _ = try await client.send(request, settings: quickSettings(), maximumBodyBytes: 0)
                }
                let url = try server.url().redacted
                #expect(error == .sendFailed(url: url, sent: 3))
                #expect(bodies.all == [3])
            }
        }
    }

    @Test func keepsConnections() async throws {
        try await withServer(serving { _, connection in try connection.answer(200) }) { server in
            try await withClient { client in
                for _ in 0..<20 {
                    _ = try await client.send(
                        HTTPRequest(.get, server.url()), settings: quickSettings(), maximumBodyBytes: 0)
                }
                #expect(server.connectionCount == 1)
            }
        }
    }

    @Test func manyAtOnceWithinTheLimit() async throws {
        let running = Mutex<(now: Int, most: Int)>((0, 0))
        let script = serving { request, connection in
            running.withLock {
                $0.now += 1
                $0.most = max($0.most, $0.now)
            }
            usleep(2_000)
            running.withLock { $0.now -= 1 }
            try connection.answer(200, body: Array(request.target.utf8))
        }
        try await withServer(script) { server in
            try await withClient { client in
                let settings = quickSettings { $0.maximumConnectionsPerHost = 8 }
                try await withThrowingTaskGroup(of: Bool.self) { group in
                    for index in 0..<64 {
                        let url = try server.url("/\(index)")
                        group.addTask {
                            let response = try await client.send(
                                HTTPRequest(.get, url), settings: settings, maximumBodyBytes: 100)
                            return response.body == Array("/\(index)".utf8)
                        }
                    }
                    for try await isRight in group { #expect(isRight) }
                }
                #expect(server.connectionCount <= 8)
                #expect(running.withLock { $0.most } <= 8)
                #expect(running.withLock { $0.most } > 1)
            }
        }
    }

    @Test func shutdownEndsWhatRuns() async throws {
        let (asked, tell) = AsyncStream<Void>.makeStream()
        let script: ScriptedServer.Script = { connection in
            _ = try connection.readRequest()
            tell.yield()
            connection.waitForClose()
        }
        try await withServer(script) { server in
            try await withClient { client in
                let url = try server.url()
                async let error = transportError {
                    _ = try await client.send(HTTPRequest(.get, url), settings: quickSettings(), maximumBodyBytes: 0)
                }
                for await _ in asked { break }
                await client.shutdown()
                #expect(await error == .shutDown(url: url.redacted))
                let late = await transportError {
                    _ = try await client.send(HTTPRequest(.get, url), settings: quickSettings(), maximumBodyBytes: 0)
                }
                #expect(late == .shutDown(url: url.redacted))
            }
        }
    }
}
