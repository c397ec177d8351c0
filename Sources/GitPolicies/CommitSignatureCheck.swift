import Foundation
import PromotionCore

/// Checks that a commit is signed by somebody who may. Git and the tools it calls do the cryptography.
struct CommitSignatureCheck {
    let snapshot: GitSnapshot
    let signers: GitSigners?

    /// Who signed; `nil` where nobody has to. Anything but a good signature by an allowed signer is a refusal.
    func signature() async throws -> CommitSignature? {
        guard let signers else { return nil }
        let git = try await verifier(signers)
        let verified = try await git.git(["verify-commit", "--raw", snapshot.commit])
        // G: good, and the key is allowed. Signer, fingerprint.
        let shown = try await git.git(["show", "-s", "--no-show-signature", "--format=%G?%x00%GS%x00%GF", snapshot.commit])
        let parts = String(decoding: shown.output, as: UTF8.self).trimmingCharacters(in: .newlines).split(separator: "\0", omittingEmptySubsequences: false)
        let letter = shown.status == 0 ? parts.first ?? "E" : "E"
        guard verified.status == 0, letter == "G", parts.count == 3, !parts[1].isEmpty, !parts[2].isEmpty else {
            throw snapshot.refusal(Self.reason(letter), "sign it with a key that the service's list of signers names")
        }
        return CommitSignature(
            scheme: parts[2].hasPrefix("SHA256:") ? .ssh : .openpgp, signer: String(parts[1].prefix(200)), key: String(parts[2].prefix(200)))
    }

    private func verifier(_ signers: GitSigners) async throws -> GitCommand {
        let folder = snapshot.git.folder
        let keys = folder.appendingPathComponent("keys")
        try FileManager.default.createDirectory(at: keys, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        var settings = snapshot.git.settings
        if let file = signers.allowedSignersFile {
            guard FileManager.default.isReadableFile(atPath: file) else { throw GitFailure(description: "the allowed-signers file \(file) can't be read") }
            settings.append(("gpg.ssh.allowedSignersFile", URL(fileURLWithPath: file).path))
        }
        let git = GitCommand(folder: folder, settings: settings, variables: ["GNUPGHOME": keys.path], timeout: snapshot.git.timeout)
        if let file = signers.openPGPKeysFile {
            // The file says whom we trust; gpg looks nowhere else.
            try Data("trust-model always\nno-auto-key-locate\nno-auto-key-retrieve\n".utf8).write(to: keys.appendingPathComponent("gpg.conf"))
            let imported = try await git.run("gpg", ["--batch", "--no-autostart", "--quiet", "--import", URL(fileURLWithPath: file).path])
            guard imported.status == 0 else { throw GitFailure(description: "the OpenPGP keys of \(file) can't be read: \(imported.complaint)") }
        }
        return git
    }

    private static func reason(_ letter: Substring) -> String {
        switch letter {
        case "N": "the commit is not signed"
        case "B": "the commit's signature does not verify"
        case "U": "the commit is signed by somebody who may not sign policies"
        case "X", "Y": "the commit's signature, or the key that made it, is no longer valid"
        case "R": "the commit is signed by a key that was revoked"
        default: "the commit's signature can't be checked: the key is not known"
        }
    }
}
