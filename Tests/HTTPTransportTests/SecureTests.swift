import Foundation
import TestSupport
import Testing

@testable import HTTPTransport

@Suite(.inTurn, .timeLimit(.minutes(15))) struct SecureTests {
    /// Into a real registry over TLS, and from it into another repository of the same host.
    @Test func relaysIntoAndOutOfARegistry() async throws {
        let blob = Blob(size: 20_000_003)
        try await withRegistry { registry in
            try await withServer(source(blob, requests: Record())) { from in
                try await withClient { client in
                    let settings = registry.settings()
                    let first = try HTTPRequest(.get, from.url())
                    try await copy(blob, first, quickSettings(), into: "first", client, registry)
                    let second = try HTTPRequest(
                        .get, registry.base.appending(path: "first/blobs/sha256:\(blob.sha256)"))
                    try await copy(blob, second, settings, into: "second", client, registry)
                    let url = try registry.base.appending(path: "second/blobs/sha256:\(blob.sha256)")
                    let digest = try await client.withDownload(HTTPRequest(.get, url), settings: settings) {
                        head, body in
                        #expect(head.status == 200)
                        return Blob.digest(of: [try await body.collect(upTo: blob.bytes.count)], .sha256)
                    }
                    #expect(digest == blob.sha256)
                }
            }
        }
    }

    private func copy(
        _ blob: Blob, _ source: HTTPRequest, _ settings: ConnectionSettings, into repository: String,
        _ client: HTTPClient,
        _ registry: SecureRegistry
    ) async throws {
        let uploads = try registry.base.appending(path: "\(repository)/blobs/uploads/")
        let session = try await client.send(
            HTTPRequest(.post, uploads), settings: registry.settings(), maximumBodyBytes: 0)
        #expect(session.status == 202)
        let location = try uploads.resolving(#require(session.fields["Location"]))
        let put = HTTPRequest(.put, try location.appendingQueryItem("digest", "sha256:\(blob.sha256)"))
        let outcome = try await client.relay(
            RelayRequest(
                source: source, sourceSettings: settings, expectedBytes: Int64(blob.bytes.count),
                expectedHex: blob.sha256,
                targets: [RelayTarget(id: 1, request: put, settings: registry.settings())]))
        #expect(outcome.report?.targets[1]?.status == 201)
    }

    @Test func wholeMessagesShareOneConnectionOfHTTP2() async throws {
        try await withRegistry { registry in
            try await withClient { client in
                let settings = registry.settings()
                try await withThrowingTaskGroup(of: Int.self) { group in
                    for _ in 0..<30 {
                        group.addTask { [base = registry.base] in
                            try await client.send(HTTPRequest(.get, base), settings: settings, maximumBodyBytes: 1000)
                                .status
                        }
                    }
                    for try await status in group { #expect(status == 200) }
                }
                // The registry's log names the client's address with its port.
                let lines = try registry.log().split(separator: "\n").filter { $0.contains("\"GET /v2/ HTTP/2.0\"") }
                #expect(lines.count == 30)
                #expect(Set(lines.map { $0.prefix { $0 != " " } }).count == 1)
            }
        }
    }

    @Test func aCertificateNobodyVouchesForIsRefused() async throws {
        try await withRegistry { registry in
            try await withClient { client in
                let error = await transportError {
                    _ = try await client.send(
                        HTTPRequest(.get, registry.base), settings: quickSettings(), maximumBodyBytes: 1000)
                }
                guard case .tls(let url, let message) = error else {
                    Issue.record("\(String(describing: error))")
                    return
                }
                #expect(url == registry.base.redacted)
                #expect(message.contains("certificate"))
                #expect(error?.isRetryable == false)
                // The right name is part of it: the certificate is for the address only.
                let named = try HTTPURL(parsing: "https://localhost:\(registry.base.origin.port)/v2/")
                let wrongName = await transportError {
                    _ = try await client.send(
                        HTTPRequest(.get, named), settings: registry.settings(), maximumBodyBytes: 1000)
                }
                guard case .tls = wrongName else {
                    Issue.record("\(String(describing: wrongName))")
                    return
                }
            }
        }
    }

    @Test func clientCertificates() async throws {
        try await withRegistry(asksForCertificate: true) { registry in
            try await withClient { client in
                let request = HTTPRequest(.get, registry.base)
                try await expectRefusal(request, registry.settings(), client)
                let settings = registry.settings(withCertificate: true)
                let response = try await client.send(request, settings: settings, maximumBodyBytes: 1000)
                #expect(response.status == 200)
                // A connection made with the certificate is not lent to a request without it.
                try await expectRefusal(request, registry.settings(), client)
            }
        }
    }

    /// In TLS 1.3 the server says so after the handshake, and its alert may be lost when it closes at once.
    private func expectRefusal(_ request: HTTPRequest, _ settings: ConnectionSettings, _ client: HTTPClient)
        async throws
    {
        let error = await transportError {
            _ = try await client.send(request, settings: settings, maximumBodyBytes: 1000)
        }
        switch error {
        case .tls, .sendFailed, .receiveFailed: break
        default: Issue.record("\(String(describing: error))")
        }
    }

    @Test func proxies() async throws {
        let requests = Record<ReceivedRequest>()
        let proxy = serving { request, connection in
            requests.append(request)
            try connection.answer(request.method == "CONNECT" ? 407 : 200, body: Array("proxy".utf8))
        }
        try await withServer(serving { _, connection in try connection.answer(200, body: Array("direct".utf8)) }) {
            origin in
            try await withServer(proxy) { proxy in
                try await withClient { client in
                    var settings = quickSettings()
                    settings.proxy = try ProxySettings(parsing: "http://127.0.0.1:\(proxy.port)")
                    settings.proxy?.userName = "u"
                    settings.proxy?.password = Secret("p")
                    let url = try origin.url("/x?y")
                    let seen = try await client.send(HTTPRequest(.get, url), settings: settings, maximumBodyBytes: 100)
                    #expect(seen.body == Array("proxy".utf8))
                    #expect(requests.all.first?.target == url.description)
                    #expect(requests.all.first?["proxy-authorization"] == "Basic dTpw")
                    let fields = try HTTPFields(["Authorization": "Bearer t"])
                    let secure = HTTPRequest(.get, try HTTPURL(parsing: "https://example.invalid/x"), fields: fields)
                    let error = await transportError {
                        _ = try await client.send(secure, settings: settings, maximumBodyBytes: 100)
                    }
                    #expect(error == .proxy(url: secure.url.redacted, message: "it answered 407"))
                    #expect(requests.all.last?.method == "CONNECT")
                    #expect(requests.all.last?["authorization"] == nil)
                    settings.proxy?.noProxy = ["127.0.0.1"]
                    let direct = try await client.send(
                        HTTPRequest(.get, url), settings: settings, maximumBodyBytes: 100)
                    #expect(direct.body == Array("direct".utf8))
                }
            }
        }
    }

    @Test func bandwidthIsLimited() async throws {
        let size = 30_000_000
        try await withServer(
            serving { _, connection in try connection.answer(200, body: [UInt8](repeating: 1, count: size)) }
        ) { server in
            try await withClient { client in
                let settings = quickSettings { $0.bytesPerSecond = 20_000_000 }
                let start = ContinuousClock.now
                let response = try await client.send(
                    HTTPRequest(.get, server.url()), settings: settings, maximumBodyBytes: size)
                #expect(response.body.count == size)
                #expect(ContinuousClock.now - start > .milliseconds(500))
            }
        }
    }
}
