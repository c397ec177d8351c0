import Foundation
import Synchronization
import TestSupport
import Testing

@testable import HTTPTransport

@Suite(.inTurn, .timeLimit(.minutes(15))) struct RelaySourceFaultTests {
    /// At the start, in the middle, and in the very last byte; smaller and larger than what is held back.
    @Test(arguments: [(3_000_000, 0), (3_000_000, 1_500_000), (3_000_000, 2_999_999), (1000, 500), (1, 0)])
    func aFlippedByteNeverCompletes(size: Int, position: Int) async throws {
        let good = Blob(size: size)
        var bytes = good.bytes
        bytes[position] ^= 1
        let bad = bytes
        let uploads = Record<Upload>()
        try await withServer(serving { _, connection in try connection.answer(200, body: bad) }) { from in
            try await withServer(target(uploads)) { to in
                try await withServer(target(uploads)) { other in
                    try await withClient { client in
                        let report = try #require(
                            try await client.relay(relayRequest(good, from: from, to: [to, other])).report)
                        let found = Blob.digest(of: [bad], .sha256)
                        let error = HTTPTransportError.digestMismatch(
                            url: try from.url("/blob").redacted, expected: good.sha256, found: found)
                        #expect(report.verdict == .refused(error))
                        #expect(report.targets[0]?.failure == error)
                        #expect(report.targets[1]?.failure == error)
                    }
                }
            }
        }
        #expect(uploads.all.allSatisfy { !$0.isWhole })
        #expect(uploads.all.allSatisfy { $0.count <= max(0, size - 65536) })
    }

    /// All bytes are there, but the source has not said that it is done: the last 64 KiB wait.
    @Test func theLastBytesWaitForTheVerdict() async throws {
        let size = 1_000_000
        let isHeld = DispatchSemaphore(value: 0)
        let early = Record<Bool>()
        let script: ScriptedServer.Script = { connection in
            _ = try connection.readRequest()
            try connection.write("HTTP/1.1 200 OK\r\n\r\n")
            try connection.write([UInt8](repeating: 7, count: size)[...])
            _ = isHeld.wait(timeout: .now() + 20)
        }
        let sink: ScriptedServer.Script = { connection in
            _ = try connection.readRequest()
            connection.readBody(size - 65536)
            early.append(connection.canRead(within: 300))
            isHeld.signal()
            early.append(connection.readBody(65536) > 0)
        }
        try await withServer(script) { from in
            try await withServer(sink) { to in
                try await withClient { client in
                    let report = try #require(
                        try await client.relay(relayRequest(Blob(size: size), from: from, to: [to])).report)
                    guard case .failed(.digestMismatch) = report.targets[0] else {
                        Issue.record("\(String(describing: report.targets[0]))")
                        return
                    }
                }
            }
            try await eventually("both looks at the target") { early.all.count == 2 }
        }
        #expect(early.all == [false, false])
    }

    @Test(arguments: [[0], [1], [1_500_000], [2_999_999], [1_000_000, 2_000_000, 2_999_999]])
    func aCutSourceIsResumed(cuts: [Int]) async throws {
        let blob = Blob(size: 3_000_000)
        let uploads = Record<Upload>()
        let reads = Record<ReceivedRequest>()
        try await withServer(source(blob, requests: reads, cutAt: cuts)) { from in
            try await withServer(target(uploads)) { to in
                try await withClient { client in
                    let report = try #require(try await client.relay(relayRequest(blob, from: from, to: [to])).report)
                    #expect(report.targets[0]?.status == 201)
                    #expect(report.resumes == cuts.count)
                    #expect(report.sourceBytes == 3_000_000)
                }
            }
        }
        #expect(uploads.all.map(\.digest) == [blob.sha256])
        #expect(reads.all.map { $0["range"] } == [nil] + cuts.map { $0 == 0 ? nil : "bytes=\($0)-" })
        #expect(reads.all.dropFirst().map { $0["if-range"] } == cuts.map { $0 == 0 ? nil : "\"tag\"" })
    }

    @Test func aWholeAnswerToARangeRequestIsSkippedOver() async throws {
        let blob = Blob(size: 3_000_000)
        let uploads = Record<Upload>()
        let reads = Record<ReceivedRequest>()
        try await withServer(source(blob, requests: reads, honoursRange: false, cutAt: [2_000_000])) { from in
            try await withServer(target(uploads)) { to in
                try await withClient { client in
                    let report = try #require(try await client.relay(relayRequest(blob, from: from, to: [to])).report)
                    #expect(report.targets[0]?.status == 201)
                    #expect(report.sourceBytes == 5_000_000)
                }
            }
        }
        #expect(uploads.all.map(\.digest) == [blob.sha256])
    }

    @Test func aSourceThatBreaksAgainAndAgainGivesUp() async throws {
        let blob = Blob(size: 3_000_000)
        let uploads = Record<Upload>()
        let reads = Record<ReceivedRequest>()
        let cuts = [1_000_000, 1_000_001, 1_000_002, 1_000_003]
        try await withServer(source(blob, requests: reads, cutAt: cuts)) { from in
            try await withServer(target(uploads)) { to in
                try await withClient { client in
                    let report = try #require(
                        try await client.relay(relayRequest(blob, from: from, to: [to], resumes: 2)).report)
                    guard case .failed(.sourceFailed(_, 1_000_002, .receiveFailed)) = report.targets[0] else {
                        Issue.record("\(String(describing: report.targets[0]))")
                        return
                    }
                }
            }
        }
        #expect(reads.all.count == 3)
        #expect(uploads.all.allSatisfy { !$0.isWhole })
    }

    @Test(arguments: ["bytes 5-2999999/3000000", "bytes 1000000-2999999/4000000", "bytes */3000000", "x"])
    func aRangeThatWasNotAskedForIsRefused(range: String) async throws {
        let blob = Blob(size: 3_000_000)
        let uploads = Record<Upload>()
        let script = serving { request, connection in
            guard request["range"] != nil else {
                try connection.write("HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n")
                try connection.write(blob.bytes[..<1_000_000])
                throw SocketFailure(code: 0)
            }
            let rest = Array(blob.bytes[1_000_000...])
            try connection.write("HTTP/1.1 206 OK\r\nContent-Range: \(range)\r\nContent-Length: \(rest.count)\r\n\r\n")
            try connection.write(rest[...])
        }
        try await withServer(script) { from in
            try await withServer(target(uploads)) { to in
                try await withClient { client in
                    let report = try #require(try await client.relay(relayRequest(blob, from: from, to: [to])).report)
                    guard case .failed(.sourceFailed(_, 1_000_000, .invalidResponse)) = report.targets[0] else {
                        Issue.record("\(String(describing: report.targets[0]))")
                        return
                    }
                }
            }
        }
        #expect(uploads.all.allSatisfy { !$0.isWhole })
    }

    @Test func anExpiredSourceIsReportedWithItsStatus() async throws {
        let blob = Blob(size: 3_000_000)
        let script = serving { request, connection in
            guard request["range"] != nil else {
                try connection.write("HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n")
                try connection.write(blob.bytes[..<1_000_000])
                throw SocketFailure(code: 0)
            }
            try connection.answer(403)
        }
        try await withServer(script) { from in
            try await withServer(target(Record())) { to in
                try await withClient { client in
                    let report = try #require(try await client.relay(relayRequest(blob, from: from, to: [to])).report)
                    let url = try from.url("/blob").redacted
                    #expect(
                        report.targets[0]?.failure
                            == .sourceFailed(
                                url: url, afterBytes: 1_000_000, cause: .unexpectedStatus(url: url, status: 403)))
                    #expect(report.resumes == 1)
                }
            }
        }
    }

    @Test func aStalledSourceIsResumed() async throws {
        let blob = Blob(size: 3_000_000)
        let uploads = Record<Upload>()
        let script = serving { request, connection in
            guard request["range"] != nil else {
                try connection.write("HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n")
                try connection.write(blob.bytes[..<1_000_000])
                return connection.waitForClose()
            }
            let rest = blob.bytes[1_000_000...]
            try connection.write(
                "HTTP/1.1 206 OK\r\nContent-Range: bytes 1000000-2999999/3000000\r\nContent-Length: \(rest.count)\r\n\r\n"
            )
            try connection.write(rest)
        }
        try await withServer(script) { from in
            try await withServer(target(uploads)) { to in
                try await withClient { client in
                    let settings = quickSettings { $0.stallTimeout = .milliseconds(500) }
                    let report = try #require(
                        try await client.relay(relayRequest(blob, from: from, to: [to], settings: settings)).report)
                    #expect(report.targets[0]?.status == 201)
                    #expect(report.resumes == 1)
                }
            }
        }
        #expect(uploads.all.map(\.digest) == [blob.sha256])
    }

    @Test(arguments: [206, 204, 302, 401, 404, 429, 503]) func aSourceThatRefusesContactsNoTarget(status: Int)
        async throws
    {
        let blob = Blob(size: 1000)
        let script = serving { _, connection in
            try connection.answer(
                status, ["Location: /x", "Retry-After: 7"], body: status == 204 ? [] : Array("why".utf8))
        }
        try await withServer(script) { from in
            try await withServer(target(Record())) { to in
                try await withClient { client in
                    let refusal = try #require(try await client.relay(relayRequest(blob, from: from, to: [to])).refusal)
                    #expect(refusal.status == status)
                    #expect(refusal.fields["retry-after"] == "7")
                    #expect(refusal.body == (status == 204 ? [] : Array("why".utf8)))
                    #expect(to.connectionCount == 0)
                }
            }
        }
    }

    @Test func aLongRefusalIsCut() async throws {
        let script = serving { _, connection in
            try connection.answer(404, body: [UInt8](repeating: 1, count: 1_000_000))
        }
        try await withServer(script) { from in
            try await withClient { client in
                let refusal = try #require(
                    try await client.relay(relayRequest(Blob(size: 1), from: from, to: [from])).refusal)
                #expect(refusal.status == 404)
                #expect(refusal.body.count == 65536)
            }
        }
    }

    @Test(arguments: [999_999, 1_000_001]) func anotherLengthContactsNoTarget(announced: Int) async throws {
        let blob = Blob(size: 1_000_000)
        let script: ScriptedServer.Script = { connection in
            _ = try connection.readRequest()
            try connection.write("HTTP/1.1 200 OK\r\nContent-Length: \(announced)\r\n\r\n")
            try connection.write(blob.bytes[...])
        }
        try await withServer(script) { from in
            try await withServer(target(Record())) { to in
                try await withClient { client in
                    let error = await transportError {
                        _ = try await client.relay(relayRequest(blob, from: from, to: [to]))
                    }
                    let url = try from.url("/blob").redacted
                    #expect(error == .sizeMismatch(url: url, expected: 1_000_000, found: Int64(announced)))
                    #expect(to.connectionCount == 0)
                }
            }
        }
    }

    /// Without `Content-Length` the bytes are counted.
    @Test(arguments: [0, 1, 100_000]) func moreBytesThanPromisedNeverComplete(extra: Int) async throws {
        let blob = Blob(size: 1_000_000)
        let uploads = Record<Upload>()
        let script: ScriptedServer.Script = { connection in
            _ = try connection.readRequest()
            try connection.write("HTTP/1.1 200 OK\r\n\r\n")
            try connection.write((blob.bytes + [UInt8](repeating: 0, count: extra))[...])
        }
        try await withServer(script) { from in
            try await withServer(target(uploads)) { to in
                try await withClient { client in
                    let report = try #require(try await client.relay(relayRequest(blob, from: from, to: [to])).report)
                    guard extra > 0 else { return #expect(report.targets[0]?.status == 201) }
                    guard case .failed(.sizeMismatch(_, 1_000_000, _)) = report.targets[0] else {
                        Issue.record("\(String(describing: report.targets[0]))")
                        return
                    }
                }
            }
        }
        #expect(uploads.all.allSatisfy { $0.isWhole == (extra == 0) })
    }

    @Test func aSourceThatCannotBeReachedIsThrown() async throws {
        let gone = try ScriptedServer { _ in }
        gone.stop()
        try await withServer(target(Record())) { to in
            try await withClient { client in
                let error = await transportError {
                    _ = try await client.relay(relayRequest(Blob(size: 1), from: gone, to: [to]))
                }
                let url = try gone.url("/blob").redacted
                #expect(error == .connect(url: url))
                #expect(to.connectionCount == 0)
            }
        }
    }

    @Test(
        arguments: [
            ("bytes 0-9/10", ContentRange(first: 0, last: 9, total: 10)),
            ("Bytes 5-9/*", ContentRange(first: 5, last: 9, total: nil)),
            ("bytes 9-5/10", nil), ("bytes -5-9/10", nil), ("bytes 0-9", nil), ("bytes 0-9/", nil), ("bytes */10", nil),
            ("", nil),
            ("bytes 0-99999999999999999999/10", nil),
        ] as [(String, ContentRange?)]) func contentRanges(text: String, expected: ContentRange?)
    {
        #expect(ContentRange(parsing: text) == expected)
    }
}
