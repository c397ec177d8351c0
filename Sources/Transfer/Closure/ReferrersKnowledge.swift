public import Registry
import Synchronization

/// What was learned of registries: which of them have the referrers API. One for the whole service; it is asked about once, not each time.
public final class ReferrersKnowledge: Sendable {
    private struct Belief {
        let support: ReferrersSupport
        let end: ContinuousClock.Instant?
    }

    private let beliefs: Mutex<[String: Belief]>
    private let tagSchemaLife: Duration
    /// Writers of one list of referrers, one behind the other: registries have no compare-and-set.
    let turns = Turns()

    /// - Parameters:
    ///   - known: by registry (`Site.registryKey`), as `all` gave it before.
    ///   - tagSchemaLife: a registry without the API may get it with its next version, after which nobody keeps the tags any more. So the
    ///     belief that it has none ends; that it has one does not.
    public init(known: [String: ReferrersSupport] = [:], tagSchemaLife: Duration = .seconds(24 * 3600)) {
        self.tagSchemaLife = tagSchemaLife
        let end = ContinuousClock.now + tagSchemaLife
        beliefs = Mutex(known.mapValues { Belief(support: $0, end: $0 == .api ? nil : end) })
    }

    /// What is believed of each registry, to be stored.
    public var all: [String: ReferrersSupport] { beliefs.withLock { $0.mapValues(\.support) } }

    /// What is believed of a registry; `nil` where it must be asked.
    public func support(of registry: String) -> ReferrersSupport? {
        beliefs.withLock { beliefs in
            guard let belief = beliefs[registry] else { return nil }
            if let end = belief.end, end <= .now { return nil }
            return belief.support
        }
    }

    func learn(_ support: ReferrersSupport, of registry: String) {
        let end = support == .api ? nil : ContinuousClock.now + tagSchemaLife
        beliefs.withLock { $0[registry] = Belief(support: support, end: end) }
    }

    /// Takes over what an environment says or a probe found, where nothing was met in work.
    public func take(_ support: ReferrersSupport, of registry: String) {
        guard self.support(of: registry) == nil else { return }
        learn(support, of: registry)
    }

    /// Takes over what is certain: an environment says so, or a probe has just found out.
    public func settle(_ support: ReferrersSupport, of registry: String) { learn(support, of: registry) }

    func forget(_ registry: String) { beliefs.withLock { $0[registry] = nil } }
}

/// Lets one caller at a time do what is named by a key; the others wait in their order.
actor Turns {
    private var waiting: [String: [CheckedContinuation<Void, Never>]] = [:]

    func take<Success: Sendable>(_ key: String, _ body: @Sendable () async throws(TransferError) -> Success) async throws(TransferError) -> Success {
        await begin(key)
        defer { end(key) }
        return try await body()
    }

    private func begin(_ key: String) async {
        guard waiting[key] != nil else {
            waiting[key] = []
            return
        }
        // No hang: whoever has the turn has deadlines on all that it does.
        await withCheckedContinuation { waiting[key, default: []].append($0) }
    }

    private func end(_ key: String) {
        guard var queue = waiting[key], !queue.isEmpty else {
            waiting[key] = nil
            return
        }
        let next = queue.removeFirst()
        waiting[key] = queue
        next.resume()
    }
}
