import APIModel
import Foundation
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import PromotionCore

/// `/v1/promotions/{id}/events`: what happens to a promotion, as it happens (server-sent events, HTML §9.2).
struct EventRoutes: Sendable {
    let promotions: Promotions
    let events: PromotionEvents

    func add(to group: RouterGroup<ShipliftRequestContext>) {
        group.get("promotions/:id/events", use: follow)
    }

    private static let lastField = HTTPField.Name("Last-Event-ID")
    private static let bufferingField = HTTPField.Name("X-Accel-Buffering")

    @Sendable private func follow(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        let promotion = try await promotions.promotion(try PromotionRoutes.id(context))
        let place = try Self.place(request)
        let isHeardOut: Bool
        do { isHeardOut = try events.isHeardOut(promotion, after: place) } catch {
            throw Problem.unacceptable("Last-Event-ID", "this promotion has no such event yet; give the id of one that was received from it, or none")
        }
        // The standard's word for: don't come again.
        if isHeardOut { return Response(status: .noContent) }
        var headers: HTTPFields = [.contentType: PromotionEventStream.mediaType, .cacheControl: "no-store"]
        if let field = Self.bufferingField { headers[field] = "no" }
        let body = ResponseBody { [events, logger = context.logger] writer in
            do {
                try await writer.write(ByteBuffer(string: PromotionEventStream.opening))
                try await events.follow(promotion.id, after: place) { event in
                    try await writer.write(ByteBuffer(string: try PromotionEventStream.text(event, promotion.id)))
                }
            } catch let error as StoreError {
                // The listener comes again and goes on where it was.
                logger.warning("a listener was sent away", metadata: ["error": "\(error)"])
            }
            try await writer.finish(nil)
        }
        return Response(status: .ok, headers: headers, body: body)
    }

    private static func place(_ request: Request) throws(Problem) -> PromotionEventID? {
        guard let field = lastField, let text = request.headers[field], !text.isEmpty else { return nil }
        guard let place = PromotionEventID(parsing: text) else { throw .invalid("Last-Event-ID", "the id of an event that was received, such as 7") }
        return place
    }
}

/// How events are written.
enum PromotionEventStream {
    static let mediaType = "text/event-stream"
    /// How long a listener waits before it comes again, in milliseconds.
    static let opening = "retry: 1000\n\n"

    static func text(_ event: PromotionEvent, _ promotion: PromotionID) throws -> String {
        switch event {
        case .stillThere: return ":\n\n"
        case .progress(let progress): return try lines("progress", nil, ProgressResource(progress))
        case .decision(let id, let move, let decision):
            return try lines(
                "decision", id, DecisionEventResource(promotion: promotion.description, version: move.version, at: move.at, decision: DecisionResource(decision)))
        case .state(let id, let move):
            return try lines(
                "state", id,
                StateEventResource(
                    promotion: promotion.description, version: move.version, state: move.to.rawValue, previous: move.from?.rawValue, at: move.at,
                    by: move.actor.description))
        }
    }

    /// JSON without line breaks is one line of data.
    private static func lines(_ name: String, _ id: PromotionEventID?, _ data: some Encodable) throws -> String {
        let json = String(decoding: try APIJSON.encoder().encode(data), as: UTF8.self)
        return "event: \(name)\n\(id.map { "id: \($0)\n" } ?? "")data: \(json)\n\n"
    }
}
