import Foundation
import HTTPTransport
import TestSupport
import Testing

@Suite(.inTurn, .timeLimit(.minutes(15))) struct DownloadTests {
    /// A reader that does not read holds the server; then everything arrives.
    @Test func aSlowReaderHoldsTheServer() async throws {
        let size = 64 << 20
        let (stuck, tell) = AsyncStream<Int>.makeStream()
        let script: ScriptedServer.Script = { connection in
            _ = try connection.readRequest()
            try connection.write("HTTP/1.1 200 OK\r\nContent-Length: \(size)\r\n\r\n")
            let piece = [UInt8](repeating: 9, count: 64 * 1024)
            var sent = 0
            var isFree = true
            while sent < size {
                if isFree, !connection.canWrite(within: 500) {
                    isFree = false
                    tell.yield(sent)
                }
                try connection.write(piece[...])
                sent += piece.count
            }
            tell.finish()
        }
        try await withServer(script) { server in
            try await withClient { client in
                let total = try await client.withDownload(HTTPRequest(.get, server.url()), settings: quickSettings()) {
                    _, body in
                    var heldAt: Int?
                    for await sent in stuck {
                        heldAt = sent
                        break
                    }
                    #expect((heldAt ?? size) < 16 << 20)
                    var total = 0
                    for try await chunk in body {
                        #expect(chunk.count <= 512 * 1024)
                        total += chunk.count
                    }
                    return total
                }
                #expect(total == size)
            }
        }
    }

    @Test func collectsUpToALimit() async throws {
        let script = serving { _, connection in try connection.answer(200, body: [UInt8](repeating: 1, count: 100_000))
        }
        try await withServer(script) { server in
            try await withClient { client in
                let whole = try await client.withDownload(HTTPRequest(.get, server.url()), settings: quickSettings()) {
                    try await $1.collect(upTo: 100_000)
                }
                #expect(whole.count == 100_000)
                let error = await transportError {
                    _ = try await client.withDownload(HTTPRequest(.get, server.url()), settings: quickSettings()) {
                        try await $1.collect(upTo: 99_999)
                    }
                }
                let url = try server.url().redacted
                #expect(error == .bodyTooLarge(url: url, limit: 99_999))
            }
        }
    }

    @Test func aBodyThatIsCutOffIsAnError() async throws {
        let script: ScriptedServer.Script = { connection in
            _ = try connection.readRequest()
            try connection.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        }
        try await withServer(script) { server in
            try await withClient { client in
                let error = await transportError {
                    _ = try await client.withDownload(HTTPRequest(.get, server.url()), settings: quickSettings()) {
                        try await $1.collect(upTo: 100)
                    }
                }
                let url = try server.url().redacted
                #expect(error == .receiveFailed(url: url, received: 3, expected: 10))
            }
        }
    }
}
