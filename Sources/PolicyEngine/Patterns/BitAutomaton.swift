/// An automaton of at most 64 places, all of whose states stand in one word: a step is a few operations and allocates nothing.
///
/// Policies match thousands of patterns per decision, nearly all of them short globs.
struct BitAutomaton: Sendable, Hashable {
    /// The places that can be reached before the first character.
    private let initial: UInt64
    /// For each place, those that can be reached behind it.
    private let following: [UInt64]
    /// The places behind which the text may end.
    private let final: UInt64
    private let matchesEmpty: Bool
    /// For each ASCII character, the places that take it.
    private let ascii: [UInt64]
    private let sets: [LinearRegex.CharacterSet]

    /// `nil` where there are too many places.
    init?(states: [LinearRegex.State], start: Int) {
        var places: [Int: Int] = [:]
        var sets: [LinearRegex.CharacterSet] = []
        for (index, state) in states.enumerated() {
            guard case .consume(let set, _) = state else { continue }
            places[index] = sets.count
            sets.append(set)
        }
        guard sets.count <= 64 else { return nil }
        var closure = LinearRegex.Closure(states)
        func reach(_ root: Int) -> (places: UInt64, matches: Bool) {
            closure.reach([root]).reduce(into: (0, false)) { result, index in
                if let place = places[index] { result.places |= 1 << UInt64(place) } else { result.matches = true }
            }
        }
        var following = [UInt64](repeating: 0, count: sets.count)
        var final: UInt64 = 0
        for (index, state) in states.enumerated() {
            guard case .consume(_, let next) = state, let place = places[index] else { continue }
            let (reached, matches) = reach(next)
            following[place] = reached
            if matches { final |= 1 << UInt64(place) }
        }
        (initial, matchesEmpty) = reach(start)
        self.following = following
        self.final = final
        self.sets = sets
        ascii = (0..<128).map { value in Self.places(in: sets, taking: Unicode.Scalar(UInt8(value))) }
    }

    func matches(_ text: String) -> Bool {
        var reached = initial
        var taken: UInt64 = 0
        for byte in text.utf8 {
            guard byte < 128 else { return matchesScalars(text) }
            taken = reached & ascii[Int(byte)]
            if taken == 0 { return false }
            reached = step(taken)
        }
        return text.isEmpty ? matchesEmpty : taken & final != 0
    }

    private func matchesScalars(_ text: String) -> Bool {
        var reached = initial
        var taken: UInt64 = 0
        for scalar in text.unicodeScalars {
            taken = reached & (scalar.value < 128 ? ascii[Int(scalar.value)] : Self.places(in: sets, taking: scalar))
            if taken == 0 { return false }
            reached = step(taken)
        }
        return taken & final != 0
    }

    private func step(_ taken: UInt64) -> UInt64 {
        var reached: UInt64 = 0
        var rest = taken
        while rest != 0 {
            reached |= following[rest.trailingZeroBitCount]
            rest &= rest - 1
        }
        return reached
    }

    private static func places(in sets: [LinearRegex.CharacterSet], taking scalar: Unicode.Scalar) -> UInt64 {
        sets.enumerated().reduce(into: 0) { result, item in
            if item.element.contains(scalar) { result |= 1 << UInt64(item.offset) }
        }
    }
}
