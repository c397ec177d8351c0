import OCI
import Testing

@testable import PolicyEngine

@Suite("Patterns")
struct PatternTests {
    @Test(arguments: [
        ("shop/api", "shop/api", true), ("shop/api", "shop/api2", false), ("shop/api", "xshop/api", false), ("shop/*", "shop/api", true),
        ("shop/*", "shop/", true),
        ("shop/*", "shop/a/b", false), ("shop/*", "shop", false), ("shop/**", "shop/a/b", true), ("shop/**", "shop/", true),
        ("shop/**", "shop", false),
        ("**", "", true), ("**", "a/b/c", true), ("**/api", "a/b/api", true), ("**/api", "api", false), ("*/api", "shop/api", true),
        ("*/api", "a/shop/api", false),
        ("a?c", "abc", true), ("a?c", "a/c", false), ("a?c", "ac", false), ("*-dirty", "1.2-dirty", true), ("*-dirty", "dirty", false),
        ("v*", "v", true), ("***", "a/b", true),
        ("1.4.2", "1x4x2", false), ("a.b", "a.b", true), ("a+b", "a+b", true), ("a+b", "aab", false), ("(a|b)", "a", false),
        ("(a|b)", "(a|b)", true), ("[ab]", "a", false),
        ("[ab]", "[ab]", true), ("a\\", "a\\", true), ("^a$", "^a$", true), ("^a$", "a", false), ("a\\$", "a\\$", true), ("é*", "éa", true),
        ("?", "é", true), ("a{2}", "aa", false),
        ("https://git.example.test/shop/*", "https://git.example.test/shop/api", true),
        ("https://git.example.test/shop/*", "https://git.example.test/shop/api/../../evil", false),
        ("https://git.example.test/*", "https://git.example.test.evil.test/x", false),
        ("https://git.example.test/*", "x https://git.example.test/x", false),
    ])
    func globsMatchTheWholeText(_ glob: String, _ text: String, _ expected: Bool) throws {
        #expect(try TextPattern(parsing: glob).matches(text) == expected)
    }

    @Test(arguments: [
        ("abc", "abc", true), ("abc", "abcd", false), ("abc", "xabc", false), ("^abc$", "abc", true), ("a|b", "b", true), ("a|b", "ab", false),
        ("^a|b$", "ab", false),
        ("(a|b)c", "bc", true), ("(?:a|b)+", "abba", true), ("a?", "", true), ("a?", "aa", false), ("a*", "aaaa", true), ("a+", "", false),
        ("a{3}", "aaa", true), ("a{3}", "aa", false),
        ("a{2,}", "aaaaa", true), ("a{2,}", "a", false), ("a{1,3}", "aaa", true), ("a{1,3}", "aaaa", false), ("a{0}b", "b", true),
        ("a{0,0}b", "ab", false), ("()*", "", true), ("(a*)*", "aaa", true),
        ("(a|)b", "b", true), ("|a", "", true), (".", "x", true), (".", "\n", false), (".", "é", true), (".", "👩‍👩‍👧", false),
        ("\\d+", "0123456789", true), ("\\d", "٣", false),
        ("\\w+", "aZ_9", true), ("\\w", "-", false), ("\\s", "\t", true), ("\\D", "x", true), ("\\D", "1", false), ("\\W", "-", true),
        ("\\S", " ", false),
        ("\\.", ".", true), ("\\.", "x", false), ("\\\\", "\\", true), ("\\$", "$", true), ("[a-c]", "b", true), ("[a-c]", "d", false),
        ("[^a-c]", "d", true), ("[^a-c]", "a", false),
        ("[]]", "]", true), ("[^]]", "]", false), ("[a-]", "-", true), ("[-a]", "-", true), ("[\\d.]+", "1.2", true), ("[\\]]", "]", true),
        ("[.]", "x", false),
        ("[0-9a-f]{40}", "0123456789abcdef0123456789abcdef01234567", true), ("[0-9a-f]{40}", "0123456789abcdef0123456789abcdef0123456g", false),
        ("v?[0-9]+\\.[0-9]+\\.[0-9]+", "v1.22.333", true), ("v?[0-9]+\\.[0-9]+\\.[0-9]+", "1.2.3-rc1", false), ("a\\\\$", "a\\", true),
    ])
    func expressionsMatchTheWholeText(_ expression: String, _ text: String, _ expected: Bool) throws {
        #expect(try LinearRegex(expression).matches(text) == expected)
    }

    @Test(arguments: [
        ("(", "'(' without ')'"), (")", "unexpected ')' at character 1"), ("a)", "unexpected ')' at character 2"), ("[a", "'[' without ']'"),
        ("[", "'[' without ']'"), ("[]", "'[' without ']'"),
        ("*", "'*' has nothing to repeat"), ("a|*", "'*' has nothing to repeat"), ("a**", "'*' after a repetition is not supported"),
        ("a+?", "'?' after a repetition is not supported"),
        ("a{", "'{' without '}'"), ("a{x}", "'{x}' is no repetition"), ("a{2,1}", "the second number is between the first and 100"),
        ("a{101}", "numbers up to 100"), ("a{-1}", "is no repetition"),
        ("a{1,2,3}", "is no repetition"), ("a\\", "'\\' at the end"), ("\\b", "'\\b' is not supported"), ("\\1", "'\\1' is not supported"),
        ("(?=a)", "look-around"), ("(?<n>a)", "look-around"), ("(?", "look-around"),
        ("a^b", "'^' inside an expression is not supported"), ("a$b", "'$' inside an expression is not supported"),
        ("[z-a]", "the range z-a is empty"), ("[\\D]", "inside [] are not supported"),
        (String(repeating: "(", count: 21) + String(repeating: ")", count: 21), "groups are nested too deeply"),
        (String(repeating: "a", count: 501), "at most 500 characters"),
        ("((a{100}){100})", "too large"), ("((((a{10}){10}){10}){10})", "too large"),
    ])
    func expressionsThatAreNotSupportedAreRefusedWithTheReason(_ expression: String, _ reason: String) throws {
        let error = try #require(throws: RegexError.self) { try LinearRegex(expression) }
        #expect(error.description.contains(reason))
    }

    @Test(
        .timeLimit(.minutes(1)),
        arguments: [
            "(a*)*b", "(a+)+b", "(a|a)*b", "(a|aa)+b", "(.*)*(.*)*b", "a*a*a*a*a*a*a*a*a*b", "((a?){30})((a{0,1}){30})b", "(a{0,20}){20}b",
            "(.*a){30}b",
        ])
    func hostileExpressionsAndTextsTakeLinearTime(_ expression: String) throws {
        let regex = try LinearRegex(expression)
        #expect(!regex.matches(String(repeating: "a", count: 2_000)))
        #expect(regex.matches(String(repeating: "a", count: 40) + "b"))
    }

    /// Repetitions of nothing add no state: built without a bound, these would take years.
    @Test(
        .timeLimit(.minutes(1)),
        arguments: [
            String(repeating: "(", count: 15) + String(repeating: "){100}", count: 15),
            String(repeating: "(", count: 15) + String(repeating: "){100,}", count: 15),
            String(repeating: "(", count: 15) + "a{0}" + String(repeating: "){99}", count: 15),
        ])
    func repetitionsOfNothingAreRefusedAtOnce(_ expression: String) {
        #expect(throws: RegexError.self) { try LinearRegex(expression) }
    }

    @Test func aTextBeyondTheLimitMatchesNothing() throws {
        let pattern = try TextPattern(parsing: "**")
        #expect(pattern.matches(String(repeating: "a", count: 8_192)))
        #expect(!pattern.matches(String(repeating: "a", count: 8_193)))
    }

    @Test func anyGlobIsTakenOrRefusedButNeverMisread() throws {
        let letters = Array("ab/*?.-[](){}|\\^$+é:")
        var generator = SeededGenerator(seed: 7)
        for _ in 0..<2_000 {
            let glob = String(
                (0..<Int.random(in: 1...8, using: &generator)).map { _ in letters[Int.random(in: 0..<letters.count, using: &generator)] })
            let pattern = try TextPattern(parsing: glob)
            // Every glob matches itself: its stars and question marks stand for themselves too, unless a '?' would have to be a slash.
            #expect(pattern.matches(glob), "\(glob)")
            #expect(!pattern.matches(glob + "\u{1}") || glob.contains("*"))
        }
    }

    @Test func imagesAreMatchedByTheirWholeName() throws {
        let pattern = try ImagePattern(parsing: "shop/*")
        #expect(pattern.matches(try ImageName(parsing: "shop/api")))
        #expect(!pattern.matches(try ImageName(parsing: "x/shop/api")))
    }
}

/// Small automata run in a word, large ones state by state: both must agree.
@Suite("Both ways to match")
struct AutomatonTests {
    @Test(arguments: 0..<50)
    func agree(seed: Int) throws {
        var generator = SeededGenerator(seed: UInt64(seed))
        func expression(_ depth: Int) -> String {
            let atoms = ["a", "b", ".", "[ab]", "[^a]", "é", "\\d", ""]
            guard depth > 0 else { return atoms.randomElement(using: &generator) ?? "a" }
            switch Int.random(in: 0..<5, using: &generator) {
            case 0: return "(\(expression(depth - 1))|\(expression(depth - 1)))"
            case 1: return "(\(expression(depth - 1)))" + (["*", "+", "?", "{2}", "{1,3}", "{0,}"].randomElement(using: &generator) ?? "*")
            default: return expression(depth - 1) + expression(depth - 1)
            }
        }
        for _ in 0..<20 {
            let pattern = expression(3)
            // Behind 65 characters that are not there the automaton is a large one.
            let (small, large) = (try LinearRegex(pattern), try LinearRegex("(\(pattern))|" + String(repeating: "z", count: 65)))
            for _ in 0..<20 {
                let text = String(
                    (0..<Int.random(in: 0...6, using: &generator)).map { _ in ["a", "b", "é", "7", "\n"].randomElement(using: &generator) ?? "a" })
                #expect(small.matches(text) == large.matches(text), "\(pattern) on '\(text)'")
            }
        }
    }

    @Test func takeSixtyFourPlacesAndMore() throws {
        for count in [1, 63, 64, 65, 200] {
            let text = String(repeating: "a", count: count)
            let regex = try LinearRegex(text)
            #expect(regex.matches(text) && !regex.matches(text + "a") && !regex.matches(String(text.dropLast())))
        }
    }
}
