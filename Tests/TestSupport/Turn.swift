public import Testing

/// Lets only so many tests with servers of their own run at once, in all suites together: a machine that is busy starting
/// servers answers too late for every deadline.
public struct Turn: SuiteTrait, TestTrait, TestScoping {
    /// Applies to every test of the suite, and not to the suite as a whole.
    public var isRecursive: Bool { true }

    @concurrent public func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable @concurrent () async throws -> Void
    ) async throws {
        await Turnstile.shared.enter()
        do { try await function() } catch {
            await Turnstile.shared.leave()
            throw error
        }
        await Turnstile.shared.leave()
    }
}

extension Trait where Self == Turn {
    /// Waits for its turn: see ``Turn``.
    public static var inTurn: Turn { Turn() }
}

/// First come, first served.
private actor Turnstile {
    static let shared = Turnstile(places: 4)
    private var free: Int
    private var waiting: [CheckedContinuation<Void, Never>] = []

    init(places: Int) { free = places }

    func enter() async {
        if free > 0 {
            free -= 1
            return
        }
        await withCheckedContinuation { waiting.append($0) }
    }

    func leave() {
        if waiting.isEmpty { free += 1 } else { waiting.removeFirst().resume() }
    }
}
