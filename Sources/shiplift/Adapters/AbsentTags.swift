import OCI
import Registry
import Synchronization
import Transfer

/// Answers "is this tag there?" for many new tags of one repository by one list of its tags, where promotions to it follow close upon
/// each other. A list says only that a tag is absent; what a tag names is asked of the registry each time.
final class AbsentTags: Sendable {
    /// How long a list is believed, and how close together looks must be for a list to be worth it.
    private static let life = Duration.seconds(1)
    /// Larger repositories are not listed.
    private static let pageSize = 1_000
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
        var waiters: [CheckedContinuation<Void, Never>]?
        var recentLooks: [ContinuousClock.Instant] = []
        var isTooLarge = false
    }

    private enum Step { case look, read, wait, known(Bool) }

    private let states = Mutex<[Key: State]>([:])

    /// Whether a tag is known to be absent; `false` says nothing.
    func contains(_ tag: Tag, at site: Site, meter: RequestMeter) async -> Bool {
        let key = Key(server: site.server, repository: site.repository)
        while true {
            switch states.withLock({ Self.step(&$0, key, tag) }) {
            case .look: return false
            case .known(let isAbsent): return isAbsent
            case .read: await read(key, site, meter)
            case .wait: await wait(key)
            }
        }
    }

    /// A tag was written: a list that was read before does not know it.
    func note(_ tag: Tag, at site: Site) {
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
        guard state.recentLooks.count >= 3, !state.isTooLarge else {
            state.recentLooks.append(now)
            return .look
        }
        state.waiters = []
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
                state.isTooLarge = true
            }
            defer { state.waiters = nil }
            return state.waiters ?? []
        }
        for waiter in waiters { waiter.resume() }
    }

    /// A read ends by itself: every request has its limit.
    private func wait(_ key: Key) async {
        await withCheckedContinuation { continuation in
            let isOver = states.withLock { states in
                guard states[key]?.waiters != nil else { return true }
                states[key]?.waiters?.append(continuation)
                return false
            }
            if isOver { continuation.resume() }
        }
    }
}
