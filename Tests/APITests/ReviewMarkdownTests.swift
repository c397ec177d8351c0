import APIModel
import Foundation
import HTTPTypes
import Hummingbird
import Testing

@testable import API

/// A review holds what strangers wrote into images. In a comment on a pull request it must stay text.
@Suite struct ReviewMarkdownTests {
    /// What would be markup in one dialect or another.
    static let hostile = [
        "[click](https://evil.test)", "![x](https://evil.test/track.png)", "@everybody", "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "a | b | c",
        "`code`", "``two``", "`", "``` \n# head", "\\`x", "https://evil.test", "#1234", "- item\n- item", "\u{202E}txet", "a\u{0}b", "&lt;b&gt;", "$x$", ":smile:",
        "```suggestion\nrm -rf /\n```", "</details><h1>x</h1>", "  ", "",
    ]

    /// What stands in code spans of CommonMark, taken out; the rest is ours.
    static func outsideSpans(_ line: String) -> String {
        let characters = Array(line)
        var (result, index) = ("", 0)
        while index < characters.count {
            guard characters[index] == "`" else {
                result.append(characters[index])
                index += 1
                continue
            }
            var length = 0
            while index + length < characters.count, characters[index + length] == "`" { length += 1 }
            var (end, run) = (index + length, 0)
            while end < characters.count {
                run = characters[end] == "`" ? run + 1 : 0
                let isLast = end + 1 == characters.count || characters[end + 1] != "`"
                if run == length, isLast, end - run >= index + length - 1 { break }
                if isLast { run = 0 }
                end += 1
            }
            guard end < characters.count else { return result + "UNCLOSED" }
            result += "§"
            index = end + 1
        }
        return result
    }

    @Test(arguments: hostile) func whatIsFromOutsideStaysText(_ text: String) {
        let span = Markdown.code(text)
        #expect(!span.contains("\n") && ["§", "(empty)"].contains(Self.outsideSpans(span)), "\(span)")
        for form in ["\(text)x", "x\(text)", "`\(text)", "\(text)`", " \(text) "] { #expect(["§", "(empty)"].contains(Self.outsideSpans(Markdown.code(form))), "\(form)") }
    }

    static func review(_ text: String, items: Int = 1) -> ReviewResource {
        var review = ReviewResource(
            at: Date(timeIntervalSince1970: 1_800_000_000), image: text, from: text, to: text, digest: text,
            source: .init(
                before: .init(repository: text, revision: text, version: text, created: text), after: .init(repository: text, revision: text, version: text, created: text),
                compareUrl: nil), platforms: .init(added: [text], removed: [text], kept: []),
            layers: .init(shared: .init(layers: 1, bytes: 1), new: .init(layers: 1, bytes: 1), removed: .init(layers: 0, bytes: 0)), size: .init(before: 1, after: 2))
        let changes = (0..<items).map { ReviewResource.Change(name: "\(text)\($0)", before: text, after: text, platforms: [text]) }
        let packages = (0..<items).map { ReviewResource.Package(type: text, name: "\(text)\($0)", before: [text], after: [text]) }
        let found = (0..<items).map { ReviewResource.Vulnerability(id: "\(text)\($0)", aliases: [text], severity: "high", packages: [text], fixedIn: [text]) }
        (review.tag, review.targetTags, review.remarks) = (text, [text], Array(repeating: text, count: items))
        review.there = [.init(tag: text, registry: text, repository: text, digest: text, moves: true)]
        review.baseline = .init(digest: text, tag: text, reason: text)
        (review.base, review.configuration, review.labels, review.annotations) = (changes, changes, changes, changes)
        review.packages = .init(
            compared: true, counts: .init(added: items, removed: items, changed: items, unchanged: 1, total: 9), added: packages, removed: packages, changed: packages,
            before: [], after: [])
        review.vulnerabilities = .init(
            compared: true, counts: .init(new: items, fixed: items, remaining: 0), new: found, fixed: found, remaining: [], before: [], after: [])
        let gates = (0..<items).map { GateResource(gate: "\(text)\($0)", policy: text, outcome: "deny", reason: text, source: text, warning: false) }
        review.decision = DecisionResource(outcome: "deny", summary: text, gates: gates, targetTags: [text], policyVersion: text, retryAt: nil)
        review.requests = [GateRequestResource(gate: text, policy: text, source: text, wishes: [.init(give: "approval", by: [text])], overridableBy: [text])]
        return review
    }

    @Test(arguments: hostile) func noPartOfAReviewLetsItOut(_ text: String) throws {
        let markdown = Self.review(text).markdown
        let plain = Self.review("plain").markdown
        let (lines, own) = (markdown.split(separator: "\n"), plain.split(separator: "\n"))
        try #require(lines.count == own.count)
        for (line, expected) in zip(lines, own) where !text.allSatisfy({ $0 == " " }) {
            #expect(Self.outsideSpans(String(line)) == Self.outsideSpans(String(expected)))
        }
    }

    @Test func aCommentIsNeverTooLong() {
        let markdown = Self.review(String(repeating: "`x", count: 400), items: 500).markdown
        #expect(markdown.count < 65_536 && markdown.contains("This is not all"))
        #expect(Self.review("plain", items: 500).markdown.contains("and 460 more"))
    }

    @Test(arguments: [
        ("text/markdown", true), ("application/json", false), ("*/*", false), ("text/markdown, application/json;q=0.9", true), ("text/markdown;q=0.1, */*", false), ("", false),
        ("text/html", false),
    ])
    func theFormIsTheClientsChoice(_ accept: String, _ isMarkdown: Bool) {
        let head = HTTPRequest(method: .get, scheme: "http", authority: "x", path: "/", headerFields: accept.isEmpty ? [:] : [.accept: accept])
        #expect(ReviewRoutes.wantsMarkdown(Request(head: head, body: .init(buffer: .init()))) == isMarkdown)
    }
}
