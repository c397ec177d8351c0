import OCI
import Yams

extension YAMLReader {
    /// `scan:` of an environment.
    mutating func scanRules(_ node: Node?) -> ScanRules {
        var rules = ScanRules.usual
        guard let node, let members = members(node, of: "scan", allowed: ["interval", "images", "exclude"]) else { return rules }
        if let item = members["interval"] {
            if item.scalar?.string == "never" {
                rules.interval = nil
            } else if let interval = duration(item, "interval", in: node) {
                rules.interval = interval
                if interval.seconds < Self.shortestScanInterval {
                    report(item, "'\(interval)' is too often", "write at least \(Self.shortestScanInterval)s, or 'never'")
                }
            }
        }
        rules.images = scanPatterns(members["images"], "images")
        rules.exclude = scanPatterns(members["exclude"], "exclude")
        return rules
    }

    private static let shortestScanInterval = 5

    private mutating func scanPatterns(_ node: Node?, _ what: String) -> [ImagePattern] {
        guard let node else { return [] }
        var patterns: [ImagePattern] = []
        for item in list(node, what) {
            guard let text = string(item, what) else { continue }
            do { patterns.append(try ImagePattern(parsing: text)) } catch {
                report(item, "'\(text)' is no image pattern: \(error.description)", "use a name, a glob such as shop/**, or regex:…")
            }
        }
        return patterns
    }
}
