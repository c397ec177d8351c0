import Foundation

/// A package URL, taken apart (package-url/purl-spec): which package it is, and in which version.
struct PackageURL: Sendable, Hashable {
    /// The kind of package: `deb`, `npm`.
    let type: String
    /// The name with its namespace: `debian/openssl`, `@angular/core`.
    let name: String
    let version: String?

    /// Qualifiers and the sub-path say where a package came from or lies, and not which it is.
    ///
    /// - Returns: `nil` where the text is no package URL.
    init?(parsing text: String) {
        guard text.utf8.count <= 2_000, text.lowercased().hasPrefix("pkg:") else { return nil }
        var rest = text.dropFirst(4)
        rest = rest.prefix { $0 != "#" }
        rest = rest.prefix { $0 != "?" }
        while rest.first == "/" { rest = rest.dropFirst() }
        guard let slash = rest.firstIndex(of: "/") else { return nil }
        let type = rest[..<slash].lowercased()
        guard !type.isEmpty,
            type.utf8.allSatisfy({ ("a"..."z").contains(Character(UnicodeScalar($0))) || ("0"..."9").contains(Character(UnicodeScalar($0))) || ".+-".utf8.contains($0) })
        else { return nil }
        var path = rest[rest.index(after: slash)...]
        var version: String?
        let last = path.lastIndex(of: "/") ?? path.startIndex
        // A scope is written with an at sign too: '@angular/core'.
        if let at = path[last...].lastIndex(of: "@"), at != path.startIndex {
            version = String(path[path.index(after: at)...])
            path = path[..<at]
        }
        let name = path.split(separator: "/").map { $0.removingPercentEncoding ?? String($0) }.joined(separator: "/")
        guard !name.isEmpty else { return nil }
        self.type = type
        // Types whose names are compared without case (purl-spec, PURL-TYPES).
        self.name = ["deb", "github", "bitbucket", "pypi", "composer", "rpm", "apk"].contains(type) ? name.lowercased() : name
        self.version = version.map { $0.removingPercentEncoding ?? $0 }.flatMap { $0.isEmpty ? nil : $0 }
    }
}
