import APIModel
import Foundation
import Hummingbird
import OCI
import PolicyEngine
import PromotionCore

/// `/v1/scans`: looks at everything in an environment's registries.
struct ScanRoutes: Sendable {
    let scanning: InventoryScanning

    func add(to group: RouterGroup<ShipliftRequestContext>) {
        group.post("scans", use: create)
        group.get("scans", use: list)
        group.get("scans/:id", use: show)
    }

    @Sendable private func create(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        let principal = try context.authenticated()
        let body = try await RequestParsing.json(request, context, as: ScanRequestBody.self, fields: ["environment"])
        let environment = try RequestParsing.environment(body.environment, field: "environment")
        var scan = try await scanning.request(environment, by: principal, requestID: context.requestID)
        if let seconds = RequestParsing.wait(request) { scan = try await settled(scan, within: .seconds(seconds)) }
        return try .json(
            InventoryScanResource(scan), status: scan.state.isFinal ? .ok : .accepted, headers: [.location: "/v1/scans/\(scan.id.uuidString.lowercased())"])
    }

    private func settled(_ scan: InventoryScan, within time: Duration) async throws -> InventoryScan {
        let deadline = ContinuousClock.now + time
        var current = scan
        while !current.state.isFinal, ContinuousClock.now < deadline {
            try await Task.sleep(for: .milliseconds(200))
            current = try await scanning.scan(scan.id) ?? current
        }
        return current
    }

    @Sendable private func list(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        let environment = try RequestParsing.query(request, "environment").map { text throws(Problem) in
            try RequestParsing.environment(text, field: "environment")
        }
        let page = try await scanning.scans(of: environment, cursor: RequestParsing.query(request, "cursor"), limit: try RequestParsing.limit(request))
        return try .json(PageResource(items: page.items.map(InventoryScanResource.init), next: page.next))
    }

    @Sendable private func show(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        guard let text = context.parameters.get("id"), let id = UUID(uuidString: text), let scan = try await scanning.scan(id) else {
            throw Problem.notFound("there is no such scan")
        }
        return try .json(InventoryScanResource(scan))
    }
}

extension InventoryScanResource {
    init(_ scan: InventoryScan) {
        let counts = scan.counts
        self.init(
            id: scan.id.uuidString.lowercased(), environment: scan.environment.description, state: scan.state.rawValue,
            requestedBy: scan.requestedBy.description, requestedAt: scan.requestedAt, startedAt: scan.startedAt, finishedAt: scan.finishedAt,
            counts: Counts(
                repositories: counts.repositories, tags: counts.tags, new: counts.new, moved: counts.moved, gone: counts.gone, artifacts: counts.artifacts,
                requests: counts.requests),
            failures: scan.failures)
    }
}
