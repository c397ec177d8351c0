import Foundation

/// A mistake in how a git repository of policies is named.
public struct GitLocationError: Error, Sendable, Hashable, CustomStringConvertible {
    public let description: String
}

/// A repository, a branch of it, and a folder of that.
///
/// All three come from configuration and end in arguments of `git` and `ssh`, so that only what is surely meant passes: nothing that begins
/// with a dash, names a helper program (`ext::…`) or holds a password.
public struct GitLocation: Sendable, Hashable {
    public enum Scheme: String, Sendable, Hashable, CaseIterable { case https, ssh, file }

    public let scheme: Scheme
    public let url: String
    public let branch: String
    /// Without slashes at its ends; empty for the whole repository.
    public let folder: String

    public init(url: String, branch: String, folder: String) throws(GitLocationError) {
        scheme = try Self.scheme(of: url)
        self.url = url
        self.branch = try Self.checked(branch: branch)
        self.folder = try Self.checked(folder: folder)
    }

    private static func scheme(of url: String) throws(GitLocationError) -> Scheme {
        func refused(_ why: String) -> GitLocationError { GitLocationError(description: "the git URL \(why)") }
        let forbidden: Set<UInt8> = Set(#"\"'`<>{}|^$;&*()!"#.utf8)
        guard url.utf8.count <= 2_048, url.utf8.allSatisfy({ (0x21...0x7E).contains($0) && !forbidden.contains($0) }) else {
            throw refused("holds characters that no such URL needs, or is longer than 2,048 bytes")
        }
        guard let parts = URLComponents(string: url), let scheme = parts.scheme.flatMap(Scheme.init(rawValue:)) else {
            throw refused("must begin with https://, ssh:// or file://; HOST:PATH is written ssh://git@HOST/PATH")
        }
        guard parts.password == nil, scheme == .ssh || parts.user == nil else { throw refused("must not hold credentials; name a file or a variable that does") }
        guard parts.query == nil, parts.fragment == nil else { throw refused("has no query and no fragment") }
        guard parts.path.hasPrefix("/"), parts.path.count > 1, !parts.path.hasPrefix("/-") else { throw refused("has no path to a repository") }
        let host = parts.percentEncodedHost ?? ""
        switch scheme {
        case .file: if !host.isEmpty { throw refused("names a host; write file:///PATH") }
        case .https, .ssh:
            let name = host.hasPrefix("[") && host.hasSuffix("]") ? host.dropFirst().dropLast() : host[...]
            guard !name.isEmpty, !name.hasPrefix("-"), name.utf8.allSatisfy({ isWord($0) || $0 == UInt8(ascii: ":") }) else { throw refused("has no host") }
        }
        if let user = parts.user, user.isEmpty || user.hasPrefix("-") || !user.utf8.allSatisfy(isWord) { throw refused("has a user name that is none") }
        return scheme
    }

    private static func checked(branch: String) throws(GitLocationError) -> String {
        let parts = branch.split(separator: "/", omittingEmptySubsequences: false)
        let isGood =
            branch.utf8.count <= 200 && branch.utf8.allSatisfy { isWord($0) || $0 == UInt8(ascii: "/") } && !branch.hasPrefix("-") && !branch.contains("..")
            && parts.allSatisfy { !$0.isEmpty && !$0.hasPrefix(".") && !$0.hasSuffix(".") && !$0.hasSuffix(".lock") }
        guard isGood else { throw GitLocationError(description: "'\(branch.prefix(80))' is no name of a branch") }
        return branch
    }

    private static func checked(folder: String) throws(GitLocationError) -> String {
        guard !folder.isEmpty, folder != "." else { return "" }
        let trimmed = folder.hasSuffix("/") ? String(folder.dropLast()) : folder
        let parts = trimmed.split(separator: "/", omittingEmptySubsequences: false)
        guard trimmed.utf8.count <= 500, trimmed.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F }),
            parts.allSatisfy({ !$0.isEmpty && $0 != "." && $0 != ".." })
        else { throw GitLocationError(description: "'\(folder.prefix(80))' is no folder inside a repository") }
        return trimmed
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_") || byte == UInt8(ascii: ".")
        }
    }
}

/// How the repository lets us in. Secrets stay where they are until git needs them, and go to it by its environment, never as an argument.
public struct GitAccess: Sendable, Hashable {
    /// Where a token stands: read at each use, so that a new one counts at once.
    public enum TokenPlace: Sendable, Hashable {
        case file(String)
        case environment(String)
    }

    /// For https: sent as the password of `user`.
    public var token: TokenPlace?
    public var user = "git"
    /// For ssh: the deploy key, and the hosts that are known. Unknown ones are refused.
    public var keyFile: String?
    public var knownHostsFile: String?
    /// For https: authorities beside the system's.
    public var caFile: String?
    /// For https: `https_proxy` and `no_proxy` for git alone, the proxy's password included. They are in no argument.
    public var proxyVariables: [String: String] = [:]

    public init() {}
}

extension GitAccess: CustomStringConvertible, CustomReflectable {
    /// Nothing of what it holds.
    public var description: String { "GitAccess" }
    /// No children.
    public var customMirror: Mirror { Mirror(self, children: [], displayStyle: .struct) }
}

/// Whose signature a commit must carry.
public struct GitSigners: Sendable, Hashable {
    /// An allowed-signers file (ssh-keygen(1)): principals and their SSH keys.
    public var allowedSignersFile: String?
    /// Public OpenPGP keys, each of which may sign.
    public var openPGPKeysFile: String?

    public init(allowedSignersFile: String? = nil, openPGPKeysFile: String? = nil) {
        self.allowedSignersFile = allowedSignersFile
        self.openPGPKeysFile = openPGPKeysFile
    }
}
