import Foundation
import PromotionCore
import Testing

@Suite struct PromotionStateTests {
    @Test func everyStateIsReachableAndOnlySuccessIsForEver() {
        var reached: Set<PromotionState> = [.requested]
        var pending = [PromotionState.requested]
        while let state = pending.popLast() {
            for next in state.successors where reached.insert(next).inserted { pending.append(next) }
        }
        #expect(reached == Set(PromotionState.allCases))
        #expect(PromotionState.allCases.filter { $0.successors.isEmpty } == [.succeeded])
    }

    @Test func finalStatesComeBackOnlyByARequest() {
        for state in PromotionState.allCases where state.isFinal {
            #expect(state.successors.isSubset(of: [.requested]))
            #expect(!state.isCancellable)
        }
    }

    @Test func onceTagsMayHaveMovedNothingIsCancelled() {
        #expect(!PromotionState.committing.isCancellable)
        for state in [PromotionState.requested, .evaluating, .waiting, .queued, .copying] { #expect(state.isCancellable) }
    }

    @Test func successComesOnlyFromCommitting() {
        for state in PromotionState.allCases { #expect(state.canMove(to: .succeeded) == (state == .committing)) }
    }

    /// The drawing in the source says the same as the code.
    @Test func theDiagramIsTrue() throws {
        let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../Sources/PromotionCore/Domain/PromotionState.swift")
        let drawn = try Self.edges(in: String(contentsOf: source, encoding: .utf8), pattern: #/(\w+) --> (\w+)/#)
        #expect(drawn == Self.coded)
    }

    /// The database refuses every move that the code does not know, and no other.
    @Test func theDatabaseKnowsTheSameEdges() throws {
        let migration = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../Migrations/0001_schema.sql")
        let text = try String(contentsOf: migration, encoding: .utf8)
        let start = try #require(text.range(of: "INSERT INTO promotion_edges VALUES"))
        let end = try #require(text[start.upperBound...].range(of: ";"))
        #expect(Self.edges(in: String(text[start.upperBound..<end.lowerBound]), pattern: #/\('(\w+)', '(\w+)'\)/#) == Self.coded)
    }

    private static let coded = Set(PromotionState.allCases.flatMap { state in state.successors.map { "\(state.rawValue) \($0.rawValue)" } })

    private static func edges(in text: String, pattern: Regex<(Substring, Substring, Substring)>) -> Set<String> {
        Set(text.matches(of: pattern).map { "\($0.output.1) \($0.output.2)" })
    }
}

@Suite struct BackoffTests {
    @Test func growsAndIsCapped() {
        let backoff = Backoff(maximumAttempts: 9, base: .seconds(1), cap: .seconds(60), random: { 0.999_999 })
        let delays = (1...9).map { backoff.delay(afterFailures: $0, atLeast: nil) }
        #expect(zip(delays, delays.dropFirst()).allSatisfy { $0 <= $1 })
        #expect(delays[0] < .seconds(1) && delays[2] > .seconds(3) && delays[8] <= .seconds(60))
    }

    @Test func waitsAsLongAsTheRegistryAsked() {
        let backoff = Backoff(random: { 0 })
        #expect(backoff.delay(afterFailures: 1, atLeast: 17) == .seconds(17))
        #expect(backoff.delay(afterFailures: 1, atLeast: -5) == .zero)
        #expect(backoff.delay(afterFailures: 1, atLeast: 1e9) == .seconds(3600))
    }
}

@Suite struct APITokenSecretTests {
    @Test func aNewSecretParsesBackAndNeverPrints() throws {
        var random = SystemRandomNumberGenerator()
        let secret = APITokenSecret(random: &random)
        let text = secret.reveal()
        #expect(text.hasPrefix("shp_") && text.count == 40)
        #expect(try #require(APITokenSecret(parsing: text)).sha256 == secret.sha256)
        var dumped = ""
        dump(secret, to: &dumped)
        for shown in ["\(secret)", String(reflecting: secret), dumped] { #expect(!shown.contains(text.dropFirst(4).prefix(10))) }
    }

    @Test func oneWrongCharacterIsNoToken() {
        var random = SystemRandomNumberGenerator()
        let text = Array(APITokenSecret(random: &random).reveal())
        for index in 4..<40 {
            var changed = text
            changed[index] = changed[index] == "a" ? "b" : "a"
            #expect(APITokenSecret(parsing: String(changed)) == nil)
        }
        #expect(APITokenSecret(parsing: "") == nil)
        #expect(APITokenSecret(parsing: "shp_" + String(repeating: "é", count: 18)) == nil)
    }
}

@Suite struct IdentifierTests {
    @Test func version7SortsByTime() {
        var random = SystemRandomNumberGenerator()
        let ids = (0..<50).map { PromotionID(UUID.version7(at: Date(timeIntervalSince1970: 1_700_000_000 + Double($0)), random: &random)) }
        #expect(ids == ids.sorted())
        #expect(ids.allSatisfy { $0.description.dropFirst(14).first == "7" && "89ab".contains($0.description.dropFirst(19).first ?? "x") })
    }

    @Test func requestIDsCannotForgeLogLines() {
        #expect(RequestID(parsing: "run-17.a_b")?.description == "run-17.a_b")
        for text in ["", "a b", "a\nb", "a\"b", String(repeating: "a", count: 129)] { #expect(RequestID(parsing: text) == nil) }
    }
}
