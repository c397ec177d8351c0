/// What all paths begin with where others see us: empty, or `/ci/shiplift`.
public struct BasePath: Sendable, Hashable {
    /// Without a slash at its end.
    let text: String

    /// No base path.
    public init() { text = "" }

    /// Reads `/ci/shiplift`, a slash at the end allowed; `nil` where it is no plain path: it goes into answers.
    public init?(parsing path: String) {
        let trimmed = path.hasSuffix("/") ? String(path.dropLast()) : path
        guard !trimmed.isEmpty else {
            guard path == "/" else { return nil }
            text = ""
            return
        }
        let segments = trimmed.split(separator: "/", omittingEmptySubsequences: false)
        let isPlain = segments.dropFirst().allSatisfy { segment in
            !segment.isEmpty && segment != "." && segment != ".."
                && segment.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0) || "-._~".utf8.contains($0) }
        }
        guard trimmed.hasPrefix("/"), trimmed.utf8.count <= 256, isPlain else { return nil }
        text = trimmed
    }

    /// The path below the base; the path itself where it is not below: a proxy may have taken the base away.
    func stripped(_ path: String) -> String {
        guard !text.isEmpty, path.hasPrefix(text) else { return path }
        let rest = path.dropFirst(text.count)
        if rest.isEmpty { return "/" }
        return rest.hasPrefix("/") || rest.hasPrefix("?") ? (rest.hasPrefix("?") ? "/" + rest : String(rest)) : path
    }
}
