/// Where a relay stood: the blob's digest at some of its bytes, so that what was read and hashed need not be read again.
///
/// Ownership: filled by one relay on the loop thread; after its end nothing changes it any more. Hence `@unchecked`.
public final class RelayCheckpoint: @unchecked Sendable {
    /// The source's strong validator, where it gave one.
    let entityTag: String?
    private let states: [(position: Int64, hash: ContentHash)]

    init?(_ trail: HashTrail, entityTag: String?) {
        guard !trail.states.isEmpty else { return nil }
        states = trail.states
        self.entityTag = entityTag
    }

    /// The last state at or before `offset`, and a digest that goes on from there.
    func state(before offset: Int64) -> (position: Int64, hash: ContentHash)? {
        guard let state = states.last(where: { $0.position <= offset }), let hash = ContentHash(copying: state.hash) else { return nil }
        return (state.position, hash)
    }
}

/// States of a digest along the blob: close together at first, wider apart in larger blobs, never more than a few dozen.
struct HashTrail {
    private(set) var states: [(position: Int64, hash: ContentHash)] = []
    private var distance: Int64 = 1 << 20
    private static let limit = 64

    /// Keeps the state at `position` where it is far enough from the last one.
    mutating func note(_ hash: ContentHash, at position: Int64) {
        guard position - (states.last?.position ?? 0) >= distance, let copy = ContentHash(copying: hash) else { return }
        states.append((position, copy))
        guard states.count >= Self.limit else { return }
        states = states.enumerated().filter { $0.offset % 2 == 1 }.map(\.element)
        distance *= 2
    }
}
