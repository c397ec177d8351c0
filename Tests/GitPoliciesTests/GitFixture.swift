import Foundation
import GitPolicies
import PolicyEngine
import PromotionCore
import TestSupport

/// A real repository, and real keys to sign with.
struct GitFixture {
    let folder: TemporaryFolder
    let work: String
    private let environment: [String: String]

    static let environments = """
        version: 1
        kind: Environments
        environments:
          - { name: dev, registries: [{ url: "https://dev.example.test" }] }
          - { name: test, registries: [{ url: "https://test.example.test" }] }

        """

    static func policy(_ name: String = "p") -> String { "version: 1\nkind: Policy\nname: \(name)\nmatch: { images: ['**'], from: dev, to: test }\n" }

    init() async throws {
        folder = try TemporaryFolder()
        work = folder.path("work")
        environment = [
            "PATH": "/usr/bin:/bin", "HOME": folder.path, "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "Alice", "GIT_AUTHOR_EMAIL": "alice@acme.test",
            "GIT_COMMITTER_NAME": "Alice", "GIT_COMMITTER_EMAIL": "alice@acme.test", "GNUPGHOME": folder.path("gpg"),
        ]
        try FileManager.default.createDirectory(atPath: work, withIntermediateDirectories: true)
        try await git("init", "--quiet", "--initial-branch=main", work)
    }

    @discardableResult
    func git(_ arguments: String...) async throws -> String { try await git(arguments) }

    @discardableResult
    private func git(_ arguments: [String]) async throws -> String {
        try await Tool.check("git", ["-C", work] + arguments, environment: environment).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Writes files (`nil` removes one) and commits them; answers the commit.
    @discardableResult
    func commit(_ files: [String: String?], _ message: String = "Change", options: [String] = []) async throws -> String {
        for (path, text) in files {
            if let text { try folder.write(text, to: "work/\(path)") } else { try FileManager.default.removeItem(atPath: "\(work)/\(path)") }
        }
        try await git("add", "--all")
        try await git(
            options.filter { $0.hasPrefix("gpg.") || $0.hasPrefix("user.") }.flatMap { ["-c", $0] } + ["commit", "--quiet", "--allow-empty", "-m", message]
                + options.filter { $0.hasPrefix("-") })
        return try await git("rev-parse", "HEAD")
    }

    /// An SSH key; answers the private file.
    func sshKey(_ name: String) async throws -> String {
        let file = folder.path(name)
        try await Tool.check("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", file])
        return file
    }

    /// Commits and signs with an SSH key.
    func commit(_ files: [String: String?], signedBy key: String) async throws -> String {
        try await commit(files, options: ["gpg.format=ssh", "user.signingKey=\(key)", "-S"])
    }

    /// An allowed-signers file.
    func allow(_ signers: [(principal: String, key: String)], options: String = "namespaces=\"git\"") throws -> GitSigners {
        let lines = try signers.map { "\($0.principal) \(options) \(try String(contentsOfFile: $0.key + ".pub", encoding: .utf8))" }
        try folder.write(lines.joined(), to: "allowed")
        return GitSigners(allowedSignersFile: folder.path("allowed"))
    }

    func gpgKey(_ name: String) async throws -> GitSigners {
        try FileManager.default.createDirectory(
            atPath: folder.path("gpg"), withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        _ = try await Tool.check(
            "gpg", ["--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", "", "--quick-generate-key", "\(name) <\(name)@acme.test>", "ed25519", "sign"],
            environment: environment)
        let keys = try await Tool.check("gpg", ["--batch", "--armor", "--export", "\(name)@acme.test"], environment: environment)
        try folder.write(keys, to: "\(name).asc")
        return GitSigners(openPGPKeysFile: folder.path("\(name).asc"))
    }

    func origin(
        url: String? = nil, branch: String = "main", folder inside: String = "", access: GitAccess = GitAccess(), signers: GitSigners? = nil, forwardOnly: Bool = false,
        timeout: Duration = .seconds(60)
    ) throws -> GitPolicyOrigin {
        GitPolicyOrigin(
            location: try GitLocation(url: url ?? "file://\(work)", branch: branch, folder: inside), access: access, signers: signers, forwardOnly: forwardOnly,
            workFolder: URL(fileURLWithPath: folder.path("looks")), timeout: timeout)
    }

    /// What looks have left behind.
    func leftovers() throws -> [String] {
        FileManager.default.fileExists(atPath: folder.path("looks")) ? try FileManager.default.contentsOfDirectory(atPath: folder.path("looks")) : []
    }
}

/// The mistakes for which an edition is not acceptable, or why there is none.
func refusal(_ body: () async throws -> PolicyEdition?) async throws -> String {
    do {
        _ = try await body()
        return ""
    } catch let error as PolicyOriginError {
        switch error {
        case .unreachable(let reason): return "unreachable: \(reason)"
        case .unacceptable(_, _, let mistakes): return mistakes.map(\.description).joined(separator: "\n")
        }
    }
}
