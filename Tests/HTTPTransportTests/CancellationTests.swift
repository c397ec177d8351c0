import Foundation
import HTTPTransport
import TestSupport
import Testing

@Suite(.inTurn, .timeLimit(.minutes(15))) struct CancellationTests {
    @Test func cancellingClosesTheConnection() async throws {
        let (asked, tellAsked) = AsyncStream<Void>.makeStream()
        let (closed, tellClosed) = AsyncStream<ContinuousClock.Instant>.makeStream()
        let script: ScriptedServer.Script = { connection in
            _ = try connection.readRequest()
            tellAsked.yield()
            connection.waitForClose()
            tellClosed.yield(.now)
        }
        try await withServer(script) { server in
            try await withClient { client in
                let url = try server.url()
                let error = try await withThrowingTaskGroup(of: HTTPTransportError?.self) { group in
                    group.addTask {
                        await transportError {
                            _ = try await client.send(
                                HTTPRequest(.get, url), settings: quickSettings(), maximumBodyBytes: 0)
                        }
                    }
                    for await _ in asked { break }
                    let start = ContinuousClock.now
                    group.cancelAll()
                    let error = try await group.next()
                    for await instant in closed {
                        #expect(instant - start < .seconds(1))
                        break
                    }
                    return error
                }
                #expect(error == .some(.cancelled(url: url.redacted)))
            }
        }
    }

    @Test func cancelledBeforeItBegan() async throws {
        try await withServer(serving { _, connection in try connection.answer(200) }) { server in
            try await withClient { client in
                let url = try server.url()
                let error = await withTaskGroup(of: HTTPTransportError?.self) { group in
                    group.cancelAll()
                    group.addTask {
                        await transportError {
                            _ = try await client.send(
                                HTTPRequest(.get, url), settings: quickSettings(), maximumBodyBytes: 0)
                        }
                    }
                    return await group.next() ?? nil
                }
                #expect(error == .cancelled(url: url.redacted))
            }
        }
    }

    @Test func leavingADownloadClosesTheConnection() async throws {
        let (closed, tell) = AsyncStream<Void>.makeStream()
        let script: ScriptedServer.Script = { connection in
            _ = try connection.readRequest()
            try connection.write("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nabc")
            connection.waitForClose()
            tell.yield()
        }
        try await withServer(script) { server in
            try await withClient { client in
                let first = try await client.withDownload(HTTPRequest(.get, server.url()), settings: quickSettings()) {
                    head, body in
                    #expect(head.contentLength == 1_000_000)
                    var iterator = body.makeAsyncIterator()
                    return try await iterator.next()
                }
                #expect(first == Array("abc".utf8))
                for await _ in closed { break }
            }
        }
    }

    @Test func cancellingADownloadWakesItsReader() async throws {
        let (reading, tell) = AsyncStream<Void>.makeStream()
        let script: ScriptedServer.Script = { connection in
            _ = try connection.readRequest()
            try connection.write("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nabc")
            connection.waitForClose()
        }
        try await withServer(script) { server in
            try await withClient { client in
                let url = try server.url()
                let error = await withTaskGroup(of: HTTPTransportError?.self) { group in
                    group.addTask {
                        await transportError {
                            try await client.withDownload(HTTPRequest(.get, url), settings: quickSettings()) {
                                _, body in
                                for try await _ in body { tell.yield() }
                            }
                        }
                    }
                    for await _ in reading { break }
                    group.cancelAll()
                    return await group.next() ?? nil
                }
                #expect(error == .cancelled(url: url.redacted))
            }
        }
    }
}
