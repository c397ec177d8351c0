import APIModel
import AuditLog
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import PromotionCore

/// Proofs about the audit log: what an auditor checks without trusting us.
struct AuditProofRoutes: Sendable {
    let trail: any AuditTrail

    func add(to group: RouterGroup<ShipliftRequestContext>) {
        group.get("audit/proof", use: proof)
        group.get("audit/consistency", use: consistency)
    }

    @Sendable private func proof(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        guard let text = RequestParsing.query(request, "entry"), let entry = EntryReference(parsing: text) else {
            throw Problem.invalid("entry", "the entry's id, or its number in the log")
        }
        let format = RequestParsing.query(request, "format") ?? "json"
        guard ["json", "tlog-proof"].contains(format) else { throw Problem.invalid("format", "json or tlog-proof") }
        guard let proof = try await trail.proof(of: entry) else { throw Problem.notFound("the audit log has no entry \(text.prefix(60))") }
        return format == "json" ? try Self.json(proof) : Response.text(proof.text, "text/plain; charset=utf-8")
    }

    private static func json(_ proof: AuditProof) throws -> Response {
        let checkpoint: Checkpoint
        do { checkpoint = try Checkpoint(claimedBy: proof.note) } catch { throw Problem(StoreError.corrupt("\(error)")) }
        // The entry goes out as the bytes that are hashed.
        return Response.text(
            """
            {"index":\(proof.index),"leaf":"\(MerkleHash(leaf: proof.canonicalText.utf8))","size":\(checkpoint.size),"root":"\(checkpoint.root)",\
            "path":[\(proof.path.map { "\"\($0)\"" }.joined(separator: ","))],"checkpoint":\(try quoted(proof.note)),"entry":\(proof.canonicalText)}
            """, "application/json; charset=utf-8")
    }

    private static func quoted(_ text: String) throws -> String { String(decoding: try APIJSON.encoder().encode(text), as: UTF8.self) }

    @Sendable private func consistency(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        guard let first = try Self.size(request, "from") else { throw Problem.invalid("from", "the number of entries of the older log") }
        let second = try Self.size(request, "to")
        if let second, second < first { throw Problem.unacceptable("to", "at least 'from'") }
        guard let answer = try await trail.consistency(from: first, to: second) else {
            throw Problem.notFound("no checkpoint is signed over \(second ?? first) entries or more: the log is shorter than that")
        }
        return try .json(
            AuditConsistencyResource(
                first: Int64(first), second: Int64(answer.proof.second), firstRoot: answer.firstRoot.description, root: answer.secondRoot.description,
                path: answer.proof.path.map(\.description), checkpoint: answer.note))
    }

    private static func size(_ request: Request, _ name: String) throws(Problem) -> UInt64? {
        guard let text = RequestParsing.query(request, name) else { return nil }
        guard let size = Int64(text), size > 0 else { throw .invalid(name, "a whole number from 1 on") }
        return UInt64(size)
    }
}

extension Response {
    /// An answer that is text already.
    static func text(_ text: String, _ type: String) -> Response {
        Response(status: .ok, headers: [.contentType: type, .cacheControl: "no-store"], body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }
}
