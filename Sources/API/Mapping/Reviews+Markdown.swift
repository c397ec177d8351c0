import APIModel
import Foundation

extension ReviewResource {
    /// Items of each list.
    private static let most = 40

    /// The review as a comment on a pull request.
    var markdown: String {
        var page = Markdown()
        let name = Markdown.code(image + (tag.map { ":" + $0 } ?? ""))
        page.line("### Promotion of \(name) from \(Markdown.code(from)) to \(Markdown.code(to))")
        page.line()
        head(&page)
        decision(&page)
        vulnerabilities(&page)
        packages(&page)
        changes(&page, "Configuration", configuration)
        changes(&page, "Labels", labels)
        changes(&page, "Annotations", annotations)
        if !remarks.isEmpty {
            page.line("**Please note**")
            page.line()
            for remark in remarks.prefix(20) { page.line("- \(Markdown.code(remark))") }
            page.line()
        }
        let end = page.isCut ? "This is not all: the rest did not fit. `shiplift review` shows it." : "Compared at \(at.ISO8601Format())."
        return page.text + "<sub>\(end)</sub>\n"
    }

    private func head(_ page: inout Markdown) {
        page.line("- version: \(Markdown.code(digest))")
        if let baseline {
            let tag = baseline.tag.map { " (\(Markdown.code($0)))" } ?? ""
            page.line("- compared with: \(Markdown.code(baseline.digest))\(tag): \(Markdown.code(baseline.reason))")
        } else {
            page.line("- **nothing to compare with**: no version of this image is in \(Markdown.code(to))")
        }
        if !targetTags.isEmpty { page.line("- tags written: \(targetTags.prefix(20).map(Markdown.code).joined(separator: ", "))") }
        for tag in there.prefix(20) where tag.moves { page.line("- the tag \(Markdown.code(tag.tag)) in \(Markdown.code(tag.registry)) moves from \(Markdown.code(tag.digest))") }
        if let line = sourceLine { page.line("- source: \(line)") }
        // Made of checked parts: it can be shown as an address.
        if let url = source.compareUrl { page.line("- commits: <\(url)>") }
        for change in base where change.before != change.after || baseline == nil { page.line("- base image \(change.name): \(Self.arrow(change))") }
        let platforms = [("added", self.platforms.added), ("removed", self.platforms.removed)].filter { !$0.1.isEmpty }
        for (what, list) in platforms where baseline != nil { page.line("- platforms \(what): \(list.prefix(20).map(Markdown.code).joined(separator: ", "))") }
        let before = size.before.map { "\(Self.bytes($0)) → " } ?? ""
        page.line(
            "- size: \(before)\(Self.bytes(size.after)); layers: \(layers.new.layers) new (\(Self.bytes(layers.new.bytes))), \(layers.shared.layers) shared "
                + "(\(Self.bytes(layers.shared.bytes))), \(layers.removed.layers) gone")
        page.line()
    }

    private var sourceLine: String? {
        func commit(_ source: Source?) -> String? {
            source.flatMap { [$0.version, $0.revision].compactMap(\.self).isEmpty ? nil : [$0.version, $0.revision].compactMap(\.self).map(Markdown.code).joined(separator: " ") }
        }
        let parts = [commit(source.before), commit(source.after)].compactMap(\.self)
        guard !parts.isEmpty || source.after?.repository != nil else { return nil }
        let repository = source.after?.repository.map { Markdown.code($0) + (parts.isEmpty ? "" : " ") } ?? ""
        return repository + parts.joined(separator: " → ")
    }

    private func decision(_ page: inout Markdown) {
        guard let decision else { return page.line("**Policy** has not been asked yet.\n") }
        let word = ["allow": "allows it", "deny": "denies it", "wait": "waits"][decision.outcome] ?? decision.outcome
        page.line("**Policy \(word)**\(state.map { ", the promotion is \($0)" } ?? "")")
        page.line()
        for gate in decision.gates.prefix(60) {
            let sign = gate.outcome == "allow" ? "✅" : gate.outcome == "wait" ? "⏳" : "❌"
            page.line("- \(sign) \(gate.warning ? "(only a warning) " : "")\(Markdown.code(gate.gate)): \(Markdown.code(gate.reason))")
        }
        for request in requests.prefix(20) {
            for wish in request.wishes {
                page.line(
                    "- missing for \(Markdown.code(request.gate)): \(wish.give)\(wish.by.isEmpty ? "" : " by " + wish.by.prefix(10).map(Markdown.code).joined(separator: ", "))")
            }
        }
        page.line()
    }

    private func vulnerabilities(_ page: inout Markdown) {
        guard let vulnerabilities else { return }
        let counts = vulnerabilities.counts
        let summary =
            vulnerabilities.compared
            ? "\(counts.new) new, \(counts.fixed) fixed, \(counts.remaining) remain" : "\(counts.new) found"
        page.line("**Vulnerabilities**: \(summary)")
        page.line()
        for (what, list, count) in [(vulnerabilities.compared ? "new" : "found", vulnerabilities.new, counts.new), ("fixed", vulnerabilities.fixed, counts.fixed)] {
            for one in list.prefix(Self.most) {
                let fix = one.fixedIn.isEmpty ? "" : ", mended in \(one.fixedIn.prefix(2).map(Markdown.code).joined(separator: ", "))"
                page.line("- \(what): \(Markdown.code(one.id)) \(one.severity ?? "unknown severity") in \(one.packages.prefix(3).map(Markdown.code).joined(separator: ", "))\(fix)")
            }
            Self.more(&page, what, count)
        }
        page.line()
    }

    private func packages(_ page: inout Markdown) {
        guard let packages else { return }
        let counts = packages.counts
        guard packages.compared else { return page.line("**Packages**: \(counts.total)\n") }
        page.line("**Packages**: \(counts.added) added, \(counts.removed) removed, \(counts.changed) changed, \(counts.unchanged) the same")
        page.line()
        guard counts.added + counts.removed + counts.changed > 0 else { return }
        page.line("<details><summary>Packages</summary>")
        page.line()
        for (what, list, count) in [("changed", packages.changed, counts.changed), ("added", packages.added, counts.added), ("removed", packages.removed, counts.removed)] {
            for one in list.prefix(Self.most) {
                func versions(_ list: [String]) -> String? { list.isEmpty ? nil : list.prefix(3).map(Markdown.code).joined(separator: ", ") }
                let change = [versions(one.before), versions(one.after)].compactMap(\.self).joined(separator: " → ")
                page.line("- \(what): \(Markdown.code(one.name)) \(change)\(one.type.isEmpty ? "" : " (\(Markdown.code(one.type)))")")
            }
            Self.more(&page, what, count)
        }
        page.line()
        page.line("</details>")
        page.line()
    }

    private func changes(_ page: inout Markdown, _ title: String, _ changes: [Change]) {
        guard !changes.isEmpty else { return }
        page.line("**\(title)**")
        page.line()
        for change in changes.prefix(Self.most) {
            let platforms = change.platforms.map { " on \($0.prefix(5).map(Markdown.code).joined(separator: ", "))" } ?? ""
            page.line("- \(Markdown.code(change.name))\(platforms): \(Self.arrow(change))")
        }
        Self.more(&page, "changes", changes.count)
        page.line()
    }

    private static func more(_ page: inout Markdown, _ what: String, _ count: Int) {
        if count > most { page.line("- and \(count - most) more \(what)") }
    }

    private static func arrow(_ change: Change) -> String {
        switch (change.before, change.after) {
        case (nil, let after?): "\(Markdown.code(after))"
        case (let before?, nil): "\(Markdown.code(before)) → gone"
        default: "\(Markdown.code(change.before ?? "")) → \(Markdown.code(change.after ?? ""))"
        }
    }

    private static func bytes(_ count: Int64) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        var (value, unit) = (Double(count), 0)
        while value >= 1024, unit < units.count - 1 { (value, unit) = (value / 1024, unit + 1) }
        return unit == 0 ? "\(count) B" : "\(String(format: "%.1f", value)) \(units[unit])"
    }
}
