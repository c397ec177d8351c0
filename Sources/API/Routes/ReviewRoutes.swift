import APIModel
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import OCI
import PolicyEngine
import PromotionCore

/// `/v1/review`, `/v1/promotions/{id}/review`: what would change, for people; JSON, or Markdown where that is accepted.
struct ReviewRoutes: Sendable {
    let reviews: Reviews

    func add(to group: RouterGroup<ShipliftRequestContext>) {
        group.get("review", use: candidate)
        group.get("promotions/:id/review", use: promotion)
    }

    @Sendable private func promotion(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        _ = try context.authenticated()
        return try answer(try await reviews.review(try PromotionRoutes.id(context)), request)
    }

    @Sendable private func candidate(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        let principal = try context.authenticated()
        func required(_ name: String) throws(Problem) -> String {
            guard let value = RequestParsing.query(request, name) else {
                throw Problem.invalid(name, "say '\(name)': /v1/review?image=shop/api&from=staging&to=production&tag=1.4.2")
            }
            return value
        }
        let (image, from, to) = (try required("image"), try required("from"), try required("to"))
        let reference: ManifestReference
        switch (RequestParsing.query(request, "tag"), RequestParsing.query(request, "digest")) {
        case (let tag?, nil): reference = .tag(try RequestParsing.tag(tag, field: "tag"))
        case (nil, let digest?): reference = .digest(try RequestParsing.digest(digest))
        default: throw Problem.invalid("tag", "name the artifact by 'tag' or by 'digest', one of them")
        }
        let question = Reviews.Question(
            image: try RequestParsing.image(image), from: try RequestParsing.environment(from, field: "from"), to: try RequestParsing.environment(to, field: "to"),
            reference: reference)
        return try answer(try await reviews.review(question, by: principal), request)
    }

    private func answer(_ review: Review, _ request: Request) throws -> Response {
        let resource = ReviewResource(review)
        guard Self.wantsMarkdown(request) else { return try .json(resource, headers: [.vary: "Accept"]) }
        let headers: HTTPFields = [.contentType: "text/markdown; charset=utf-8", .cacheControl: "no-store", .vary: "Accept"]
        return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(string: resource.markdown)))
    }

    /// Where the client would rather have Markdown; of two that it likes as much, JSON.
    static func wantsMarkdown(_ request: Request) -> Bool {
        var best: [String: Double] = [:]
        for range in request.headers[values: .accept].joined(separator: ",").split(separator: ",").prefix(50) {
            let parts = range.split(separator: ";").map { $0.trimmingCharacters(in: .whitespaces).lowercased() }
            guard let type = parts.first else { continue }
            let weight = parts.dropFirst().first { $0.hasPrefix("q=") }.flatMap { Double($0.dropFirst(2)) } ?? 1
            best[type] = max(best[type] ?? 0, weight)
        }
        let json = best["application/json"] ?? best["application/*"] ?? best["*/*"] ?? 0
        return (best["text/markdown"] ?? 0) > json
    }
}
