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
        group.get("audit/sinks", use: sinks)
        group.get("audit/verification", use: verify)
        group.get("audit/export", use: export)
    }

    @Sendable private func list(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        let filter = try AuditQuery.filter(request)
        let order = try AuditQuery.order(request)
        let format = try AuditQuery.format(request)
        if format != .json { return stream(filter, order, format) }
        let limit = try RequestParsing.limit(request)
        let page =
            if let after = try AuditQuery.after(request) {
                try await trail.entries(filter, after: after, limit: limit)
            } else {
                try await trail.entries(filter, order: order, cursor: RequestParsing.query(request, "cursor"), limit: limit)
            }
        var text = "{\"items\":[\(page.items.map(AuditQuery.line).joined(separator: ","))]"
        if let next = page.next { text += ",\"next\":\"\(next)\"" }
        if let previous = page.previous { text += ",\"previous\":\"\(previous)\"" }
        if let position = page.position { text += ",\"position\":\(position)" }
        return Response.text(text + "}", "application/json; charset=utf-8")
    }

    /// All of a query's entries, written as they are read: memory stays bounded however many there are.
    private func stream(_ filter: AuditFilter, _ order: AuditOrder, _ format: AuditQuery.Format) -> Response {
        let trail = trail
        let body = ResponseBody { writer in
            var pending = ByteBuffer()
            if format == .csv { pending.writeString(AuditCSV.header) }
            try await trail.stream(filter, order: order) { act in
                pending.writeString(format == .csv ? try AuditCSV.row(act) : AuditQuery.line(act) + "\n")
                guard pending.readableBytes > 64 << 10 else { return }
                try await writer.write(pending)
                pending.clear()
            }
            try await writer.write(pending)
            try await writer.finish(nil)
        }
        var headers: HTTPFields = [.contentType: format.mediaType, .cacheControl: "no-store"]
        if format == .csv { headers[.contentDisposition] = "attachment; filename=\"audit.csv\"" }
        return Response(status: .ok, headers: headers, body: body)
    }

    @Sendable private func checkpoint(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        let witnessed = RequestParsing.query(request, "witnessed") ?? "false"
        guard ["true", "false"].contains(witnessed) else { throw Problem.invalid("witnessed", "true or false") }
        guard let note = try await trail.checkpoint(witnessed: witnessed == "true") else {
            throw Problem.notFound("no checkpoint was signed yet; one follows within a second of the first entry")
        }
        return Response.text(note, "text/plain; charset=utf-8")
    }

    @Sendable private func sinks(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        let states = try await trail.sinkStates()
        return try .json(
            AuditSinksResource(
                items: states.map {
                    AuditSinksResource.Sink(
                        name: $0.name, size: Int64($0.size), publishedAt: $0.publishedAt, failures: $0.failures, lastError: $0.lastError)
                }))
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
}
