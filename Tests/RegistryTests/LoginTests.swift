import Foundation
import HTTPTransport
import OCI
import Registry
import Synchronization
import TestSupport
import Testing

/// Basic and bearer logins at a real registry.
@Suite(.inTurn, .serialized, .timeLimit(.minutes(15))) struct LoginTests {
    private var basic: DockerRegistry.Setup {
        var setup = DockerRegistry.Setup()
        setup.user = (TokenService.user, TokenService.password)
        return setup
    }

    private func withTokens<R>(
        _ credentials: RegistryCredentials = .robot, named name: String = "127.0.0.1", _ body: (TokenService, RegistryClient) async throws -> R
    ) async throws -> R {
        let tokens = try TokenService()
        defer { tokens.stop() }
        return try await withRegistry(
            tokens.setup,
            {
                $0.credentials = { credentials }
                $0.additionalHosts = ["\(name):\(tokens.peer.port)"]
            }
        ) { try await body(tokens, $1) }
    }

    @Test func basicWithTheRightPassword() async throws {
        try await withRegistry(basic, { $0.credentials = { .robot } }) { _, client in
            let meter = RequestMeter()
            let session = try await client.startUpload(.of("app"), meter: meter)
            try await client.finishUpload(session, bytes: Data("x".utf8), digest: Digest(hashing: Data("x".utf8)), meter: meter)
            // The first request asks without, is told how, and asks again; later ones know.
            #expect(meter.requests == ["post": 2, "put": 1])
        }
    }

    @Test(arguments: [RegistryCredentials.anonymous, .basic(user: "robot", password: Secret("wrong")), .identityToken(Secret("x"))])
    func basicWithoutTheRightPassword(credentials: RegistryCredentials) async throws {
        try await withRegistry(basic, { $0.credentials = { credentials } }) { _, client in
            let meter = RequestMeter()
            let repository = try RepositoryName.of("app")
            let error = await registryError { () throws(RegistryError) in _ = try await client.startUpload(repository, meter: meter) }
            guard case .unauthorized(let place, let answer) = error else { throw RegistryMismatch(error) }
            #expect(place.repository == repository)
            #expect(answer.code == "UNAUTHORIZED")
            #expect(meter.requests["post", default: 0] <= 2)
            #expect("\(String(describing: error))".contains("wrong") == false)
        }
    }

    /// All of them are refused at first; each has to come again, although another has learnt the way meanwhile.
    @Test func requestsThatBeginTogetherAllLogIn() async throws {
        try await withRegistry(basic, { $0.credentials = { .robot } }) { _, client in
            let repository = try RepositoryName.of("app")
            try await withThrowingTaskGroup(of: UploadSession.self) { group in
                for _ in 0..<8 { group.addTask { try await client.startUpload(repository) } }
                var sessions: Set<UploadSession> = []
                for try await session in group { sessions.insert(session) }
                #expect(sessions.count == 8)
            }
        }
    }

    @Test func aRotatedPasswordTakesEffect() async throws {
        let holder = Holder(current: .basic(user: TokenService.user, password: Secret("old")))
        try await withRegistry(basic, { $0.credentials = { holder.current.withLock { $0 } } }) { _, client in
            let repository = try RepositoryName.of("app")
            let error = await registryError { () throws(RegistryError) in _ = try await client.startUpload(repository) }
            guard case .unauthorized = error else { throw RegistryMismatch(error) }
            holder.current.withLock { $0 = .robot }
            _ = try await client.startUpload(repository)
        }
    }

    @Test func unreadableCredentialsAreSaidSo() async throws {
        struct NoFile: Error, CustomStringConvertible { let description = "the file /run/secrets/robot is missing" }
        try await withRegistry(basic, { $0.credentials = { throw NoFile() } }) { _, client in
            let repository = try RepositoryName.of("app")
            let error = await registryError { () throws(RegistryError) in _ = try await client.startUpload(repository) }
            guard case .credentials(_, let reason) = error else { throw RegistryMismatch(error) }
            #expect(reason.contains("/run/secrets/robot"))
        }
    }

    @Test(arguments: [false, true]) func bearerAsksForExactlyTheScopesItNeeds(accessToken: Bool) async throws {
        let blob = SampleImage.bytes("scopes", count: 100)
        try await withTokens { tokens, client in
            tokens.change { $0.answersAccessToken = accessToken }
            let from = try RepositoryName.of("from")
            let to = try RepositoryName.of("to")
            try await client.finishUpload(try await client.startUpload(from), bytes: blob, digest: Digest(hashing: blob))
            guard case .mounted = try await client.mountBlob(Digest(hashing: blob), to: to, from: from) else { throw RegistryMismatch(nil) }
            #expect(try await client.headBlob(to, Digest(hashing: blob)) == 100)
            #expect(
                tokens.requestedScopes == [
                    ["repository:from:pull,push"], ["repository:from:pull", "repository:to:pull,push"],
                ])
            // Each scope is a parameter of its own.
            #expect(tokens.peer.requests.last?.query("scope").count == 2)
            #expect(tokens.peer.requests.allSatisfy { $0.query("service") == ["test-registry"] })
        }
    }

    @Test func anIdentityTokenIsPosted() async throws {
        try await withTokens(.identityToken(Secret(TokenService.password))) { tokens, client in
            _ = try await client.startUpload(.of("app"))
            #expect(tokens.peer.lines == ["POST /token"])
            #expect(tokens.requestedScopes == [["repository:app:pull,push"]])
            #expect(tokens.peer.requests.first.map(TokenService.form)?["service"] == "test-registry")
        }
    }

    @Test func requestsThatBeginTogetherShareAToken() async throws {
        try await withTokens { tokens, client in
            let repository = try RepositoryName.of("app")
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<8 { group.addTask { _ = try await client.startUpload(repository) } }
                try await group.waitForAll()
            }
            #expect(tokens.peer.requests.count == 1)
        }
    }

    /// A request that began before anybody logged in is refused late: the token that another got meanwhile stays good.
    @Test func aLateRefusalDoesNotDropAGoodToken() async throws {
        let held = Gate()
        let early = Digest(hashing: Data("early".utf8))
        try await withPeer({ request in
            if request.path == "/token" { return .answer(PeerResponse(200, json: #"{"token":"good"}"#)) }
            if request["authorization"] == "Bearer good" { return .answer(PeerResponse(200)) }
            if request.path.hasSuffix(early.description) { held.wait() }
            return .answer(PeerResponse(401, ["WWW-Authenticate": "Bearer realm=\"http://\(request["host"] ?? "")/token\""]))
        }) { peer, client in
            let repository = try RepositoryName.of("app")
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { _ = try await client.headBlob(repository, early) }
                try await eventually("the early request") { !peer.requests.isEmpty }
                _ = try await client.headBlob(repository, Digest(hashing: Data("late".utf8)))
                held.open()
                try await group.waitForAll()
            }
            #expect(peer.requests.filter { $0.path == "/token" }.count == 1)
        }
    }

    @Test func whoeverHasNoPasswordTakesTheTokenThatIsOfferedToo() async throws {
        try await withPeer({ request in
            if request.path == "/token" { return .answer(PeerResponse(200, json: #"{"token":"anyone"}"#)) }
            if request["authorization"] == "Bearer anyone" { return .answer(PeerResponse(200)) }
            let realm = "http://\(request["host"] ?? "")/token"
            return .answer(PeerResponse(401, ["WWW-Authenticate": "Basic realm=\"x\", Bearer realm=\"\(realm)\""]))
        }) { peer, client in
            _ = try await client.headBlob(.of("app"), Digest(hashing: Data()))
            #expect(peer.requests.filter { $0.path == "/token" }.map { $0["authorization"] } == [nil])
        }
    }

    @Test func aTokenThatTheRegistryRefusesIsReplacedOnce() async throws {
        try await withTokens { tokens, client in
            _ = try await client.startUpload(.of("app"))
            // The next ones are over before they begin, though the service announces a long life.
            tokens.change { $0.lifetime = -300 }
            let other = try RepositoryName.of("other")
            let meter = RequestMeter()
            let error = await registryError { () throws(RegistryError) in _ = try await client.startUpload(other, meter: meter) }
            guard case .unauthorized = error else { throw RegistryMismatch(error) }
            #expect(meter.requests == ["post": 2, "token": 2])
            tokens.change { $0.lifetime = 300 }
            _ = try await client.startUpload(other)
        }
    }

    @Test func aShortTokenIsRenewedBeforeItEnds() async throws {
        try await withTokens { tokens, client in
            // Ten seconds are not enough for the body of a large blob, which asks for more.
            tokens.change { $0.announced = 10 }
            let blob = SampleImage.bytes("slow", count: 100)
            let repository = try RepositoryName.of("app")
            try await client.finishUpload(try await client.startUpload(repository), bytes: blob, digest: Digest(hashing: blob))
            #expect(tokens.peer.requests.count == 1)
            let large = Descriptor(mediaType: .octetStream, digest: Digest(hashing: blob), size: 30_000_000)
            let session = try await client.startUpload(repository)
            _ = await registryError { () throws(RegistryError) in
                _ = try await BlobRelay.relay(
                    large, from: BlobSource(client: client, repository: repository), to: [BlobUpload(client: client, session: session)])
            }
            #expect(tokens.peer.requests.count == 2)
        }
    }

    @Test func aMountThatTheTokenDoesNotAllowIsRefusedAndNotBelieved() async throws {
        let blob = SampleImage.bytes("half", count: 100)
        try await withTokens { tokens, client in
            let from = try RepositoryName.of("a")
            let to = try RepositoryName.of("z")
            try await client.finishUpload(try await client.startUpload(from), bytes: blob, digest: Digest(hashing: blob))
            tokens.change { $0.scopes = 1 }  // only the first: the source's
            guard case .refused(let answer) = try await client.mountBlob(Digest(hashing: blob), to: to, from: from) else {
                throw RegistryMismatch(nil)
            }
            #expect(answer.status == 401)
        }
    }

    @Test func aTokenServiceThatRefusesUsIsNamedSo() async throws {
        try await withTokens(.basic(user: "robot", password: Secret("hush"))) { _, client in
            let repository = try RepositoryName.of("app")
            let error = await registryError { () throws(RegistryError) in _ = try await client.startUpload(repository) }
            guard case .unauthorized(_, let answer) = error else { throw RegistryMismatch(error) }
            #expect(answer.message == "incorrect username or password")
            #expect("\(String(describing: error))".contains("hush") == false)
        }
    }

    @Test func aTokenServiceThatNobodyNamedIsNeverAsked() async throws {
        try await withTokens(named: "auth.example.org") { tokens, client in
            let repository = try RepositoryName.of("app")
            let error = await registryError { () throws(RegistryError) in _ = try await client.startUpload(repository) }
            guard case .hostNotAllowed(_, let host, _) = error else { throw RegistryMismatch(error) }
            #expect(host == "http://\(tokens.peer.host)")
            #expect(tokens.peer.requests.isEmpty)
        }
    }

    private final class Holder: Sendable {
        let current: Mutex<RegistryCredentials>
        init(current: RegistryCredentials) { self.current = Mutex(current) }
    }
}
