public import OCI
public import Registry
import Synchronization

/// Answers "is this tag there?" for many new tags of one repository by one list of its tags, where promotions to it follow close upon
/// each other. A list says only that a tag is absent; what a tag names is asked of the registry each time.
public final class AbsentTags: Sendable {
    /// How long a list is believed, and how close together looks must be for a list to be worth it.
    private static let life = Duration.seconds(1)
    /// Larger repositories are not listed; whether one still is so large is asked again after a while.
    private static let pageSize = 1_000
    private static let largeLife = Duration.seconds(600)
    /// A list that failed says nothing about the next one.
    private let failureLife: Duration
    private static let limit = 1_000

    private struct Key: Hashable {
        let server: String
        let repository: RepositoryName
    }

    private struct Listing {
        var tags: Set<Tag>
        let at: ContinuousClock.Instant
    }

    private struct State {
        var listing: Listing?
        /// A list that is being read: whoever else wants it waits.
        var waiters: [Int: CheckedContinuation<Void, Never>]?
        var recentLooks: [ContinuousClock.Instant] = []
        /// No list is worth its request before.
        var noListUntil: ContinuousClock.Instant?
    }

    private enum Step { case look, read, wait, known(Bool) }

    private let states = Mutex<[Key: State]>([:])
    private let nextWaiter = Atomic<Int>(0)

    /// - Parameter failureLife: how long no list is read after one that failed.
    public init(failureLife: Duration = .seconds(5)) { self.failureLife = failureLife }

    /// Whether a tag is known to be absent; `false` says nothing.
    public func contains(_ tag: Tag, at site: Site, meter: RequestMeter) async -> Bool {
        let key = Key(server: site.server, repository: site.repository)
        while !Task.isCancelled {
            switch states.withLock({ Self.step(&$0, key, tag) }) {
            case .look: return false
            case .known(let isAbsent): return isAbsent
            case .read: await read(key, site, meter)
            case .wait: await wait(key)
            }
        }
        return false
    }

    /// A tag was written: a list that was read before does not know it.
    public func note(_ tag: Tag, at site: Site) {
        states.withLock { states in
            _ = states[Key(server: site.server, repository: site.repository)]?.listing?.tags.insert(tag)
        }
    }

    private static func step(_ states: inout [Key: State], _ key: Key, _ tag: Tag) -> Step {
        let now = ContinuousClock.now
        if states.count > limit { states = states.filter { $0.value.waiters != nil || ($0.value.recentLooks.last ?? now) + .seconds(60) > now } }
        var state = states[key, default: State()]
        defer { states[key] = state }
        if let listing = state.listing, listing.at.duration(to: now) < life { return .known(!listing.tags.contains(tag)) }
        if state.waiters != nil { return .wait }
        state.recentLooks = state.recentLooks.filter { $0.duration(to: now) < life }
        if let end = state.noListUntil, end <= now { state.noListUntil = nil }
        guard state.recentLooks.count >= 3, state.noListUntil == nil else {
            state.recentLooks.append(now)
            return .look
        }
        state.waiters = [:]
        return .read
    }

    private func read(_ key: Key, _ site: Site, _ meter: RequestMeter) async {
        let began = ContinuousClock.now
        var page: TagPage?
        // Without a list, each tag is asked about.
        do throws(RegistryError) { page = try await site.client.tags(site.repository, pageSize: Self.pageSize, meter: meter) } catch {}
        let waiters = states.withLock { states -> [CheckedContinuation<Void, Never>] in
            var state = states[key, default: State()]
            defer { states[key] = state }
            if let page, page.next == nil {
                state.listing = Listing(tags: Set(page.tags), at: began)
            } else {
                state.noListUntil = .now + (page == nil ? failureLife : Self.largeLife)
            }
            defer { state.waiters = nil }
            return state.waiters.map { Array($0.values) } ?? []
        }
        for waiter in waiters { waiter.resume() }
    }

    /// A read ends by itself: every request has its limit. Whoever is cancelled does not wait for it.
    private func wait(_ key: Key) async {
        let id = nextWaiter.wrappingAdd(1, ordering: .relaxed).newValue
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = states.withLock { states in
                    // The handler may have come by already.
                    guard states[key]?.waiters != nil, !Task.isCancelled else { return true }
                    states[key]?.waiters?[id] = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            states.withLock { $0[key]?.waiters?.removeValue(forKey: id) }?.resume()
        }
    }
}
