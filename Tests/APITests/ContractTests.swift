import API
import APIModel
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import NIOCore
import PolicyEngine
import PromotionCore
import Testing
import Yams

/// Every operation that openapi.yaml describes is asked, as the document's own examples ask, and answers as the document says.
@Suite struct ContractTests {
    struct Operation: Sendable, CustomTestStringConvertible {
        let path: String
        let method: String
        var testDescription: String { "\(method) \(path)" }
    }

    struct Answer {
        let status: Int
        let headers: HTTPFields
        let body: Data
        var problem: ProblemResource? {
            guard headers[.contentType] == "application/problem+json" else { return nil }
            do { return try APIJSON.decoder().decode(ProblemResource.self, from: body) } catch { return nil }
        }
    }

    static func document() throws -> [String: Any] {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../openapi.yaml")
        return try #require(try Yams.load(yaml: String(contentsOf: file, encoding: .utf8)) as? [String: Any])
    }

    static let operations: [Operation] = {
        do {
            let paths = try document()["paths"] as? [String: [String: Any]] ?? [:]
            return paths.sorted { $0.key < $1.key }.flatMap { path, methods in methods.keys.sorted().map { Operation(path: path, method: $0.uppercased()) } }
        } catch { return [] }
    }()

    /// The answers that are no success in a service that has everything but a database.
    private static let expected = [
        "GET /readyz": 503, "GET /auth/methods": 503, "GET /auth/login": 503, "GET /auth/callback": 400, "GET /v1/scans/{id}": 404, "POST /v1/rollbacks": 409,
        "POST /v1/tokens/{id}/rotate": 404, "GET /v1/audit/proof": 404, "GET /v1/audit/consistency": 404,
    ]
    /// What reads images themselves, which nobody has here: only that the answer is described counts.
    private static let bare: Set = ["GET /v1/review", "GET /v1/promotions/{id}/review"]

    private func described(_ operation: Operation) throws -> (schema: ResponseSchema, operation: [String: Any]) {
        let schema = ResponseSchema(document: try Self.document())
        let paths = try #require(schema.document["paths"] as? [String: [String: Any]])
        return (schema, try #require(paths[operation.path]?[operation.method.lowercased()] as? [String: Any]))
    }

    /// The request that the examples make.
    private func request(_ operation: Operation) throws -> (uri: String, body: String?, fields: HTTPFields) {
        let (schema, description) = try described(operation)
        var (path, query, fields) = (operation.path, [String](), HTTPFields())
        for parameter in (description["parameters"] as? [[String: Any]] ?? []) {
            let parameter = try #require((parameter["$ref"] as? String).map { schema.resolve($0) } ?? parameter)
            let (name, place) = (try #require(parameter["name"] as? String), parameter["in"] as? String)
            switch place {
            case "path":
                let isID = (parameter["schema"] as? [String: Any])?["format"] as? String == "uuid"
                let isAct = operation.method == "POST" && operation.path.hasPrefix("/v1/promotions/{id}/")
                let value = try isID ? (isAct ? Samples.waiting : Samples.ended) : #require(parameter["example"] as? String, "\(name) has no example")
                path = path.replacing("{\(name)}", with: value)
            case "query" where parameter["required"] as? Bool == true:
                let value = try example(parameter)
                query.append("\(name)=\(value.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? "")")
            case "header" where parameter["required"] as? Bool == true:
                fields[try #require(HTTPField.Name(name))] = try example(parameter)
            default: continue
            }
        }
        let content = (description["requestBody"] as? [String: Any])?["content"] as? [String: [String: Any]]
        var body: String?
        if let (type, media) = content?.first {
            let named = (media["examples"] as? [String: [String: Any]])?.sorted { $0.key < $1.key }.first?.value["value"]
            let example = try #require(media["example"] ?? named, "the body has no example")
            body = String(decoding: try JSONSerialization.data(withJSONObject: example), as: UTF8.self)
            fields[.contentType] = type
        }
        return (path + (query.isEmpty ? "" : "?" + query.joined(separator: "&")), body, fields)
    }

    private func example(_ parameter: [String: Any]) throws -> String {
        let example = try #require(parameter["example"], "\(parameter["name"] ?? "") has no example")
        return "\(example)"
    }

    private func send(
        _ method: String, _ uri: String, _ body: String? = nil, _ fields: HTTPFields = [:], isKnown: Bool = true
    ) async throws -> Answer {
        var settings = APISettings()
        settings.foreignNames = ["docker-staging-local": "staging", "docker-production-local": "production"]
        var random = SystemRandomNumberGenerator()
        let secret = APITokenSecret(random: &random)
        let services = StubServices.make(grant: .admin, secret: secret, groups: ["release-managers"], settings: settings, samples: try Samples())
        return try await Application(router: services.router()).test(.router) { client in
            var fields = fields
            if isKnown { fields[.authorization] = "Bearer \(secret.reveal())" }
            let method = try #require(HTTPRequest.Method(rawValue: method))
            return try await client.execute(uri: uri, method: method, headers: fields, body: body.map { ByteBuffer(string: $0) }) { response in
                Answer(status: Int(response.status.code), headers: response.headers, body: Data(response.body.readableBytesView))
            }
        }
    }

    /// Status, headers and body are as described.
    private func check(_ answer: Answer, _ operation: Operation) throws {
        let (schema, description) = try described(operation)
        let responses = try #require(description["responses"] as? [String: [String: Any]])
        let entry = try #require(responses[String(answer.status)], "\(answer.status) is not described: \(String(decoding: answer.body, as: UTF8.self).prefix(300))")
        let response = try #require((entry["$ref"] as? String).map { schema.resolve($0) } ?? entry)
        for (name, header) in response["headers"] as? [String: [String: Any]] ?? [:] {
            let header = try #require((header["$ref"] as? String).map { schema.resolve($0) } ?? header)
            let value = answer.headers[try #require(HTTPField.Name(name))]
            if header["required"] as? Bool == true { #expect(value != nil, "\(name) is missing") }
            if let value { #expect(schema.findings(.string(value), header["schema"] as? [String: Any] ?? [:]).isEmpty, "\(name): \(value)") }
        }
        let content = response["content"] as? [String: [String: Any]] ?? [:]
        guard !content.isEmpty else { return #expect(answer.body.isEmpty) }
        let type = try #require(answer.headers[.contentType]).prefix { $0 != ";" }
        let media = try #require(content[String(type)], "\(type) is not described")
        guard ["application/json", "application/problem+json"].contains(type), let shape = media["schema"] as? [String: Any] else { return }
        let findings = schema.findings(try APIJSON.decoder().decode(JSONNode.self, from: answer.body), shape)
        #expect(findings.isEmpty, "\(findings.joined(separator: "\n"))")
    }

    @Test(arguments: operations) func answersAsDescribed(_ operation: Operation) async throws {
        let (uri, body, fields) = try request(operation)
        let answer = try await send(operation.method, uri, body, fields)
        try check(answer, operation)
        if Self.bare.contains(operation.testDescription) { return }
        let expected = Self.expected[operation.testDescription]
        #expect(expected.map { $0 == answer.status } ?? (200..<300).contains(answer.status), "\(String(decoding: answer.body, as: UTF8.self).prefix(500))")
    }

    @Test(arguments: operations) func unknownParametersAreRefusedByName(_ operation: Operation) async throws {
        let (uri, body, fields) = try request(operation)
        let answer = try await send(operation.method, uri + (uri.contains("?") ? "&" : "?") + "colour=red", body, fields)
        #expect(answer.status == 400 && answer.problem?.field == "colour")
        let twice = try await send(operation.method, uri + (uri.contains("?") ? "&" : "?") + "a=1&a=2", body, fields)
        #expect(twice.status == 400 && twice.problem?.field == "a")
    }

    @Test(arguments: operations) func nobodyGetsInWithoutAToken(_ operation: Operation) async throws {
        let (uri, body, fields) = try request(operation)
        let security = try described(operation).operation["security"] as? [[String: Any]]
        let isOpen = security.map { $0.isEmpty || $0.contains(where: \.isEmpty) } ?? false
        let answer = try await send(operation.method, uri, body, fields, isKnown: false)
        #expect((answer.status == 401) == !isOpen)
        try check(answer, operation)
    }

    @Test(arguments: operations) func whatIsNotSpokenIsRefused(_ operation: Operation) async throws {
        let (uri, body, fields) = try request(operation)
        let document = try Self.document()
        let known = Set((document["paths"] as? [String: [String: Any]])?[operation.path]?.keys.map { $0.uppercased() } ?? [])
        for method in ["PUT", "PATCH", "DELETE", "POST"] where !known.contains(method) {
            let answer = try await send(method, uri, nil)
            let allow = try #require(answer.headers[.allow])
            #expect(answer.status == 405 && answer.problem?.type.hasSuffix("/method-not-allowed") == true)
            #expect(Set(allow.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }).isSuperset(of: known))
        }
        #expect(try await send("OPTIONS", uri).status == 204)
        var other = fields
        other[.accept] = "image/png"
        if try described(operation).operation["responses"].map({ ($0 as? [String: Any])?["406"] != nil }) == true {
            let answer = try await send(operation.method, uri, body, other)
            #expect(answer.status == 406)
            try check(answer, operation)
        }
        guard body != nil else {
            let answer = try await send(operation.method, uri, #"{"colour":"red"}"#, fields)
            return #expect(operation.method == "GET" || answer.problem?.field == "colour")
        }
        other = fields
        other[.contentType] = "text/plain"
        let answer = try await send(operation.method, uri, body, other)
        #expect(answer.status == 415)
        try check(answer, operation)
    }

    /// What the code says is what the document lists.
    @Test func problemTypesAreListed() throws {
        let listed = try #require(try Self.document()["x-problem-types"] as? [[String: Any]]).compactMap { $0["type"] as? String }
        let sources = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../Sources/API")
        var used: Set<String> = []
        for case let file as URL in try #require(FileManager.default.enumerator(at: sources, includingPropertiesForKeys: nil)) where file.pathExtension == "swift" {
            let text = try String(contentsOf: file, encoding: .utf8)
            for match in text.matches(of: /(?:Problem|self\.init)\(\s*"([a-z-]+)", status:/) { used.insert("https://shiplift.dev/problems/" + match.1) }
        }
        #expect(used.count > 15)
        #expect(used.subtracting(listed).isEmpty)
        #expect(Set(listed).count == listed.count)
    }

    @Test func theContractAndItsPageAreServedToEverybody() async throws {
        let yaml = try await send("GET", "/openapi.yaml", isKnown: false)
        #expect(yaml.status == 200 && String(decoding: yaml.body, as: UTF8.self).hasPrefix("openapi: 3.1"))
        let page = try await send("GET", "/docs", isKnown: false)
        let html = String(decoding: page.body, as: UTF8.self)
        #expect(page.headers[.contentSecurityPolicy]?.hasPrefix("default-src 'none'") == true)
        #expect(!html.contains("<script") && !html.contains("src=") && !html.contains("href=\"http") && !html.contains("style="))
        for operation in Self.operations { #expect(html.contains("<code>\(operation.method) \(operation.path)</code>")) }
        for answer in [yaml, page] {
            let tag = try #require(answer.headers[.eTag])
            let uri = answer.headers[.contentType] == "application/yaml" ? "/openapi.yaml" : "/docs"
            let again = try await send("GET", uri, nil, [.ifNoneMatch: "\"x\", W/\(tag)"], isKnown: false)
            #expect(again.status == 304 && again.body.isEmpty)
            #expect(try await send("GET", uri, nil, [.ifNoneMatch: "\"x\""], isKnown: false).status == 200)
        }
    }
}
