import Foundation
import HTTPTransport
import OCI
import Registry
import TestSupport
import Testing

/// What a probe finds out, of a real registry and of one that is made to be different.
@Suite(.inTurn, .timeLimit(.minutes(5))) struct ProbeTests {
    private typealias Pass = (PeerRequest) throws -> PeerResponse

    private func probe(_ client: RegistryClient) async throws -> ProbeReport {
        try await RegistryProbe(client: client, scratch: .of("prod/shiplift-probe"), second: .of("prod/shiplift-probe-mount")).run(id: UUID())
    }

    /// Probes a real registry whose answers `change` may change.
    private func probing(
        _ change: @escaping @Sendable (PeerRequest, (PeerRequest) throws -> PeerResponse) throws -> PeerResponse?,
        _ body: (ProbeReport, ScriptedPeer, DockerRegistry) async throws -> Void
    ) async throws {
        try await withRegistry { registry, _ in
            let peer = try ScriptedPeer.before(registry) { request, pass in .answer(try change(request, pass) ?? pass(request)) }
            defer { peer.stop() }
            try await withClient(of: peer.port) { client in try await body(try await probe(client), peer, registry) }
        }
    }

    private static func isUpload(_ request: PeerRequest) -> Bool { request.path.contains("/blobs/uploads/") }

    @Test func findsOutWhatARealRegistryCanDoAndLeavesNothingBehind() async throws {
        try await probing({ _, _ in nil }) { report, peer, registry in
            var expected = RegistryProfile()
            expected.mount = .any
            expected.referrers = .tagSchema
            expected.subjectOnly = false
            expected.fallbackTag = .absent
            expected.upload = .put
            expected.chunked = true
            expected.resume = true
            expected.conditionalPut = false
            expected.movableTags = true
            #expect(report.profile == expected, "\(report.findings)")
            #expect(report.mayWrite)
            #expect(report.leftBehind == [])
            #expect(report.requests == peer.requests.count)
            #expect(report.requests <= 45)
            let tags = try registry.send(PeerRequest("GET", "/v2/prod/shiplift-probe/tags/list"))
            #expect(!String(decoding: tags.body, as: UTF8.self).contains("probe-"))
            // Sessions that nobody ends stay for days; of an ended one this registry keeps no more than the states of its hash.
            let uploads = registry.folder.appending(path: "data/docker/registry/v2/repositories/prod/shiplift-probe/_uploads")
            let left = FileManager.default.enumerator(at: uploads, includingPropertiesForKeys: nil)?.compactMap { ($0 as? URL)?.lastPathComponent } ?? []
            #expect(!left.contains("startedat") && !left.contains("data"))
        }
    }

    @Test func credentialsThatMayNotWriteAreToldAndNothingElseIsTried() async throws {
        for status in [401, 403] {
            try await probing({ request, _ in request.method == "POST" ? PeerResponse(status, json: #"{"errors":[{"code":"DENIED","message":"read only"}]}"#) : nil }) {
                report, peer, _ in
                #expect(!report.mayWrite)
                #expect(report.profile == RegistryProfile())
                #expect(report.findings.last?.contains("read only") == true)
                #expect(peer.requests.count == 1)
            }
        }
    }

    @Test func aRegistryThatAsksToBeLeftAloneIsLeftAlone() async throws {
        let peer = try ScriptedPeer { _ in .answer(PeerResponse(429, ["Retry-After": "30"])) }
        defer { peer.stop() }
        try await withClient(of: peer.port) { client in
            let (scratch, second) = (try RepositoryName.of("a"), try RepositoryName.of("b"))
            let error = await registryError { () async throws(RegistryError) in
                _ = try await RegistryProbe(client: client, scratch: scratch, second: second).run(id: UUID())
            }
            guard case .rateLimited = error else {
                Issue.record("\(String(describing: error))")
                return
            }
        }
        #expect(peer.requests.count == 1)
    }

    @Test func aSinglePostIsBelievedWhenTheBlobIsThere() async throws {
        try await probing({ request, pass in
            guard request.method == "POST", let digest = request.query("digest").first else { return nil }
            let opened = try pass(PeerRequest("POST", request.path, fields: [("content-type", "application/octet-stream")]))
            return try pass(PeerRequest("PUT", "\(opened.locationPath)&digest=\(digest)", fields: [("content-type", "application/octet-stream")], body: request.body))
        }) { report, _, _ in #expect(report.profile.upload == .post) }
        try await probing({ request, _ in request.query("digest").isEmpty || request.method != "POST" ? nil : PeerResponse(201) }) { report, _, _ in
            #expect(report.profile.upload == .put, "said 201 and kept nothing")
        }
    }

    @Test func mountsOfWhatAManifestRefersToOnly() async throws {
        try await probing({ request, pass in
            guard !request.query("mount").isEmpty else { return nil }
            let isCommitted = try pass(PeerRequest("GET", "/v2/prod/shiplift-probe/tags/list")).status == 200
            var plain = request
            plain.target = request.path
            return isCommitted ? nil : try pass(plain)
        }) { report, _, _ in #expect(report.profile.mount == .committed) }
    }

    @Test(arguments: [202, 404, 405]) func noMounts(status: Int) async throws {
        try await probing({ request, pass in
            guard !request.query("mount").isEmpty else { return nil }
            guard status == 202 else { return PeerResponse(status) }
            var plain = request
            plain.target = request.path
            return try pass(plain)
        }) { report, _, _ in
            #expect(report.profile.mount == .never)
            #expect(report.findings.filter { $0.hasPrefix("mount") && $0.hasSuffix("\(status)") }.count == 2)
        }
    }

    @Test func noParts() async throws {
        try await probing({ request, _ in request.method == "PATCH" ? PeerResponse(405) : nil }) { report, _, _ in
            #expect(report.profile.chunked == false)
            #expect(report.profile.resume == nil)
            #expect(report.profile.upload == .put)
        }
    }

    @Test func noWholeBodies() async throws {
        try await probing({ request, _ in request.method == "PUT" && Self.isUpload(request) && !request.body.isEmpty ? PeerResponse(404) : nil }) { report, _, _ in
            #expect(report.profile.upload == .patch)
            #expect(report.mayWrite)
        }
    }

    @Test func writesOnCondition() async throws {
        try await probing({ request, _ in
            guard request.method == "PUT", !Self.isUpload(request) else { return nil }
            let isWrong = request["if-match"].map { !$0.contains(Digest(hashing: Data(request.body)).hex) } ?? false
            return request["if-none-match"] != nil || isWrong ? PeerResponse(412) : nil
        }) { report, _, _ in #expect(report.profile.conditionalPut == true) }
        // A registry that never lets a tag be written twice knows no conditions.
        try await probing({ request, pass in
            guard request.method == "PUT", request.path.contains("/manifests/probe-") else { return nil }
            return try pass(PeerRequest("HEAD", request.target, fields: [("accept", MediaType.ociManifest.description)])).status == 200 ? PeerResponse(412) : nil
        }) { report, _, _ in
            #expect(report.profile.conditionalPut == false)
            #expect(report.profile.movableTags == false)
        }
    }

    @Test func theReferrersAPIAndThoseThatOnlySaySo() async throws {
        let pushed = Collected<Digest>()
        let index: @Sendable ([Digest]) -> PeerResponse = { entries in
            let list = entries.map { #"{"mediaType":"\#(MediaType.ociManifest)","digest":"\#($0)","size":3}"# }.joined(separator: ",")
            return PeerResponse(200, ["Content-Type": MediaType.ociIndex.description], body: Array(#"{"schemaVersion":2,"manifests":[\#(list)]}"#.utf8))
        }
        for lists in [true, false] {
            try await probing({ request, pass in
                if request.path.contains("/referrers/") { return index(lists ? pushed.all : []) }
                guard request.method == "PUT", String(decoding: request.body, as: UTF8.self).contains("subject") else { return nil }
                pushed.append(Digest(hashing: Data(request.body)))
                var answer = try pass(request)
                answer["OCI-Subject"] = Digest(hashing: Data()).description
                return answer
            }) { report, _, _ in
                #expect(report.profile.referrers == (lists ? .api : .tagSchema))
                #expect(report.profile.subjectOnly == !lists)
            }
        }
    }

    @Test(arguments: [("[1]", RegistryProfile.FallbackTag.lies), (#"{"schemaVersion":2,"manifests":[]}"#, .served)])
    func aReferrersTagThatNobodyWrote(body: String, found: RegistryProfile.FallbackTag) async throws {
        try await probing({ request, _ in
            guard request.method == "GET", request.path.contains("/manifests/sha256-") else { return nil }
            return PeerResponse(200, ["Content-Type": MediaType.ociIndex.description], body: Array(body.utf8))
        }) { report, _, _ in #expect(report.profile.fallbackTag == found) }
    }

    @Test func whatCantBeDeletedIsNamed() async throws {
        try await probing({ request, _ in request.method == "DELETE" && !Self.isUpload(request) ? PeerResponse(405) : nil }) { report, _, _ in
            #expect(report.leftBehind.contains { $0.hasPrefix("prod/shiplift-probe:probe-") })
            #expect(report.leftBehind.contains { $0.hasPrefix("prod/shiplift-probe-mount@sha256:") })
        }
    }
}
