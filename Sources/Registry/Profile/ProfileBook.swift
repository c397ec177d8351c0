import Synchronization

/// What is known of one registry: what its environment says, what was met in work, what a probe found, in this order of weight.
public final class ProfileBook: Sendable {
    private struct State {
        var configured = RegistryProfile()
        var learned = RegistryProfile()
        var probed = RegistryProfile()
    }

    private let state: Mutex<State>

    /// - Parameters:
    ///   - configured: what the environment says: the last word.
    ///   - learned: as ``learned`` gave it before.
    ///   - probed: what a probe found.
    public init(configured: RegistryProfile = RegistryProfile(), learned: RegistryProfile = RegistryProfile(), probed: RegistryProfile = RegistryProfile()) {
        state = Mutex(State(configured: configured, learned: learned, probed: probed))
    }

    /// What work goes by.
    public var profile: RegistryProfile { state.withLock { $0.configured.over($0.learned).over($0.probed) } }
    public var configured: RegistryProfile { state.withLock { $0.configured } }
    /// What was met in work, to be stored.
    public var learned: RegistryProfile { state.withLock { $0.learned } }
    public var probed: RegistryProfile { state.withLock { $0.probed } }

    /// Takes over what is stored. What was met here meanwhile and is not stored yet stays.
    public func take(learned: RegistryProfile, probed: RegistryProfile) {
        state.withLock { state in
            state.learned = state.learned.over(learned)
            state.probed = probed
        }
    }

    /// After a new probe: what was met before may be over.
    public func restart(probed: RegistryProfile) {
        state.withLock { state in
            state.learned = RegistryProfile()
            state.probed = probed
        }
    }

    /// The environment says something else now.
    public func configure(_ configured: RegistryProfile) { state.withLock { $0.configured = configured } }

    /// Notes what was met.
    public func learn(_ change: (inout RegistryProfile) -> Void) { state.withLock { change(&$0.learned) } }
}
