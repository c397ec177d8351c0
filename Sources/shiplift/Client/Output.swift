import APIModel
import Foundation

/// What a pipeline branches on.
enum ExitStatus: Int32, Error, Comparable {
    case done = 0
    case usage = 2
    case denied = 3
    case failed = 4
    /// Still waiting or running when the time was over.
    case pending = 5

    /// How bad it is for a pipeline: denied and failed outrank what may still succeed.
    static func < (lhs: ExitStatus, rhs: ExitStatus) -> Bool { lhs.severity < rhs.severity }

    private var severity: Int {
        switch self {
        case .done: 0
        case .pending: 1
        case .denied: 2
        case .failed: 3
        case .usage: 4
        }
    }

    init(state: String) {
        switch state {
        case "succeeded": self = .done
        case "denied": self = .denied
        case "failed", "cancelled": self = .failed
        default: self = .pending
        }
    }
}

/// Writes for people: plain lines, or a progress bar on a terminal.
enum Output {
    static var isTerminal: Bool { isatty(STDOUT_FILENO) == 1 }

    static func line(_ text: String = "") { FileHandle.standardOutput.write(Data((text + "\n").utf8)) }

    static func error(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }

    static func json(_ value: some Encodable) throws { line(String(decoding: try APIJSON.encoder(pretty: true).encode(value), as: UTF8.self)) }

    /// Columns as wide as they need to be.
    static func table(_ header: [String], _ rows: [[String]]) {
        let all = [header] + rows
        let widths = header.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        for row in all {
            let cells = zip(row, widths).map { $0.padding(toLength: $1, withPad: " ", startingAt: 0) }
            line(cells.joined(separator: "  ").trimmingCharacters(in: .whitespaces))
        }
    }

    static func bytes(_ count: Int64) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        var value = Double(count)
        var unit = 0
        while value >= 1024, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        return unit == 0 ? "\(count) B" : "\(String(format: "%.1f", value)) \(units[unit])"
    }

    /// A number with its noun: `1 request`, `2 requests`.
    static func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }

    static func time(_ date: Date?) -> String { date?.formatted(Date.ISO8601FormatStyle()) ?? "–" }

    static func short(_ digest: String) -> String {
        guard let colon = digest.firstIndex(of: ":") else { return digest }
        return String(digest[...colon]) + digest[digest.index(after: colon)...].prefix(12)
    }

    static func progress(_ promotion: PromotionResource) {
        guard isTerminal else { return }
        guard let progress = promotion.progress, progress.bytesTotal > 0, !promotion.isFinal else {
            FileHandle.standardOutput.write(Data("\r\u{1B}[K\(promotion.state)".utf8))
            return
        }
        self.progress(progress, of: promotion.state)
    }

    static func progress(_ progress: ProgressResource, of state: String = "copying") {
        guard isTerminal, progress.bytesTotal > 0 else { return }
        let share = Double(progress.bytesDone) / Double(progress.bytesTotal)
        let filled = Int(share * 30)
        let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: max(0, 30 - filled))
        let text = "\r\u{1B}[K\(state) \(bar) \(bytes(progress.bytesDone)) of \(bytes(progress.bytesTotal)), blob \(progress.blobsDone) of \(progress.blobsTotal)"
        FileHandle.standardOutput.write(Data(text.utf8))
    }

    static func endProgress() {
        if isTerminal { FileHandle.standardOutput.write(Data("\r\u{1B}[K".utf8)) }
    }

    static func promotion(_ promotion: PromotionResource) {
        line("promotion  \(promotion.id)")
        line("state      \(promotion.state)")
        line("image      \(promotion.image)\(promotion.tag.map { ":" + $0 } ?? "")  \(promotion.from) → \(promotion.to)")
        line("digest     \(promotion.digest)")
        if let decision = promotion.decision {
            line("policy     \(Output.short(decision.policyVersion)): \(decision.summary)")
            for gate in decision.gates where promotion.state == "denied" || gate.outcome != "allow" || gate.overridden == true {
                let sign = gate.overridden == true ? "!" : gate.outcome == "allow" ? "✓" : gate.outcome == "wait" ? "…" : "✗"
                let until = gate.retryAt.map { ", until \(time($0))" } ?? ""
                line("           \(sign) \(gate.gate): \(gate.reason)\(until)\(gate.source.isEmpty ? "" : "  (\(gate.source))")")
                for digest in gate.evidence ?? [] { line("               looked at \(digest)") }
            }
        }
        for request in promotion.requests ?? [] { self.request(request, promotion) }
        if let report = promotion.report { self.report(report) }
        for move in promotion.tagMoves {
            line("tag        \(move.repository):\(move.tag) in \(move.registry)  \(move.written ? "was \(move.previous.map(short) ?? "absent")" : "already there")")
        }
        if let failure = promotion.failure { line("failure    \(failure.kind): \(failure.message)") }
    }

    /// What can be done about a closed gate, as commands.
    private static func request(_ request: GateRequestResource, _ promotion: PromotionResource) {
        for wish in request.wishes {
            let who = wish.by.isEmpty ? "anybody" : wish.by.joined(separator: ", ")
            let what =
                switch wish.give {
                case "approval": "\(wish.count ?? 1) of \(who): shiplift approve \(promotion.id)"
                case "evidence": "\(who): shiplift evidence post \(promotion.digest) --kind \(wish.kind ?? "") --result \(wish.result ?? "passed")"
                default: "\(who): shiplift scan post FILE --digest \(promotion.digest)"
                }
            line("can do     \(request.gate): \(what)")
        }
        if !request.overridableBy.isEmpty {
            line("           \(request.gate): by order, \(request.overridableBy.joined(separator: ", ")): shiplift override \(promotion.id) --reason …")
        }
    }

    static func report(_ report: ReportResource) {
        for target in report.targets {
            line(
                "blobs      \(target.registry): mounted \(tally(target.mounted)), present \(tally(target.present)), copied \(tally(target.copied)); \(count(target.manifests, "manifest")) before the tag's"
            )
        }
        if let count = report.referrers, count > 0 { line("with it    \(count) signatures, SBOMs or attestations") }
        for remark in report.remarks ?? [] { line("remark     \(remark)") }
        line(
            "cost       \(count(report.totalRequests, "request")) (\(report.decisionRequests.values.reduce(0, +)) to decide), \(bytes(report.sourceBytes)) read from the source, \(String(format: "%.2f", report.seconds)) s"
        )
    }

    private static func tally(_ tally: TallyResource) -> String { "\(tally.blobs) (\(bytes(tally.bytes)))" }
}
