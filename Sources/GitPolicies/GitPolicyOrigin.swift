public import Foundation
public import PromotionCore

/// Policy files of a branch of a git repository.
///
/// Nothing is kept between two looks: each fetches the newest commit into an empty repository of its own, reads the files out of its objects
/// (nothing is ever checked out, so there are no links, hooks or filters to follow) and removes it.
public struct GitPolicyOrigin: PolicyOrigin {
    /// Most policy files, and most bytes of all of them together.
    static let maximumFiles = 1_000
    static let maximumBytes = 16 << 20
    /// How far back a newer commit may have left the one in force.
    static let history = 1_000

    let location: GitLocation
    let access: GitAccess
    /// `nil`: signatures are not asked for.
    let signers: GitSigners?
    /// Whether a commit that does not follow the one in force is refused.
    let forwardOnly: Bool
    let workFolder: URL
    /// Of each command.
    let timeout: Duration

    /// - Parameter workFolder: where repositories are made and removed; made where it does not exist.
    public init(
        location: GitLocation, access: GitAccess, signers: GitSigners?, forwardOnly: Bool, workFolder: URL, timeout: Duration = .seconds(60)
    ) {
        self.location = location
        self.access = access
        self.signers = signers
        self.forwardOnly = forwardOnly
        self.workFolder = workFolder
        self.timeout = timeout
    }

    public var place: PolicyPlace {
        PolicyPlace(kind: .git, location: location.url, branch: location.branch, folder: location.folder.isEmpty ? nil : location.folder)
    }

    public func newest(known: String?, inForce: String?) async throws(PolicyOriginError) -> PolicyEdition? {
        let folder = workFolder.appendingPathComponent("look-\(UUID().uuidString.prefix(8).lowercased())")
        do {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch { throw .unreachable("the folder \(folder.path) can't be made") }
        defer {
            do { try FileManager.default.removeItem(at: folder) } catch {
                // What a look leaves behind is swept before the next one that succeeds in it.
            }
        }
        do { return try await look(folder, known: known, inForce: inForce) } catch let error as PolicyOriginError { throw error } catch {
            throw .unreachable("\(location.url): \(error)")
        }
    }

    private func look(_ folder: URL, known: String?, inForce: String?) async throws -> PolicyEdition? {
        let settings = try GitSettings(location, access, folder: folder)
        let remote = GitCommand(folder: folder, settings: settings.settings, variables: settings.variables, timeout: timeout)
        let head = try await self.head(remote)
        if head == known { return nil }
        let ancestor = forwardOnly && inForce != head ? inForce : nil
        try await succeed("fetch the branch", remote, ["init", "--quiet", "--bare", "--template=", remote.repository])
        let depth = ancestor == nil ? 1 : Self.history
        try await succeed(
            "fetch the branch", remote,
            [
                "fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", "--depth=\(depth)", "--", location.url,
                "+refs/heads/\(location.branch):refs/heads/candidate",
            ])
        let local = GitCommand(folder: folder, settings: GitSettings().settings, variables: [:], timeout: timeout)
        let object = try await succeed("find the commit", local, ["rev-parse", "--verify", "--end-of-options", "refs/heads/candidate^{commit}"])
        let id = try Self.objectName(object)
        let snapshot = GitSnapshot(git: local, commit: id, location: location)
        if let ancestor { try await snapshot.checkFollows(ancestor) }
        let signature = try await CommitSignatureCheck(snapshot: snapshot, signers: signers).signature()
        let commit = try await snapshot.commit(signature)
        return PolicyEdition(revision: id, files: try await snapshot.files(commit), commit: commit)
    }

    /// The commit that the branch names.
    private func head(_ remote: GitCommand) async throws -> String {
        let reference = "refs/heads/\(location.branch)"
        let output = try await succeed("ask for the branch", remote, ["ls-remote", "--quiet", "--refs", "--", location.url, reference])
        let lines = String(decoding: output, as: UTF8.self).split(separator: "\n").map { $0.split(separator: "\t") }
        guard let line = lines.first(where: { $0.count == 2 && $0[1] == reference }) else {
            throw GitFailure(description: "there is no branch \(location.branch)")
        }
        return try Self.objectName(Array(line[0].utf8))
    }

    @discardableResult
    private func succeed(_ what: String, _ git: GitCommand, _ arguments: [String]) async throws -> [UInt8] {
        let answer = try await git.git(arguments)
        guard answer.status == 0 else { throw GitFailure(description: "git could not \(what): \(answer.complaint)") }
        return answer.output
    }

    private static func objectName(_ bytes: [UInt8]) throws(GitFailure) -> String {
        let text = String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        guard text.utf8.count == 40 || text.utf8.count == 64, text.utf8.allSatisfy({ "0123456789abcdef".utf8.contains($0) }) else {
            throw GitFailure(description: "git named no commit")
        }
        return text
    }
}

extension GitCommand {
    var repository: String { folder.appendingPathComponent("repository").path }
}
