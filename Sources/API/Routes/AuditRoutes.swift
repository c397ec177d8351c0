import APIModel
import AuditLog
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import OCI
import PolicyEngine
import PromotionCore

/// `/v1/audit`: who did what, when and where; and whether the log is intact.
struct AuditRoutes: Sendable {
    let trail: any AuditTrail
    let keys: [CheckpointVerifier]

    func add(to group: RouterGroup<ShipliftRequestContext>) {
        group.get("audit", use: list)
        group.get("audit/checkpoint", use: checkpoint)
        group.get("audit/verification", use: verify)
        group.get("audit/export", use: export)
    }

    @Sendable private func list(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        var filter = AuditFilter()
        filter.actor = RequestParsing.query(request, "actor").map(SubjectID.init(stored:))
        filter.action = RequestParsing.query(request, "action")
        filter.outcome = RequestParsing.query(request, "outcome")
        filter.image = try RequestParsing.query(request, "image").map { text throws(Problem) in try RequestParsing.image(text) }
        filter.digest = try RequestParsing.query(request, "digest").map { text throws(Problem) in try RequestParsing.digest(text) }
        filter.environment = try RequestParsing.query(request, "environment").map { text throws(Problem) in
            try RequestParsing.environment(text, field: "environment")
        }
        if let text = RequestParsing.query(request, "promotion") {
            guard let id = PromotionID(parsing: text) else { throw Problem.invalid("promotion", "'\(text.prefix(60))' is no promotion's id") }
            filter.promotion = id
        }
        filter.since = try RequestParsing.date(request, "since")
        filter.until = try RequestParsing.date(request, "until")
        let page = try await trail.entries(filter, cursor: RequestParsing.query(request, "cursor"), limit: try RequestParsing.limit(request))
        // Entries go out as the bytes that are hashed, so that anyone can check them.
        let items = page.items.map { act in
            "{\"index\":\(act.index.map(String.init) ?? "null"),\"leafHash\":\"\(act.leafHash)\",\"entry\":\(act.entry.canonicalText)}"
        }
        let next = page.next.map { ",\"next\":\"\($0)\"" } ?? ""
        return Self.raw("{\"items\":[\(items.joined(separator: ","))]\(next)}", "application/json; charset=utf-8")
    }

    @Sendable private func checkpoint(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        guard let note = try await trail.checkpoint() else { throw Problem.notFound("no checkpoint was signed yet; one follows within a second of the first entry") }
        return Self.raw(note, "text/plain; charset=utf-8")
    }

    @Sendable private func verify(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        switch try await trail.verify(keys: keys) {
        case .intact(let size, let root, let checkpoints):
            return try .json(AuditVerificationResource(intact: true, size: Int64(size), root: root.description, checkpoints: checkpoints, finding: nil))
        case .broken(let finding):
            return try .json(AuditVerificationResource(intact: false, size: nil, root: nil, checkpoints: nil, finding: finding.description))
        }
    }

    /// NDJSON, written as it is read: memory stays bounded whatever the log's size.
    @Sendable private func export(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        let trail = trail
        let body = ResponseBody { writer in
            var pending = ByteBuffer()
            try await trail.export { line in
                pending.writeString(line)
                pending.writeString("\n")
                guard pending.readableBytes > 64 << 10 else { return }
                try await writer.write(pending)
                pending.clear()
            }
            try await writer.write(pending)
            try await writer.finish(nil)
        }
        return Response(status: .ok, headers: [.contentType: "application/x-ndjson"], body: body)
    }

    private static func raw(_ text: String, _ type: String) -> Response {
        Response(status: .ok, headers: [.contentType: type, .cacheControl: "no-store"], body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }
}
