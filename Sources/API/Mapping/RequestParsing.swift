import APIModel
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import OCI
import PolicyEngine
import PromotionCore

/// Reads what callers send, strictly: what gets past here is typed.
enum RequestParsing {
    /// The body as JSON. Unknown fields are refused, so that a typing error is not silently ignored.
    static func json<Body: Decodable>(_ request: Request, _ context: ShipliftRequestContext, as type: Body.Type, fields: Set<String>) async throws -> Body {
        let (data, members) = try await object(request, context)
        try refuseUnknown(members, fields)
        return try APIJSON.decoder().decode(type, from: data)
    }

    /// A body that may be left out.
    static func optionalJSON<Body: Decodable>(
        _ request: Request, _ context: ShipliftRequestContext, as type: Body.Type, fields: Set<String>, empty: Body
    ) async throws -> Body {
        let data = try await bytes(request, context)
        if data.isEmpty { return empty }
        try refuseUnknown(try members(data), fields)
        return try APIJSON.decoder().decode(type, from: data)
    }

    /// For operations without a body: an empty object says as little as none, and everything else is refused by its name.
    static func refuseBody(_ request: Request, _ context: ShipliftRequestContext) async throws {
        let data = try await bytes(request, context)
        if data.isEmpty { return }
        let members = try members(data)
        guard let name = members.keys.sorted().first else { return }
        throw Problem.invalid(String(name.prefix(80)), "there is no field '\(name.prefix(80))': this takes no body")
    }

    /// Unknown query parameters are refused, so that a typing error does not widen a question.
    static func refuseUnknownQuery(_ request: Request, known: Set<String>) throws(Problem) {
        for (name, _) in request.uri.queryParameters where !known.contains(String(name)) {
            throw .invalid(String(name.prefix(80)), "there is no parameter '\(name.prefix(80))'; known: \(known.sorted().joined(separator: ", "))")
        }
    }

    /// A body `{"items": […]}` of which each item is as strict as a body of its own.
    static func batch(
        _ request: Request, _ context: ShipliftRequestContext, fields: Set<String>, limit: Int
    ) async throws -> [PromotionRequestBody] {
        let (data, members) = try await object(request, context)
        try refuseUnknown(members, ["items"])
        guard let items = members["items"] as? [Any], (1...limit).contains(items.count) else {
            throw Problem.invalid("items", "a list of 1 to \(limit) items")
        }
        for (index, item) in items.enumerated() {
            guard let item = item as? [String: Any] else { throw Problem.invalid("items.\(index)", "each item must be a JSON object") }
            try refuseUnknown(item, fields, in: "items.\(index).")
        }
        return try APIJSON.decoder().decode(PromotionBatchBody.self, from: data).items
    }

    private static func object(_ request: Request, _ context: ShipliftRequestContext) async throws -> (Data, [String: Any]) {
        let data = try await bytes(request, context)
        return (data, try members(data))
    }

    private static func bytes(_ request: Request, _ context: ShipliftRequestContext) async throws -> Data {
        let buffer: ByteBuffer
        do { buffer = try await request.body.collect(upTo: context.maxUploadSize) } catch {
            throw Problem.bodyTooLarge(context.bodyLimit)
        }
        return Data(buffer.readableBytesView)
    }

    private static func members(_ data: Data) throws(Problem) -> [String: Any] {
        let object: Any
        do { object = try JSONSerialization.jsonObject(with: data) } catch { throw Problem.invalid(nil, "the body is not JSON") }
        guard let members = object as? [String: Any] else { throw Problem.invalid(nil, "the body must be a JSON object") }
        return members
    }

    private static func refuseUnknown(_ members: [String: Any], _ fields: Set<String>, in prefix: String = "") throws(Problem) {
        if let empty = members.keys.sorted().first(where: { fields.contains($0) && members[$0] is NSNull }) {
            throw Problem.invalid(prefix + empty, "the field '\(empty)' must not be null; leave it out where there is nothing to say")
        }
        guard let unknown = members.keys.sorted().first(where: { !fields.contains($0) }) else { return }
        throw Problem.invalid(
            prefix + unknown.prefix(80), "there is no field '\(unknown.prefix(80))'; known: \(fields.sorted().joined(separator: ", "))")
    }

    static func image(_ text: String, field: String = "image") throws(Problem) -> ImageName {
        do { return try ImageName(parsing: text) } catch { throw .invalid(field, error.description) }
    }

    static func environment(_ text: String, field: String) throws(Problem) -> EnvironmentName {
        guard let name = EnvironmentName(parsing: text) else { throw .invalid(field, "'\(text.prefix(80))' is no environment name") }
        return name
    }

    static func tag(_ text: String, field: String) throws(Problem) -> Tag {
        do { return try Tag(parsing: text) } catch { throw .invalid(field, error.description) }
    }

    static func digest(_ text: String, field: String = "digest") throws(Problem) -> Digest {
        do { return try Digest(parsing: text) } catch { throw .invalid(field, error.description) }
    }

    static func promotion(_ body: PromotionRequestBody) throws(Problem) -> PromotionRequest {
        let reference: ManifestReference
        switch (body.tag, body.digest) {
        case (let tag?, nil): reference = .tag(try tag_(tag))
        case (nil, let digest?): reference = .digest(try digest_(digest))
        default: throw .invalid("tag", "name the image by 'tag' or by 'digest', one of them")
        }
        guard (body.targetTags ?? []).count <= 20 else { throw .invalid("targetTags", "at most 20 tags") }
        var targets: [Tag] = []
        for text in body.targetTags ?? [] { targets.append(try tag(text, field: "targetTags")) }
        return PromotionRequest(
            image: try image(body.image), from: try environment(body.from, field: "from"), to: try environment(body.to, field: "to"), reference: reference,
            targetTags: targets, reason: try reason(body.reason, field: "reason"))
    }

    static func reason(_ text: String?, field: String) throws(Problem) -> String? {
        guard (text ?? "").unicodeScalars.count <= 2000, text?.contains("\u{0}") != true else { throw .invalid(field, "at most 2,000 characters, without NUL") }
        return text
    }

    private static func tag_(_ text: String) throws(Problem) -> Tag { try tag(text, field: "tag") }
    private static func digest_(_ text: String) throws(Problem) -> Digest { try digest(text) }

    /// `limit`, 1 to `most`; `usual` where it is not given.
    static func limit(_ request: Request, default usual: Int = 50, most: Int = 1000) throws(Problem) -> Int {
        guard let text = request.uri.queryParameters["limit"] else { return usual }
        guard let limit = Int(text), (1...most).contains(limit) else { throw .invalid("limit", "a whole number from 1 to \(most)") }
        return limit
    }

    static func date(_ request: Request, _ name: String) throws(Problem) -> Date? {
        guard let text = query(request, name) else { return nil }
        guard let date = APIJSON.date(text) else { throw .invalid(name, "'\(text.prefix(60))' is no time such as 2026-03-01T00:00:00Z") }
        return date
    }

    /// `true` or `false`; false where it is not given.
    static func flag(_ request: Request, _ name: String) throws(Problem) -> Bool {
        guard let text = query(request, name) else { return false }
        guard let flag = Bool(text) else { throw .invalid(name, "true or false") }
        return flag
    }

    static func query(_ request: Request, _ name: String) -> String? { request.uri.queryParameters[Substring(name)].map(String.init) }

    /// Longest wait in one request, in seconds.
    static let longestWait = 600

    /// RFC 7240: `Prefer: wait=N`, at most `longestWait`; `nil` where nothing is preferred.
    static func wait(_ request: Request) -> Int? {
        guard let prefer = HTTPField.Name("Prefer") else { return nil }
        for field in request.headers[values: prefer] {
            for preference in field.split(separator: ",") {
                let parts = preference.split(separator: "=").map { $0.trimmingCharacters(in: .whitespaces) }
                if parts.count == 2, parts[0].lowercased() == "wait", let seconds = Int(parts[1]), seconds >= 0 { return min(seconds, longestWait) }
            }
        }
        return nil
    }

    /// `If-Match` (RFC 9110 §13.1.1): the versions that the caller means, none of them where its tags are none of ours; `nil` for any.
    static func versions(_ request: Request) -> Set<Int>? {
        guard let header = request.headers[.ifMatch] else { return nil }
        let tags = header.utf8.count <= 1_024 ? header.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) } : []
        if tags == ["*"] { return nil }
        return Set(
            tags.compactMap { tag in
                guard tag.count > 2, tag.hasPrefix("\""), tag.hasSuffix("\"") else { return nil }
                return Int(tag.dropFirst().dropLast())
            })
    }

    /// `Idempotency-Key`: a structured-field string or a bare one, 1 to 255 visible characters.
    static func idempotencyKey(_ request: Request) throws(Problem) -> String? {
        guard let name = HTTPField.Name("Idempotency-Key"), let raw = request.headers[name] else { return nil }
        let key = raw.hasPrefix("\"") && raw.hasSuffix("\"") && raw.count > 1 ? String(raw.dropFirst().dropLast()) : raw
        guard (1...255).contains(key.utf8.count), key.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw .invalid("Idempotency-Key", "1 to 255 visible ASCII characters")
        }
        return key
    }
}
