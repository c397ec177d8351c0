import APIModel
import Foundation
import TestSupport

/// Somebody with a token, who speaks to the API as a pipeline does.
struct Caller: Sendable {
    let port: Int
    let secret: String
    let id: String

    static func admin(of lift: Lift) throws -> Caller {
        let secret = try String(contentsOfFile: lift.folder.path("data/admin-token"), encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
        return Caller(port: lift.port, secret: secret, id: "")
    }

    /// Makes a token with the rights and groups, as an administrator.
    func colleague(_ name: String, role: String, groups: [String] = [], images: [String] = []) async throws -> Caller {
        let made: TokenResource = try await answer(
            "POST", "/v1/tokens", TokenRequestBody(name: name, role: role, images: images, groups: groups), status: 201)
        return Caller(port: port, secret: made.secret ?? "", id: "token:" + made.id)
    }

    func send(_ method: String, _ target: String, _ body: (any Encodable)? = nil, raw: String? = nil, wait: Int? = nil) async throws -> HTTPAnswer {
        var fields = [HeaderField("Authorization", "Bearer \(secret)"), HeaderField("Content-Type", "application/json")]
        if let wait { fields.append(HeaderField("Prefer", "wait=\(wait)")) }
        let bytes = try raw.map { Array($0.utf8) } ?? body.map { Array(try APIJSON.encoder().encode($0)) }
        return try await LoopbackHTTP.send(method, target, port: port, fields: fields, body: bytes)
    }

    func answer<Resource: Decodable>(
        _ method: String, _ target: String, _ body: (any Encodable)? = nil, raw: String? = nil, wait: Int? = nil, status: Int? = nil,
        as type: Resource.Type = Resource.self
    ) async throws -> Resource {
        let answer = try await send(method, target, body, raw: raw, wait: wait)
        guard status.map({ $0 == answer.status }) ?? (answer.status < 300) else {
            throw HarnessError.unexpectedAnswer(request: "\(method) \(target)", status: answer.status, body: answer.text)
        }
        return try APIJSON.decoder().decode(type, from: Data(answer.body))
    }

    /// What a promotion would be told now.
    func decision(_ image: String, _ tag: String, from: String = "dev", to: String = "test") async throws -> DecisionResource {
        let dryRun: DryRunResource = try await answer(
            "POST", "/v1/promotions", PromotionRequestBody(image: image, from: from, to: to, tag: tag, dryRun: true))
        return dryRun.decision
    }

    func promote(_ image: String, _ tag: String, from: String = "dev", to: String = "test", wait: Int? = nil) async throws -> PromotionResource {
        try await answer("POST", "/v1/promotions", PromotionRequestBody(image: image, from: from, to: to, tag: tag), wait: wait)
    }

    func promotion(_ id: String, wait: Int? = nil) async throws -> PromotionResource { try await answer("GET", "/v1/promotions/\(id)", wait: wait) }

    /// The promotion once it waits.
    func waiting(_ id: String) async throws -> PromotionResource {
        try await eventualValue("promotion \(id) to wait", within: .seconds(20), every: .milliseconds(50)) {
            let found = try await promotion(id)
            return found.state == "waiting" ? found : nil
        }
    }
}
