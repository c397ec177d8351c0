/// Why a regular expression is refused.
public struct RegexError: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String
}

/// A regular expression that always matches the whole text, in time linear in its length.
///
/// Patterns and what they are matched with come from outside: a backtracking matcher could be hung by either. This is Thompson's
/// construction over a documented subset: literals, `.`, classes, `\d \w \s`, groups, `|`, `?`, `*`, `+`, `{m}`, `{m,}`, `{m,n}`.
/// Back-references and look-around are refused. `^` at the start and `$` at the end are allowed and change nothing.
public struct LinearRegex: Sendable, Hashable {
    /// Largest pattern, in characters.
    static let maximumLength = 500
    /// Largest automaton, and most steps to build it: repetition multiplies both.
    static let maximumStates = 1_000
    /// Longest text that is looked at, in bytes; a longer one matches nothing. Time is bounded by this and the size of the automaton.
    static let maximumTextBytes = 8_192

    indirect enum Node: Sendable, Hashable {
        case empty
        case set(CharacterSet)
        case sequence([Node])
        case choice([Node])
        case repetition(Node, minimum: Int, maximum: Int?)
    }

    struct CharacterSet: Sendable, Hashable {
        var ranges: [ClosedRange<UInt32>]
        var isInverted = false

        func contains(_ scalar: Unicode.Scalar) -> Bool { ranges.contains { $0.contains(scalar.value) } != isInverted }
    }

    enum State: Sendable, Hashable {
        case consume(CharacterSet, next: Int)
        case split([Int])
        case match
    }

    public let pattern: String
    private let states: [State]
    private let start: Int
    /// The same automaton in one machine word, where it is small enough.
    private let small: BitAutomaton?

    public init(_ pattern: String) throws(RegexError) {
        guard pattern.count <= Self.maximumLength else {
            throw RegexError(description: "a regular expression has at most \(Self.maximumLength) characters")
        }
        self.pattern = pattern
        var parser = RegexParser(pattern)
        let node = try parser.parse()
        var compiler = Compiler()
        let match = try compiler.add(.match)
        start = try compiler.compile(node, next: match)
        states = compiler.states
        small = BitAutomaton(states: states, start: start)
    }

    /// Whether the pattern matches the whole text.
    public func matches(_ text: String) -> Bool {
        guard text.utf8.count <= Self.maximumTextBytes else { return false }
        if let small { return small.matches(text) }
        var closure = Closure(states)
        var current = closure.reach([start])
        for scalar in text.unicodeScalars {
            var next: [Int] = []
            for index in current {
                if case .consume(let set, let target) = states[index], set.contains(scalar) { next.append(target) }
            }
            if next.isEmpty { return false }
            current = closure.reach(next)
        }
        return current.contains { states[$0] == .match }
    }

    /// Follows the splits from some states to those that consume or match.
    struct Closure {
        private let states: [State]
        /// The round in which each state was last seen: it need not be cleared.
        private var seen: [Int]
        private var round = 0

        init(_ states: [State]) {
            self.states = states
            seen = [Int](repeating: 0, count: states.count)
        }

        mutating func reach(_ roots: [Int]) -> [Int] {
            round += 1
            var pending = roots
            var result: [Int] = []
            while let index = pending.popLast() {
                if seen[index] == round { continue }
                seen[index] = round
                if case .split(let targets) = states[index] { pending += targets } else { result.append(index) }
            }
            return result
        }
    }

    private struct Compiler {
        private static let tooLarge = RegexError(description: "the regular expression is too large: use fewer or smaller repetitions")
        var states: [State] = []
        private var steps = 0

        mutating func add(_ state: State) throws(RegexError) -> Int {
            guard states.count < LinearRegex.maximumStates else { throw Self.tooLarge }
            states.append(state)
            return states.count - 1
        }

        mutating func compile(_ node: Node, next: Int) throws(RegexError) -> Int {
            // A repetition of nothing adds no state, and nested ones would take for ever to add none.
            steps += 1
            guard steps <= 4 * LinearRegex.maximumStates else { throw Self.tooLarge }
            switch node {
            case .empty: return next
            case .set(let set): return try add(.consume(set, next: next))
            case .sequence(let nodes):
                var target = next
                for node in nodes.reversed() { target = try compile(node, next: target) }
                return target
            case .choice(let nodes):
                var targets: [Int] = []
                for node in nodes { targets.append(try compile(node, next: next)) }
                return try add(.split(targets))
            case .repetition(let node, let minimum, let maximum): return try compileRepetition(node, minimum, maximum, next: next)
            }
        }

        private mutating func compileRepetition(_ node: Node, _ minimum: Int, _ maximum: Int?, next: Int) throws(RegexError) -> Int {
            var target = next
            if let maximum {
                for _ in minimum..<max(minimum, maximum) {
                    let body = try compile(node, next: target)
                    target = try add(.split([body, next]))
                }
            } else {
                let loop = try add(.split([]))
                let body = try compile(node, next: loop)
                states[loop] = .split([body, next])
                target = loop
            }
            for _ in 0..<minimum { target = try compile(node, next: target) }
            return target
        }
    }
}
