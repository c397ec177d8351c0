public import PolicyEngine

/// A place in a promotion's events, the same on every replica and after a restart.
///
/// Each move has two places: its decision, where it came of one, and then the new state.
public struct PromotionEventID: Sendable, Hashable, Comparable, CustomStringConvertible {
    let number: Int

    static func decision(_ version: Int) -> PromotionEventID { PromotionEventID(number: version * 2) }
    static func state(_ version: Int) -> PromotionEventID { PromotionEventID(number: version * 2 + 1) }

    private init(number: Int) { self.number = number }

    /// Parses what a listener was given before; `nil` for anything else.
    public init?(parsing text: String) {
        guard (1...9).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(text) else { return nil }
        self.number = number
    }

    /// The last version of which everything was seen.
    var seenVersion: Int { number % 2 == 0 ? number / 2 - 1 : number / 2 }

    public var description: String { String(number) }
    public static func < (lhs: PromotionEventID, rhs: PromotionEventID) -> Bool { lhs.number < rhs.number }
}

/// What a listener hears.
public enum PromotionEvent: Sendable {
    case decision(PromotionEventID, PromotionMove, Decision)
    case state(PromotionEventID, PromotionMove)
    /// How far the copying is: the newest word only, without a place.
    case progress(CopyProgress)
    /// Nothing happened for a while.
    case stillThere
}

/// A promotion's events from any place on, live until its end.
public struct PromotionEvents: Sendable {
    private let journal: any PromotionJournal
    private let changes: PromotionChanges
    /// The longest silence.
    private let heartbeat: Duration

    public init(journal: any PromotionJournal, changes: PromotionChanges, heartbeat: Duration = .seconds(15)) {
        self.journal = journal
        self.changes = changes
        self.heartbeat = heartbeat
    }

    private static let page = 200

    /// Whether there is nothing to follow: everything was heard, the end included.
    ///
    /// - Throws: `invalidCursor` where `place` is beyond what has happened.
    public func isHeardOut(_ promotion: Promotion, after place: PromotionEventID?) throws(StoreError) -> Bool {
        guard let place else { return false }
        let last = PromotionEventID.state(promotion.version)
        guard place <= last else { throw .invalidCursor }
        return place == last && promotion.state.isFinal
    }

    /// Tells `sink` everything after `place`, once and in order, until the promotion's end or the process's.
    public func follow(_ id: PromotionID, after place: PromotionEventID?, to sink: @concurrent (PromotionEvent) async throws -> Void) async throws {
        try await changes.watching(id) { bell in
            var last = place
            var told: CopyProgress?
            while true {
                let moves = try await journal.moves(of: id, after: last?.seenVersion ?? -1, limit: Self.page)
                for move in moves { try await tell(move, after: &last, sink) }
                if let move = moves.last, move.to.isFinal, moves.count < Self.page { return }
                if moves.count == Self.page { continue }
                if let progress = changes.progress(of: id), progress != told {
                    told = progress
                    try await sink(.progress(progress))
                }
                if changes.isClosed { return }
                let began = ContinuousClock.now
                await bell.next(within: heartbeat)
                try Task.checkCancellation()
                if began.duration(to: .now) >= heartbeat { try await sink(.stillThere) }
            }
        }
    }

    private func tell(_ move: PromotionMove, after last: inout PromotionEventID?, _ sink: @concurrent (PromotionEvent) async throws -> Void) async throws {
        let (decided, moved) = (PromotionEventID.decision(move.version), PromotionEventID.state(move.version))
        if let decision = move.decision, last.map({ $0 < decided }) ?? true { try await sink(.decision(decided, move, decision)) }
        try await sink(.state(moved, move))
        last = moved
    }
}
