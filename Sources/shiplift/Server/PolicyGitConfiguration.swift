import Foundation
import GitPolicies
import PromotionCore

/// Where policies come from in git. Each setting is `policies_git` and, beside it, `policies_git_…`.
struct PolicyGitConfiguration {
    let location: GitLocation
    let access: GitAccess
    let signers: GitSigners?
    let forwardOnly: Bool
    /// Between two looks.
    let seconds: Double

    static let names = [
        "policies_git", "policies_git_branch", "policies_git_folder", "policies_git_seconds", "policies_git_user", "policies_git_token_file",
        "policies_git_token_env", "policies_git_ca", "policies_git_key", "policies_git_known_hosts", "policies_git_signers", "policies_git_openpgp_keys",
        "policies_git_forward_only",
    ]

    /// `nil` where no repository is named.
    init?(_ value: (String) -> String?) throws {
        guard let url = value("policies_git") else {
            if let alone = Self.names.first(where: { value($0) != nil }) { throw ConfigurationError(description: "\(alone) needs policies_git: the repository's URL") }
            return nil
        }
        do {
            location = try GitLocation(url: url, branch: value("policies_git_branch") ?? "main", folder: value("policies_git_folder") ?? "")
        } catch { throw ConfigurationError(description: "policies_git: \(error)") }
        access = try Self.access(location, value)
        let (ssh, openPGP) = (value("policies_git_signers"), value("policies_git_openpgp_keys"))
        signers = ssh == nil && openPGP == nil ? nil : GitSigners(allowedSignersFile: ssh, openPGPKeysFile: openPGP)
        switch value("policies_git_forward_only") {
        case nil, "false": forwardOnly = false
        case "true": forwardOnly = true
        case .some(let text): throw ConfigurationError(description: "policies_git_forward_only '\(text)' is neither true nor false")
        }
        seconds = try ServiceConfiguration.number(value("policies_git_seconds"), "policies_git_seconds", 1...86_400) ?? 60
    }

    private static func access(_ location: GitLocation, _ value: (String) -> String?) throws -> GitAccess {
        var access = GitAccess()
        switch (value("policies_git_token_file"), value("policies_git_token_env")) {
        case (let file?, nil): access.token = .file(file)
        case (nil, let variable?): access.token = .environment(variable)
        case (nil, nil): break
        default: throw ConfigurationError(description: "name one of policies_git_token_file and policies_git_token_env")
        }
        if let user = value("policies_git_user") {
            guard !user.contains(":"), !user.contains(where: \.isNewline) else { throw ConfigurationError(description: "policies_git_user must not hold ':'") }
            access.user = user
        }
        access.caFile = value("policies_git_ca")
        access.keyFile = value("policies_git_key")
        access.knownHostsFile = value("policies_git_known_hosts")
        if location.scheme != .https, access.token != nil { throw ConfigurationError(description: "a token is sent over https:// alone; ssh:// takes policies_git_key") }
        if location.scheme == .ssh, access.keyFile == nil || access.knownHostsFile == nil {
            throw ConfigurationError(description: "ssh:// needs policies_git_key (a deploy key) and policies_git_known_hosts")
        }
        return access
    }

    func origin(dataFolder: URL, proxy: OutgoingProxy) -> GitPolicyOrigin {
        var access = access
        access.proxyVariables = proxy.revealedVariables
        return GitPolicyOrigin(
            location: location, access: access, signers: signers, forwardOnly: forwardOnly, workFolder: dataFolder.appendingPathComponent("policies-git"))
    }
}
