import APIModel
import Foundation
import Hummingbird
import NIOCore
import OCI
import PolicyEngine
import PromotionCore

/// `/v1/evidence`: what pipelines and scanners say about a digest.
struct EvidenceRoutes: Sendable {
    let posting: EvidencePosting

    func add(to group: RouterGroup<ShipliftRequestContext>) {
        group.post("evidence", use: post)
        group.post("evidence/scans", use: scan)
        group.get("evidence", use: list)
    }

    private static let maximumDetails = 32_768

    @Sendable private func post(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        let principal = try context.authenticated()
        let body = try await RequestParsing.json(
            request, context, as: EvidenceBody.self, fields: ["digest", "kind", "result", "image", "details", "url"])
        let word = EvidencePosting.Word(
            digest: try RequestParsing.digest(body.digest), kind: try Self.word(body.kind, "kind", 100), result: try Self.word(body.result, "result", 200),
            image: try body.image.map { text throws(Problem) in try RequestParsing.image(text) }, details: try Self.details(body.details),
            url: try body.url.map { text throws(Problem) in try Self.link(text) })
        let posted = try await posting.post(word, by: principal, requestID: context.requestID)
        return try .json(PostedResource(posted), status: .created)
    }

    /// The body is the report as the scanner wrote it.
    @Sendable private func scan(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        let principal = try context.authenticated()
        guard let text = RequestParsing.query(request, "digest") else { throw Problem.invalid("digest", "name the artifact: /v1/evidence/scans?digest=sha256:…") }
        let digest = try RequestParsing.digest(text)
        let image = try RequestParsing.query(request, "image").map { text throws(Problem) in try RequestParsing.image(text) }
        let scanner = try RequestParsing.query(request, "scanner").map { text throws(Problem) in try Self.word(text, "scanner", 100) }
        let completedAt = try RequestParsing.date(request, "completedAt")
        let buffer: ByteBuffer
        do { buffer = try await request.body.collect(upTo: ScanReport.maximumBytes) } catch {
            throw Problem.bodyTooLarge(ScanReport.maximumBytes)
        }
        let posted = try await posting.post(
            report: Data(buffer.readableBytesView), about: digest, image: image, scanner: scanner, completedAt: completedAt, by: principal,
            requestID: context.requestID)
        return try .json(PostedResource(posted), status: .created)
    }

    @Sendable private func list(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        guard let text = RequestParsing.query(request, "digest") else { throw Problem.invalid("digest", "name the artifact: /v1/evidence?digest=sha256:…") }
        let page = try await posting.statements(
            about: try RequestParsing.digest(text), cursor: RequestParsing.query(request, "cursor"), limit: try RequestParsing.limit(request))
        return try .json(PageResource(items: try page.items.map(StatementResource.init), next: page.next))
    }

    private static func word(_ text: String, _ field: String, _ limit: Int) throws(Problem) -> String {
        guard (1...limit).contains(text.unicodeScalars.count), !text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else {
            throw .invalid(field, "1 to \(limit) characters, none of them a control character")
        }
        return text
    }

    private static func details(_ details: JSONNode?) throws -> String? {
        guard let details else { return nil }
        guard case .object = details else { throw Problem.invalid("details", "a JSON object") }
        let data = try APIJSON.encoder().encode(details)
        guard data.count <= maximumDetails else { throw Problem.unacceptable("details", "at most \(maximumDetails) bytes") }
        let text = String(decoding: data, as: UTF8.self)
        guard !text.contains("\\u0000") else { throw Problem.unacceptable("details", "texts without NUL") }
        return text
    }

    /// For people to click: never followed by the service.
    private static func link(_ text: String) throws(Problem) -> String {
        guard text.utf8.count <= 2000, text.hasPrefix("https://") || text.hasPrefix("http://"), text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw .invalid("url", "an http or https address of at most 2,000 visible ASCII characters")
        }
        return text
    }
}
