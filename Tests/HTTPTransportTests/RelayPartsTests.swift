import Foundation
import Synchronization
import TestSupport
import Testing

@testable import HTTPTransport

/// Uploads in parts, and uploads that go on where another one ended.
@Suite(.inTurn, .timeLimit(.minutes(15))) struct RelayPartsTests {
    /// One request of an upload as a target got it.
    private struct Part: Sendable, Equatable {
        let line: String
        let range: String?
        let bytes: [UInt8]
    }

    /// A target that takes parts; `status` answers each of them.
    private func partTarget(_ parts: Record<Part>, status: @escaping @Sendable (Int) -> Int = { _ in 202 }) -> ScriptedServer.Script {
        let count = Mutex(0)
        return serving { request, connection in
            let number = count.withLock { number -> Int in
                defer { number += 1 }
                return number
            }
            let body = connection.readWholeBody(request)
            parts.append(Part(line: "\(request.method) \(request.target)", range: request["content-range"], bytes: body))
            guard body.count == request.bodyBytes else { throw SocketFailure(code: 0) }
            let isLast = request.method == "PUT"
            try connection.answer(isLast ? 201 : status(number), ["Location: /upload/\(number + 1)"])
        }
    }

    private func inParts(of size: Int64, _ blob: Blob, to server: ScriptedServer, offset: Int64 = 0) throws -> RelayTarget {
        @Sendable func range(_ from: Int64, _ bytes: Int64) -> String { "\(from)-\(from + bytes - 1)" }
        let rest = Int64(blob.bytes.count) - offset
        let first = HTTPRequest(.patch, try server.url("/upload/0"), fields: try HTTPFields(["Content-Range": range(offset, min(size, rest))]))
        return RelayTarget(
            id: 0, request: first, settings: quickSettings(), offset: offset,
            parts: RelayParts(size: size) { answer, from, bytes in
                guard let location = answer.fields["Location"] else { return nil }
                do {
                    let url = try answer.url.resolving(location)
                    if bytes == 0 { return HTTPRequest(.put, url) }
                    return HTTPRequest(.patch, url, fields: try HTTPFields(["Content-Range": range(from, bytes)]))
                } catch { return nil }
            })
    }

    @Test(arguments: [1, 65_536, 100_000, 1 << 20, 3_000_000, 5_000_000]) func partsComeOneAfterTheOtherAndThenTheEnd(size: Int) async throws {
        let blob = Blob(size: size == 1 ? 5 : 3_000_000)
        let parts = Record<Part>()
        try await withServer(source(blob, requests: Record())) { from in
            try await withServer(partTarget(parts)) { to in
                try await withClient { client in
                    var request = try relayRequest(blob, from: from, to: [to])
                    request.targets = [try inParts(of: Int64(size), blob, to: to)]
                    let report = try #require(try await client.relay(request).report)
                    #expect(report.targets[0]?.status == 201)
                    #expect(report.bytesSent[0] == Int64(blob.bytes.count))
                }
            }
        }
        let count = (blob.bytes.count + size - 1) / size
        #expect(parts.all.map(\.line) == (0..<count).map { "PATCH /upload/\($0)" } + ["PUT /upload/\(count)"])
        #expect(parts.all.dropLast().map(\.range) == (0..<count).map { "\($0 * size)-\(min(blob.bytes.count, ($0 + 1) * size) - 1)" })
        #expect(parts.all.last?.bytes == [])
        #expect(Blob.digest(of: parts.all.map(\.bytes), .sha256) == blob.sha256)
    }

    /// A wrong blob: the last part never comes whole, and nothing ends the upload.
    @Test func aFlippedByteInPartsNeverCompletes() async throws {
        let good = Blob(size: 1_000_000)
        var bytes = good.bytes
        bytes[10] ^= 1
        let bad = bytes
        let parts = Record<Part>()
        try await withServer(serving { _, connection in try connection.answer(200, body: bad) }) { from in
            try await withServer(partTarget(parts)) { to in
                try await withClient { client in
                    var request = try relayRequest(good, from: from, to: [to])
                    request.targets = [try inParts(of: 100_000, good, to: to)]
                    let report = try #require(try await client.relay(request).report)
                    guard case .refused(.digestMismatch) = report.verdict else {
                        Issue.record("\(report.verdict)")
                        return
                    }
                }
            }
        }
        #expect(!parts.all.contains { $0.line.hasPrefix("PUT") })
        #expect(parts.all.map(\.bytes.count).reduce(0, +) <= 1_000_000 - 65_536)
    }

    @Test func aPartThatIsRefusedIsTheOutcome() async throws {
        let blob = Blob(size: 1_000_000)
        let parts = Record<Part>()
        try await withServer(source(blob, requests: Record())) { from in
            try await withServer(partTarget(parts) { $0 == 2 ? 413 : 202 }) { to in
                try await withClient { client in
                    var request = try relayRequest(blob, from: from, to: [to])
                    request.targets = [try inParts(of: 200_000, blob, to: to)]
                    let report = try #require(try await client.relay(request).report)
                    #expect(report.targets[0]?.status == 413)
                }
            }
        }
        #expect(parts.all.count == 3)
    }

    /// The first relay breaks at the target; the second one goes on there, and reads no more than it must.
    @Test(arguments: [100_000, 1_500_000, 2_999_999, 3_000_000]) func anUploadGoesOnWhereItBroke(held: Int) async throws {
        let blob = Blob(size: 3_000_000)
        let reads = Record<ReceivedRequest>()
        let parts = Record<Part>()
        let breaking: ScriptedServer.Script = { connection in
            _ = try connection.readRequest()
            connection.readBody(2_900_000)
            connection.reset()
        }
        try await withServer(source(blob, requests: reads)) { from in
            try await withServer(breaking) { bad in
                try await withServer(partTarget(parts)) { good in
                    try await withClient { client in
                        let first = try #require(try await client.relay(relayRequest(blob, from: from, to: [bad])).report)
                        #expect(first.targets[0]?.failure != nil)
                        #expect((first.bytesSent[0] ?? 0) > 1_000_000)
                        var request = try relayRequest(blob, from: from, to: [good])
                        let target = try inParts(of: 3_000_000, blob, to: good, offset: Int64(held))
                        request.targets = [target]
                        if held == 3_000_000 { request.targets[0].request = HTTPRequest(.put, try good.url("/upload/0")) }
                        request.resumption = first.checkpoint
                        let second = try #require(try await client.relay(request).report)
                        #expect(second.targets[0]?.status == 201)
                        #expect(second.verdict == .verified)
                    }
                }
            }
        }
        #expect(parts.all.flatMap(\.bytes) == Array(blob.bytes[held...]))
        let range = reads.all.last?["range"].flatMap { Int($0.dropFirst(6).dropLast()) }
        if held < 1 << 20 { #expect(range == nil) } else { #expect((1 << 20...held).contains(range ?? 0)) }
    }

    /// What the source holds has changed since: whether it says so or not, nothing completes.
    @Test(arguments: [true, false]) func aSourceThatChangedMeanwhileNeverCompletes(heedsIfRange: Bool) async throws {
        let blob = Blob(size: 3_000_000)
        let other = Blob(size: 3_000_001).bytes.dropFirst()
        let answers = Mutex(0)
        let uploads = Record<Upload>()
        let changing = serving { request, connection in
            let isFirst = answers.withLock { number -> Bool in
                defer { number += 1 }
                return number == 0
            }
            if isFirst {
                try connection.write("HTTP/1.1 200 OK\r\nETag: \"one\"\r\nContent-Length: 3000000\r\n\r\n")
                try connection.write(blob.bytes[..<1_500_000])
                throw SocketFailure(code: 0)
            }
            let start = request["range"].flatMap { Int($0.dropFirst(6).dropLast()) } ?? 0
            if heedsIfRange {
                #expect(request["if-range"] == "\"one\"")
                try connection.write("HTTP/1.1 200 OK\r\nETag: \"two\"\r\nContent-Length: 3000000\r\n\r\n")
                try connection.write(other)
            } else {
                try connection.write(
                    "HTTP/1.1 206 OK\r\nETag: \"two\"\r\nContent-Range: bytes \(start)-2999999/3000000\r\nContent-Length: \(3_000_000 - start)\r\n\r\n")
                try connection.write(other[(other.startIndex + start)...])
            }
        }
        try await withServer(changing) { from in
            try await withServer(target(uploads)) { to in
                try await withClient { client in
                    let report = try #require(try await client.relay(relayRequest(blob, from: from, to: [to])).report)
                    guard case .refused(.digestMismatch) = report.verdict else {
                        Issue.record("\(report.verdict)")
                        return
                    }
                }
            }
        }
        #expect(uploads.all.allSatisfy { !$0.isWhole })
    }
}
