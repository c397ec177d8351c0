import Foundation
import OCI

/// Where a version comes from, as its labels and annotations say (image-spec, annotations.md).
public struct SourceReference: Sendable, Hashable {
    public let repository: String?
    public let revision: String?
    public let version: String?
    public let created: String?

    var isEmpty: Bool { repository == nil && revision == nil && version == nil && created == nil }
}

/// The commits that lie between two versions.
public struct SourceDifference: Sendable, Hashable {
    public let before: SourceReference?
    public let after: SourceReference?
    /// A page that compares the two commits: only where both name the same repository on a forge whose pages we know, made of nothing but
    /// checked parts. Never opened by us.
    public let compareURL: String?

    init(from before: ImageContents?, to after: ImageContents) {
        let (old, new) = (before.flatMap(Self.reference), Self.reference(after))
        self.before = old
        self.after = new
        compareURL = old.flatMap { old in new.flatMap { CompareLink.url(old, $0) } }
    }

    /// Labels of the first platform that has one; else the annotations of its manifest, else of the index.
    private static func value(_ key: String, _ contents: ImageContents) -> String? {
        let found =
            contents.parts.lazy.compactMap { $0.runtime?.labels[key] }.first
            ?? contents.parts.lazy.compactMap { $0.annotations[key] }.first ?? contents.annotations[key]
        guard let found, !found.isEmpty, !SecretMask.hides(found, named: key == "org.opencontainers.image.revision" ? "revision" : "") else { return nil }
        return Shown.text(found)
    }

    private static func reference(_ contents: ImageContents) -> SourceReference? {
        let prefix = "org.opencontainers.image."
        let found = SourceReference(
            repository: value(prefix + "source", contents), revision: value(prefix + "revision", contents), version: value(prefix + "version", contents),
            created: value(prefix + "created", contents) ?? contents.parts.lazy.compactMap { $0.runtime?.created }.first.map { Shown.text($0) })
        return found.isEmpty ? nil : found
    }

    static func baseChanges(from before: ImageContents?, to after: ImageContents) -> [Change] {
        [("name", "org.opencontainers.image.base.name"), ("digest", "org.opencontainers.image.base.digest")].compactMap { name, key in
            let (old, new) = (before.flatMap { value(key, $0) }, value(key, after))
            return old == nil && new == nil ? nil : Change(name: name, before: old, after: new)
        }
    }
}

/// Pages of forges that compare two commits.
enum CompareLink {
    static func url(_ before: SourceReference, _ after: SourceReference) -> String? {
        guard let old = before.revision, let new = after.revision, old != new, isCommit(old), isCommit(new), let repository = after.repository,
            let place = place(repository), before.repository.flatMap(self.place) == place
        else { return nil }
        let base = "https://\(place.host)/\(place.path.joined(separator: "/"))"
        switch place.host {
        case "github.com", "codeberg.org": return place.path.count == 2 ? "\(base)/compare/\(old)...\(new)" : nil
        case "bitbucket.org": return place.path.count == 2 ? "\(base)/branches/compare/\(new)%0D\(old)" : nil
        case let host where host == "gitlab.com" || host.hasPrefix("gitlab."): return place.path.count >= 2 ? "\(base)/-/compare/\(old)...\(new)" : nil
        case let host where host.hasPrefix("gitea.") || host.hasPrefix("forgejo.") || host.hasPrefix("github."):
            return place.path.count == 2 ? "\(base)/compare/\(old)...\(new)" : nil
        default: return nil
        }
    }

    private struct Place: Equatable {
        let host: String
        let path: [String]
    }

    /// `https://HOST/PATH` and nothing else: no port, no user, no query.
    private static func place(_ text: String) -> Place? {
        guard text.hasPrefix("https://"), text.utf8.count <= 300 else { return nil }
        var parts = text.dropFirst(8).split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        if parts.last == "" { parts.removeLast() }
        guard parts.count >= 2, let host = parts.first?.lowercased() else { return nil }
        var path = Array(parts.dropFirst())
        if let last = path.last, last.hasSuffix(".git") { path[path.count - 1] = String(last.dropLast(4)) }
        let isHost = host.contains(".") && host.utf8.allSatisfy { isWord($0) || $0 == 0x2E || $0 == 0x2D } && !host.hasPrefix(".") && !host.hasSuffix(".")
        let isPath =
            path.count <= 10
            && path.allSatisfy { part in
                !part.isEmpty && part != "." && part != ".." && part != "-" && part.utf8.allSatisfy { isWord($0) || ".-_".utf8.contains($0) }
            }
        return isHost && isPath ? Place(host: host, path: path) : nil
    }

    private static func isWord(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) }

    private static func isCommit(_ text: String) -> Bool {
        (7...64).contains(text.utf8.count) && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }
}
