/// Why the store did not do what was asked.
public enum StoreError: Error, Sendable, Hashable, CustomStringConvertible {
    case notFound
    /// The promotion is in a state from which the move is not possible.
    case stale(current: PromotionState)
    /// The promotion is no longer in the version that the caller has seen.
    case changed(version: Int)
    /// The same promotion is already under way.
    case alreadyInProgress(PromotionID)
    /// The idempotency key was used before with another request.
    case idempotencyKeyReused
    /// The worker no longer holds the lease: it must stop and write nothing.
    case leaseLost
    /// Something has arrived since the facts were read: the decision has to be made again.
    case overtaken
    /// An older promotion still works on the same tag.
    case targetHeld(by: PromotionID)
    /// A name that must be unique exists.
    case duplicate(String)
    /// As many as are kept: one of what.
    case full(String)
    /// A cursor that we did not make, or for another query.
    case invalidCursor
    /// The audit entry could not be written, so the act did not happen.
    case auditUnavailable(String)
    /// The database can't be reached or answered too late.
    case unavailable(String)
    /// Whether a commit took place is unknown; look the act up by its id.
    case outcomeUnknown
    /// It will be there in a moment: what is being waited for.
    case notYet(String)
    /// What is stored contradicts what the code expects.
    case corrupt(String)

    public var description: String {
        switch self {
        case .notFound: "there is no such thing"
        case .stale(let current): "the promotion is \(current.rawValue), which does not allow this"
        case .changed(let version): "the promotion has changed since: it is now in version \(version)"
        case .alreadyInProgress(let id): "the same promotion is already under way: \(id)"
        case .idempotencyKeyReused: "this Idempotency-Key was used before with another request"
        case .leaseLost: "the lease on this promotion was lost"
        case .overtaken: "something has arrived that the decision did not look at"
        case .targetHeld(let id): "promotion \(id) is still working on the same tag"
        case .duplicate(let what): "\(what) exists already"
        case .full(let what): "there are too many \(what)"
        case .invalidCursor: "the cursor is not one of this query's"
        case .auditUnavailable(let reason): "the audit entry can't be written: \(reason)"
        case .unavailable(let reason): "the database is not available: \(reason)"
        case .outcomeUnknown: "the connection to the database was lost during the commit"
        case .notYet(let what): what
        case .corrupt(let what): "stored data can't be read: \(what)"
        }
    }
}
