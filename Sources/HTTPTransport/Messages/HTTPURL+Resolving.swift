extension HTTPURL {
    /// The URL that `reference` (a `Location`, a `Link`) names when it is read at this URL (RFC 3986 §5.2).
    ///
    /// The result may be on another host: whether that host may be asked is the caller's decision, by its ``origin``.
    public func resolving(_ reference: String) throws(HTTPURLError) -> HTTPURL {
        try Self.checkCharacters(reference)
        guard let parts = URLReference(reference) else { throw .notAbsolute }
        if let name = parts.scheme {
            let scheme = try Self.scheme(named: name)
            guard let authority = parts.authority else { throw .notAbsolute }
            return try HTTPURL(
                origin: Origin(scheme: scheme, authority: authority), path: parts.path, query: parts.query)
        }
        if let authority = parts.authority {
            return try HTTPURL(
                origin: Origin(scheme: origin.scheme, authority: authority), path: Self.removingDotSegments(parts.path),
                query: parts.query)
        }
        if parts.path.isEmpty {
            return try HTTPURL(origin: origin, path: path, query: parts.query ?? query)
        }
        return try HTTPURL(origin: origin, path: Self.removingDotSegments(merged(parts.path)), query: parts.query)
    }

    /// RFC 3986 §5.2.3: a relative path replaces what follows the last slash of the base.
    private func merged(_ reference: String) -> String {
        guard !reference.hasPrefix("/") else { return reference }
        let end = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
        return path[..<end] + reference
    }

    /// RFC 3986 §5.2.4; a path without dot segments comes back byte for byte, empty segments included.
    static func removingDotSegments(_ path: String) -> String {
        var segments: [Substring] = []
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            let isLast = index == parts.count - 1
            switch part {
            case ".":
                if isLast { segments.append("") }
            case "..":
                // The empty segment before the first slash stays: nothing is above the root.
                if segments.count > 1 { segments.removeLast() }
                if isLast { segments.append("") }
            default:
                segments.append(part)
            }
        }
        return segments.joined(separator: "/")
    }
}
