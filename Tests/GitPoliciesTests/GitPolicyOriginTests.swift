import Foundation
import GitPolicies
import PolicyEngine
import PromotionCore
import TestSupport
import Testing

/// Real repositories, by git's own local transport.
@Suite struct GitPolicyOriginTests {
    @Test func theFilesOfTheNewestCommitAreRead() async throws {
        let fixture = try await GitFixture()
        try await fixture.commit(["old.yaml": GitFixture.policy("old")])
        let id = try await fixture.commit(
            [
                "old.yaml": nil, "environments.yaml": GitFixture.environments, "p/p.yml": GitFixture.policy(), "README.md": "no policy", ".hidden/x.yaml": "no",
                "p/.x.yaml": "no", "größe.yaml": GitFixture.policy("q"),
            ], "Add policies\n\nAnd say why.")
        let origin = try fixture.origin()
        let edition = try #require(try await origin.newest(known: nil, inForce: nil))
        #expect(edition.revision == id && edition.files.map(\.path) == ["environments.yaml", "größe.yaml", "p/p.yml"])
        #expect(edition.files[0].text == GitFixture.environments)
        let commit = try #require(edition.commit)
        #expect(commit.id == id && commit.author == "Alice <alice@acme.test>" && commit.subject == "Add policies" && commit.signature == nil)
        #expect(abs(commit.committedAt.timeIntervalSinceNow) < 60)
        #expect(try PolicySet(files: edition.files, commit: id).version.description == id)
        #expect(try await origin.newest(known: id, inForce: id) == nil)
        #expect(try fixture.leftovers() == [])
    }

    @Test func aBranchAndAFolderAreHeld() async throws {
        let fixture = try await GitFixture()
        try await fixture.commit(["x.yaml": "main"])
        try await fixture.git("checkout", "--quiet", "-b", "releases/2")
        try await fixture.commit(["a/b/environments.yaml": "two", "other.yaml": "other"])
        try await fixture.git("checkout", "--quiet", "main")
        let edition = try #require(try await fixture.origin(branch: "releases/2", folder: "a/b").newest(known: nil, inForce: nil))
        #expect(edition.files == [PolicyFile(path: "environments.yaml", text: "two")])
        #expect(try await refusal { try await fixture.origin(folder: "a/b").newest(known: nil, inForce: nil) }.contains("there is no folder 'a/b'"))
        #expect(try await refusal { try await fixture.origin(branch: "nowhere").newest(known: nil, inForce: nil) }.contains("there is no branch nowhere"))
    }

    @Test func linksAndSubmodulesAreRefusedAndNotFollowed() async throws {
        let fixture = try await GitFixture()
        try fixture.folder.write("secret: 1", to: "outside.yaml")
        try FileManager.default.createSymbolicLink(atPath: "\(fixture.work)/x.yaml", withDestinationPath: fixture.folder.path("outside.yaml"))
        try await fixture.commit(["environments.yaml": GitFixture.environments])
        #expect(
            try await refusal { try await fixture.origin().newest(known: nil, inForce: nil) }
                == "x.yaml:1:1: this is a symbolic link or a submodule; put the file itself in its place")
        // A folder that is a link is no folder.
        try FileManager.default.removeItem(atPath: "\(fixture.work)/x.yaml")
        try FileManager.default.createSymbolicLink(atPath: "\(fixture.work)/linked", withDestinationPath: "/etc")
        try await fixture.commit([:])
        #expect(try await refusal { try await fixture.origin(folder: "linked").newest(known: nil, inForce: nil) }.contains("there is no folder 'linked'"))
        #expect(try await fixture.origin().newest(known: nil, inForce: nil)?.files.map(\.path) == ["environments.yaml"])
    }

    @Test func filesMustBeTextsAndFew() async throws {
        let fixture = try await GitFixture()
        try Data([0xFF, 0xFE, 0x00]).write(to: URL(fileURLWithPath: "\(fixture.work)/x.yaml"))
        try await fixture.commit([:])
        #expect(try await refusal { try await fixture.origin().newest(known: nil, inForce: nil) } == "x.yaml:1:1: the file is not UTF-8; save it as UTF-8")
        try await fixture.commit(["x.yaml": nil])
        try await fixture.commit(Dictionary(uniqueKeysWithValues: (0...1_000).map { ("f\($0).yaml", "a: 1") }))
        #expect(try await refusal { try await fixture.origin().newest(known: nil, inForce: nil) }.contains("more than 1000 policy files"))
        try await fixture.git("rm", "--quiet", "f*.yaml")
        try await fixture.commit(Dictionary(uniqueKeysWithValues: (0..<17).map { ("f\($0).yaml", String(repeating: "x", count: 1 << 20) + "\($0)") }))
        #expect(try await refusal { try await fixture.origin().newest(known: nil, inForce: nil) }.contains("bytes of them"))
    }

    /// What stands in the repository's or the user's configuration, hooks and filters is never run.
    @Test func nothingOfTheRepositoryIsRun() async throws {
        let fixture = try await GitFixture()
        let witness = fixture.folder.path("witness")
        try fixture.folder.write("*.yaml filter=evil diff=evil\n", to: "work/.gitattributes")
        try fixture.folder.write("[submodule \"x\"]\n\tpath = x\n\turl = ext::touch \(witness)\n", to: "work/.gitmodules")
        try await fixture.commit(["environments.yaml": GitFixture.environments])
        try await fixture.git("config", "uploadpack.packObjectsHook", "touch \(witness); exec \"$@\"")
        try await fixture.git("config", "filter.evil.smudge", "touch \(witness)")
        for hook in ["post-checkout", "reference-transaction", "post-merge", "pre-auto-gc"] {
            let file = try fixture.folder.write("#!/bin/sh\ntouch \(witness)\n", to: "work/.git/hooks/\(hook)")
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file)
        }
        #expect(try await fixture.origin().newest(known: nil, inForce: nil)?.files.count == 1)
        #expect(!FileManager.default.fileExists(atPath: witness))
    }

    @Test func aBranchThatWasSetBackIsRefusedWhereThatIsAsked() async throws {
        let fixture = try await GitFixture()
        let first = try await fixture.commit(["environments.yaml": GitFixture.environments])
        let second = try await fixture.commit(["p.yaml": GitFixture.policy()])
        let third = try await fixture.commit(["p.yaml": GitFixture.policy("q")])
        let (strict, lenient) = (try fixture.origin(forwardOnly: true), try fixture.origin())
        #expect(try await strict.newest(known: nil, inForce: nil)?.revision == third)
        #expect(try await strict.newest(known: first, inForce: first)?.revision == third)
        #expect(try await strict.newest(known: nil, inForce: third)?.revision == third)
        try await fixture.git("reset", "--quiet", "--hard", second)
        #expect(try await refusal { try await strict.newest(known: third, inForce: third) }.contains("the commit does not follow \(third.prefix(12)), which is in force"))
        #expect(try await lenient.newest(known: third, inForce: third)?.revision == second)
        // Rewritten: beside it, not behind it.
        try await fixture.commit(["p.yaml": GitFixture.policy("r")])
        #expect(try await refusal { try await strict.newest(known: third, inForce: third) }.contains("does not follow"))
    }

    @Test func whatCantBeReachedIsSaidAndLeavesNothingBehind() async throws {
        let fixture = try await GitFixture()
        let missing = try fixture.origin(url: "file://\(fixture.folder.path("nowhere"))")
        #expect(try await refusal { try await missing.newest(known: nil, inForce: nil) }.hasPrefix("unreachable: file://"))
        let closed = try fixture.origin(url: "https://127.0.0.1:\(try FreePort.take())/p.git")
        #expect(try await refusal { try await closed.newest(known: nil, inForce: nil) }.contains("unreachable: https://127.0.0.1"))
        #expect(try fixture.leftovers() == [])
    }
}

@Suite struct CommitSignatureTests {
    @Test func aCommitOfAnAllowedSignerIsTakenAndTheSignerIsSaid() async throws {
        let fixture = try await GitFixture()
        let (alice, mallory) = (try await fixture.sshKey("alice"), try await fixture.sshKey("mallory"))
        let signers = try fixture.allow([("alice@acme.test", alice)])
        let id = try await fixture.commit(["environments.yaml": GitFixture.environments], signedBy: alice)
        let edition = try #require(try await fixture.origin(signers: signers).newest(known: nil, inForce: nil))
        let signature = try #require(edition.commit?.signature)
        let fingerprint = try await Tool.check("ssh-keygen", ["-l", "-f", alice + ".pub"]).split(separator: " ")[1]
        #expect(edition.revision == id && signature.scheme == .ssh && signature.signer == "alice@acme.test" && signature.key == fingerprint)

        _ = try await fixture.commit(["p.yaml": GitFixture.policy()])
        #expect(try await refusal { try await fixture.origin(signers: signers).newest(known: id, inForce: id) }.contains("the commit is not signed"))
        _ = try await fixture.commit(["p.yaml": GitFixture.policy("q")], signedBy: mallory)
        let stranger = try await refusal { try await fixture.origin(signers: signers).newest(known: id, inForce: id) }
        #expect(stranger.contains("main@") && stranger.contains("may not sign policies"), "\(stranger)")
    }

    /// The signature of one commit on another, a key for another purpose, and one whose time is over.
    @Test func forgedSignaturesAreRefused() async throws {
        let fixture = try await GitFixture()
        let alice = try await fixture.sshKey("alice")
        _ = try await fixture.commit(["environments.yaml": GitFixture.environments], signedBy: alice)
        func said(_ options: String) async throws -> String {
            try await refusal { try await fixture.origin(signers: try fixture.allow([("alice", alice)], options: options)).newest(known: nil, inForce: nil) }
        }
        #expect(try await said("namespaces=\"git\"") == "")
        #expect(try await said("namespaces=\"file\"").contains("main@"))
        #expect(try await said("valid-before=\"20200101\"").contains("main@"))
        // The tree is exchanged under the same signature.
        let signed = try await fixture.git("cat-file", "commit", "HEAD")
        try fixture.folder.write("changed", to: "work/environments.yaml")
        try await fixture.git("add", "--all")
        let tree = try await fixture.git("write-tree")
        let lines = signed.split(separator: "\n", omittingEmptySubsequences: false)
        try fixture.folder.write((["tree \(tree)"] + lines.dropFirst().map(String.init)).joined(separator: "\n") + "\n", to: "forged")
        let forged = try await fixture.git("hash-object", "-t", "commit", "-w", fixture.folder.path("forged"))
        try await fixture.git("update-ref", "refs/heads/main", forged)
        let text = try await said("namespaces=\"git\"")
        #expect(text.contains("does not verify") || text.contains("can't be checked"), "\(text)")
    }

    @Test func openPGPKeysCount() async throws {
        let fixture = try await GitFixture()
        let alice = try await fixture.gpgKey("alice")
        let bob = try await fixture.gpgKey("bob")
        let id = try await fixture.commit(["environments.yaml": GitFixture.environments], options: ["user.signingKey=alice@acme.test", "-S"])
        let edition = try #require(try await fixture.origin(signers: alice).newest(known: nil, inForce: nil))
        #expect(edition.revision == id && edition.commit?.signature?.scheme == .openpgp && edition.commit?.signature?.signer == "alice <alice@acme.test>")
        #expect(edition.commit?.signature?.key.count == 40)
        #expect(try await refusal { try await fixture.origin(signers: bob).newest(known: nil, inForce: nil) }.contains("the key is not known"))
        // An OpenPGP signature says nothing where SSH keys are asked for.
        let ssh = try fixture.allow([("alice", try await fixture.sshKey("ssh"))])
        #expect(try await refusal { try await fixture.origin(signers: ssh).newest(known: nil, inForce: nil) }.contains("main@"))
    }

    @Test func aListOfSignersThatCantBeReadClosesTheWay() async throws {
        let fixture = try await GitFixture()
        try await fixture.commit(["environments.yaml": GitFixture.environments])
        let signers = GitSigners(allowedSignersFile: fixture.folder.path("nowhere"))
        #expect(try await refusal { try await fixture.origin(signers: signers).newest(known: nil, inForce: nil) }.contains("can't be read"))
    }
}
