import Exposition
import Foundation
import Metrics
import PolicyEngine
import Postgres
import PromotionCore
import Storage

/// What the service shows at `/metrics`: which metrics there are, and those that are read when they are asked for.
struct ServiceMetrics: Sendable {
    let registry: PrometheusRegistry
    let queue: any WorkQueue
    let trail: PostgresAuditTrail
    let policies: any PolicySource
    let desk: any PolicyDesk
    let directory: any RegistryDirectory
    let pools: [(name: String, pool: PostgresPool)]
    let inventory: any InventoryQueries

    /// The longest that a scrape waits for the database.
    private static let patience = Duration.seconds(3)

    /// What each metric means.
    static let help = [
        "shiplift_registry_requests_total": "Requests to a registry that were answered, by the class of the status.",
        "shiplift_registry_errors_total": "Requests to a registry that got no answer.",
        "shiplift_registry_throttled_total": "Answers 429 and 503 of a registry.",
        "shiplift_registry_bytes_total": "Bytes of bodies from (in) and to (out) a registry.",
        "shiplift_registry_requests_in_flight": "Requests to a registry that are under way.",
        "shiplift_registry_request_seconds": "How long requests to a registry took, blobs included.",
        "shiplift_registry_allowance": "Requests that a registry bears at once now.",
        "shiplift_registry_ratelimit_limit": "Requests that a registry allows within its window (RateLimit-Limit).",
        "shiplift_registry_ratelimit_remaining": "Requests that are left within a registry's window (RateLimit-Remaining).",
        "shiplift_blobs_total": "Blobs that promotions needed at a target, by how they got there: present, mounted or copied.",
        "shiplift_blob_bytes_total": "Bytes of these blobs.",
        "shiplift_promotions_total": "Promotions that came to an end, by outcome.",
        "shiplift_promotion_seconds": "Time from a promotion's request to its end, by outcome.",
        "shiplift_queue_depth": "Promotions that wait for a worker.",
        "shiplift_queue_running": "Promotions that a worker has.",
        "shiplift_queue_oldest_seconds": "How long the oldest waiting promotion has been waiting.",
        "shiplift_policy_info": "1 for the policy version in force.",
        "shiplift_policy_refused": "Mistakes in newer policy files, which are not in force.",
        "shiplift_policy_editions_total": "Editions of the policy that were looked at, by outcome: adopted, refused.",
        "shiplift_policy_refused_seconds": "How long the newest edition has been refused; 0 where it is in force.",
        "shiplift_policy_reachable": "Whether the place that policies come from could be read at the last look.",
        "shiplift_audit_unsequenced": "Audit entries that have no place in the log yet.",
        "shiplift_audit_lag_seconds": "Age of the oldest of these.",
        "shiplift_audit_published_size": "Entries under the newest checkpoint that got to a place outside.",
        "shiplift_audit_publish_failures": "Failures to publish there since then.",
        "shiplift_drifts_open": "Tags that no longer name what Shiplift made them name, by environment.",
        "shiplift_pool_connections": "Connections to PostgreSQL, by pool and state.",
        "shiplift_pool_waiting": "Work that waits for a connection.",
        "shiplift_up_database": "Whether the database answered when the metrics were read.",
    ]

    /// Reads what is read now, and writes everything out. A database that does not answer costs its own metrics and no others.
    func render() async -> String {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await read() }
            // Whichever ends first: nobody scrapes for longer than this.
            group.addTask { do { try await Task.sleep(for: Self.patience) } catch { return } }
            await group.next()
            group.cancelAll()
        }
        return registry.render()
    }

    private func read() async {
        var isUp = true
        do {
            let depth = try await queue.depth()
            gauge("shiplift_queue_depth", Double(depth.available))
            gauge("shiplift_queue_running", Double(depth.running))
            gauge("shiplift_queue_oldest_seconds", depth.oldestSeconds ?? 0)
            let backlog = try await trail.backlog()
            gauge("shiplift_audit_unsequenced", Double(backlog.entries))
            gauge("shiplift_audit_lag_seconds", backlog.oldestSeconds)
            for state in try await trail.sinkStates() {
                gauge("shiplift_audit_published_size", Double(state.size), [("sink", state.name)])
                gauge("shiplift_audit_publish_failures", Double(state.failures), [("sink", state.name)])
            }
            for (environment, count) in try await inventory.openDrifts() {
                gauge("shiplift_drifts_open", Double(count), [("environment", environment.description)])
            }
        } catch { isUp = false }
        gauge("shiplift_up_database", isUp ? 1 : 0)
        for (name, pool) in pools {
            let usage = await pool.usage
            gauge("shiplift_pool_connections", Double(usage.busy), [("pool", name), ("state", "busy")])
            gauge("shiplift_pool_connections", Double(usage.idle), [("pool", name), ("state", "idle")])
            gauge("shiplift_pool_waiting", Double(usage.waiting), [("pool", name)])
        }
        await readPolicy()
        await readRegistries()
    }

    private func readRegistries() async {
        let states: [RegistryState]
        do throws(PromotionFailure) { states = try await directory.registries() } catch { return }
        for state in states {
            let label = [("registry", state.name)]
            gauge("shiplift_registry_allowance", Double(state.allowance), label)
            guard let limit = state.rateLimit else { continue }
            gauge("shiplift_registry_ratelimit_limit", Double(limit.limit), label)
            if let remaining = limit.remaining { gauge("shiplift_registry_ratelimit_remaining", Double(remaining), label) }
        }
    }

    private func readPolicy() async {
        gauge("shiplift_policy_refused", Double(await policies.refused().count))
        let status = await desk.status
        gauge("shiplift_policy_refused_seconds", status.refusal.map { max(0, Date().timeIntervalSince($0.at)) } ?? 0)
        gauge("shiplift_policy_reachable", status.unreachable == nil ? 1 : 0)
        let version: String
        do throws(PromotionFailure) { version = try await policies.current().version.description } catch { return }
        registry.forget("shiplift_policy_info")
        gauge("shiplift_policy_info", 1, [("version", version)])
    }

    private func gauge(_ name: String, _ value: Double, _ labels: [(String, String)] = []) {
        registry.makeMeter(label: name, dimensions: labels).set(value)
    }
}

extension PolicyNotice {
    /// Counts the editions that came into force and those that did not.
    func count() {
        let outcome: String
        switch self {
        case .adopted: outcome = "adopted"
        case .refused: outcome = "refused"
        case .unreachable, .reachable, .unreadable: return
        }
        Counter(label: "shiplift_policy_editions_total", dimensions: [("outcome", outcome)]).increment()
    }
}
