import Foundation
import Synchronization
import TestSupport
import Testing

@testable import HTTPTransport

@Suite(.inTurn, .timeLimit(.minutes(15))) struct RelayTargetFaultTests {
    @Test func oneTargetBreaksTheOtherSucceeds() async throws {
        let blob = Blob(size: 20 << 20)
        let uploads = Record<Upload>()
        let breaking: ScriptedServer.Script = { connection in
            _ = try connection.readRequest()
            connection.readBody(2 << 20)
            connection.reset()
        }
        try await withServer(source(blob, requests: Record())) { from in
            try await withServer(breaking) { bad in
                try await withServer(target(uploads)) { good in
                    try await withClient { client in
                        let report = try #require(
                            try await client.relay(relayRequest(blob, from: from, to: [bad, good])).report)
                        #expect(report.targets[1]?.status == 201)
                        #expect(report.verdict == .verified)
                        guard case .failed(.sendFailed) = report.targets[0] else {
                            Issue.record("\(String(describing: report.targets[0]))")
                            return
                        }
                    }
                }
            }
        }
        #expect(uploads.all.map(\.digest) == [blob.sha256])
    }

    @Test func aTargetThatStallsIsDropped() async throws {
        let blob = Blob(size: 20 << 20)
        let uploads = Record<Upload>()
        let done = DispatchSemaphore(value: 0)
        let stalling: ScriptedServer.Script = { connection in
            _ = try connection.readRequest()
            connection.readBody(1 << 20)
            _ = done.wait(timeout: .now() + 20)
        }
        try await withServer(source(blob, requests: Record())) { from in
            try await withServer(stalling) { bad in
                try await withServer(target(uploads)) { good in
                    try await withClient { client in
                        var request = try relayRequest(blob, from: from, to: [bad, good])
                        request.targets[0].settings.stallTimeout = .milliseconds(500)
                        let report = try #require(try await client.relay(request).report)
                        done.signal()
                        #expect(report.targets[1]?.status == 201)
                        let url = try bad.url("/upload").redacted
                        #expect(report.targets[0]?.failure == .stalled(url: url, after: .milliseconds(500)))
                    }
                }
            }
        }
        #expect(uploads.all.map(\.digest) == [blob.sha256])
    }

    /// Alone: the source is left, too.
    @Test(arguments: [401, 413, 307]) func anEarlyAnswerIsTheOutcome(status: Int) async throws {
        let blob = Blob(size: 20 << 20)
        let early: ScriptedServer.Script = { connection in
            let request = try connection.readRequest()
            connection.readBody(100_000)
            try connection.answer(status, ["WWW-Authenticate: Bearer"], body: Array("no".utf8))
            connection.readBody(request.bodyBytes)
        }
        try await withServer(source(blob, requests: Record())) { from in
            try await withServer(early) { to in
                try await withClient { client in
                    let report = try #require(try await client.relay(relayRequest(blob, from: from, to: [to])).report)
                    #expect(report.targets[0]?.status == status)
                    guard case .answered(let response) = report.targets[0] else { return }
                    #expect(response.body == Array("no".utf8))
                    #expect(response.fields["WWW-Authenticate"] == "Bearer")
                    #expect(report.verdict == .undetermined)
                }
            }
        }
    }

    /// The answer comes while the upload is held because the source is slow.
    @Test func anEarlyAnswerToAHeldUpload() async throws {
        let blob = Blob(size: 3_000_000)
        let instants = Record<ContinuousClock.Instant>()
        let stuck: ScriptedServer.Script = { connection in
            _ = try connection.readRequest()
            try connection.write("HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\nabc")
            connection.waitForClose()
            instants.append(.now)
        }
        let early: ScriptedServer.Script = { connection in
            _ = try connection.readRequest()
            connection.readBody(3)
            instants.append(.now)
            try connection.answer(401)
            connection.waitForClose()
        }
        try await withServer(stuck) { from in
            try await withServer(early) { to in
                try await withClient { client in
                    let report = try #require(try await client.relay(relayRequest(blob, from: from, to: [to])).report)
                    #expect(report.targets[0]?.status == 401)
                }
            }
            while instants.all.count < 2 { await Task.yield() }
        }
        #expect(instants.all[1] - instants.all[0] < .seconds(3))
    }
}
