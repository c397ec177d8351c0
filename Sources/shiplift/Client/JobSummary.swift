import APIModel
import ArgumentParser
import Foundation

/// Where a page about a pipeline's job shows what became of a promotion.
struct SummaryOptions: ParsableArguments {
    @Option(help: "A file to which a Markdown summary is added; GitHub's page of the job (GITHUB_STEP_SUMMARY) where it is not given.")
    var summary: String?

    /// `nil` where nobody shows a summary.
    var jobSummary: JobSummary? {
        let place = summary ?? ProcessInfo.processInfo.environment["GITHUB_STEP_SUMMARY"].flatMap { $0.isEmpty ? nil : $0 }
        return place.map(JobSummary.init)
    }
}

/// A Markdown text that is added to a file, as the pages about pipelines' jobs show it.
struct JobSummary: Sendable {
    let file: String

    /// Adds what became of a promotion.
    func add(_ promotion: PromotionResource, link: String) throws { try append(Self.text(promotion, link: link)) }

    /// Adds that there is no promotion, and why.
    func add(_ problem: ProblemResource, asked: String, from: String, to: String) throws {
        try append("### ⛔ \(Self.plain(asked)), \(Self.plain(from)) → \(Self.plain(to)): refused\n\n\(Self.plain(problem.detail))\n\n")
    }

    private func append(_ text: String) throws {
        if !FileManager.default.fileExists(atPath: file) { _ = FileManager.default.createFile(atPath: file, contents: nil) }
        guard let handle = FileHandle(forWritingAtPath: file) else { throw ConfigurationError(description: "the summary can't be written to \(file)") }
        try handle.seekToEnd()
        try handle.write(contentsOf: Data(text.utf8))
        try handle.close()
    }

    static func text(_ promotion: PromotionResource, link: String) -> String {
        let name = promotion.image + (promotion.tag.map { ":" + $0 } ?? "")
        var lines = ["### \(sign(promotion)) \(plain(name)), \(plain(promotion.from)) → \(plain(promotion.to)): \(promotion.state)", "", "| | |", "|---|---|"]
        func row(_ key: String, _ value: String) { lines.append("| \(key) | \(value) |") }
        row("promotion", "[\(promotion.id)](\(link))")
        row("digest", "`\(code(promotion.digest))`")
        if let decision = promotion.decision { row("policy", "`\(code(Output.short(decision.policyVersion)))`: \(plain(decision.summary))") }
        let tags = promotion.tagMoves.map { "`\(code("\($0.repository):\($0.tag)"))`\($0.written ? "" : " (already there)")" }
        if !tags.isEmpty { row("tags", tags.joined(separator: "<br>")) }
        for target in promotion.report?.targets ?? [] {
            row(
                "blobs",
                "\(plain(target.registry)): \(target.copied.blobs) copied (\(Output.bytes(target.copied.bytes))), \(target.mounted.blobs) mounted, \(target.present.blobs) there")
        }
        if let failure = promotion.failure { row("failure", "\(plain(failure.kind)): \(plain(failure.message))") }
        lines.append("")
        let closed = (promotion.decision?.gates ?? []).filter { $0.outcome != "allow" || $0.overridden == true }
        if !closed.isEmpty {
            lines += ["| | gate | reason |", "|---|---|---|"]
            lines += closed.map { "| \($0.overridden == true ? "by order" : plain($0.outcome)) | \(plain($0.gate)) | \(plain($0.reason)) |" }
            lines.append("")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func sign(_ promotion: PromotionResource) -> String {
        switch ExitStatus(state: promotion.state) {
        case .done: "✅"
        case .pending: "⏳"
        case .denied: "⛔"
        case .failed, .usage: "❌"
        }
    }

    /// Text that means nothing to Markdown: reasons and names hold what others wrote.
    static func plain(_ text: String) -> String {
        var plain = ""
        for character in text {
            if character.isNewline {
                plain.append(" ")
            } else if character == "<" {
                plain += "&lt;"
            } else if character == "&" {
                plain += "&amp;"
            } else if "\\`*_[]|!~#@".contains(character) {
                plain += "\\\(character)"
            } else {
                plain.append(character)
            }
        }
        return plain
    }

    /// Text between backticks in a table.
    private static func code(_ text: String) -> String { text.filter { !"`|<>\\".contains($0) && !$0.isNewline } }
}
