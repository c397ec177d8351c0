import Foundation
import OCI

/// Writes rules and requests as a folder of ours.
struct FolderWriter {
    let rules: [ImportedRule]
    let requests: [ImportedRequest]
    /// How the two environments are called where there are only two.
    let names: (from: String, to: String)
    let tool: String

    private var steps: [(from: [ImportedPlace], to: [ImportedPlace])] { rules.map { ([$0.from], $0.to) } + requests.map { ([$0.from], $0.to) } }

    func files() -> [String: String] {
        let environments = environments()
        var files = ["environments.yaml": environmentsFile(environments)]
        var taken: Set<String> = []
        for rule in rules {
            let (from, to) = (environments[[rule.from]] ?? "?", environments[rule.to] ?? "?")
            let name = unique(slug("\(from)-to-\(to)", limit: 130), &taken)
            files["\(name).yaml"] = policyFile(rule, name, from, to)
        }
        if !requests.isEmpty { files["promotions.sh"] = promotionsFile(environments) }
        return files
    }

    /// A name for each set of places, in the order in which they come up: sources first.
    private func environments() -> [[ImportedPlace]: String] {
        let (sources, targets) = (ordered(steps.map(\.from)), ordered(steps.map(\.to)))
        if sources.count == 1, targets.count == 1, sources != targets { return [sources[0]: names.from, targets[0]: names.to] }
        var names: [[ImportedPlace]: String] = [:]
        var taken: Set<String> = []
        for places in ordered(sources + targets) {
            let text = places[0].prefix.isEmpty ? places[0].host : "\(places[0].host)-\(places[0].prefix)"
            names[places] = unique(slug(text, limit: 56), &taken)
        }
        return names
    }

    private func ordered(_ places: [[ImportedPlace]]) -> [[ImportedPlace]] {
        var seen: Set<[ImportedPlace]> = []
        return places.filter { seen.insert($0).inserted }
    }

    private func environmentsFile(_ names: [[ImportedPlace]: String]) -> String {
        let keepsTags = Set((rules.filter(\.keepsTags).map(\.to)))
        var text = """
            # From \(tool), by 'shiplift import'. The order is that of the way to production: see to it that it is yours.
            version: 1
            kind: Environments
            environments:

            """
        for places in ordered(steps.map(\.from) + steps.map(\.to)) {
            let name = names[places] ?? "?"
            text += "  - name: \(quoted(name))\n    registries:\n"
            for (index, place) in places.enumerated() {
                text += "      - name: \(quoted(places.count == 1 ? name : "\(name)-\(index + 1)"))\n        url: \(quoted(place.url))\n"
                if place.plainHTTP { text += "        plainHTTP: true\n" }
                text += "        repository: \(quoted(place.template))\n"
                text += "        # credentials: { fromFile: /run/secrets/\(name) }      USER:PASSWORD in the first line\n"
            }
            if keepsTags.contains(places) { text += "    tags: { immutable: [\"**\"] }\n" }
        }
        return text
    }

    private func policyFile(_ rule: ImportedRule, _ name: String, _ from: String, _ to: String) -> String {
        var text = "# \(rule.file):\(rule.line)\(rule.note.map { ": " + $0 } ?? "")\nversion: 1\nkind: Policy\nname: \(quoted(name))\n"
        text += "match:\n  images: \(list(rule.images))\n  from: \(quoted(from))\n  to: \(quoted(to))\n"
        if !rule.tags.isEmpty || !rule.exclude.isEmpty || rule.semver != nil || !rule.target.isEmpty {
            text += "tags:\n"
            if let semver = rule.semver { text += "  semver: \(quoted(semver))\n" }
            if !rule.tags.isEmpty { text += "  patterns: \(list(rule.tags))\n" }
            if !rule.exclude.isEmpty { text += "  exclude: \(list(rule.exclude))\n" }
            if !rule.target.isEmpty { text += "  target: \(list(rule.target))\n" }
        }
        if let referrers = rule.referrers { text += "referrers: \(referrers.isEmpty ? "none" : list(referrers))\n" }
        if !rule.evidence.isEmpty {
            text += "gates:\n" + rule.evidence.map { "  - evidence: { kind: \(quoted($0)) }\n" }.joined()
        }
        return text
    }

    private func promotionsFile(_ names: [[ImportedPlace]: String]) -> String {
        var text = "#!/bin/sh\n# From \(tool): digests that it was told to bring. Each is a request, which policy decides.\nset -eu\n"
        for request in requests {
            let target = request.tags.map { " --target-tag \(shell($0))" }.joined()
            text += "# \(request.file):\(request.line)\nshiplift promote \(shell("\(request.image)@\(request.digest)")) --from \(shell(names[[request.from]] ?? "?"))"
            text += " --to \(shell(names[request.to] ?? "?"))\(target) --wait\n"
        }
        return text
    }

    private func unique(_ name: String, _ taken: inout Set<String>) -> String {
        var (candidate, number) = (name, 2)
        while !taken.insert(candidate).inserted {
            candidate = "\(name)-\(number)"
            number += 1
        }
        return candidate
    }

    /// A name of letters, digits and dashes that begins with a letter, as environments' names must.
    private func slug(_ text: String, limit: Int) -> String {
        let plain = text.lowercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "-" }
        let words = String(plain).split(separator: "-").joined(separator: "-")
        return String((words.first?.isLetter == true ? words : "registry-\(words)").prefix(limit))
    }

    private func list(_ texts: [String]) -> String { "[\(texts.map(quoted).joined(separator: ", "))]" }

    /// A YAML text in double quotes.
    private func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": result += "\\\(scalar)"
            case _ where scalar.value < 0x20 || scalar.value == 0x7F: result += "\\x" + String(format: "%02x", scalar.value)
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    private func shell(_ text: String) -> String { "'\(text.replacing("'", with: "'\\''"))'" }
}
