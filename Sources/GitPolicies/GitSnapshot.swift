import Foundation
import PolicyEngine
import PromotionCore

/// One commit in a fetched repository.
struct GitSnapshot {
    let git: GitCommand
    let commit: String
    let location: GitLocation

    /// What is wrong with the commit itself, as a mistake at its name.
    func refusal(_ problem: String, _ remedy: String, commit: PolicyCommit? = nil) -> PolicyOriginError {
        let mistake = PolicyDiagnostic(file: "\(location.branch)@\(self.commit.prefix(12))", line: 1, column: 1, problem: problem, remedy: remedy)
        return .unacceptable(revision: self.commit, commit: commit, mistakes: [mistake])
    }

    /// Refuses a commit that does not have `ancestor` before it: a branch that was set back.
    func checkFollows(_ ancestor: String) async throws {
        let answer = try await git.git(["merge-base", "--is-ancestor", ancestor, commit])
        guard answer.status != 0 else { return }
        throw refusal(
            "the commit does not follow \(ancestor.prefix(12)), which is in force", "the branch was set back or rewritten: add a commit on top of what is in force")
    }

    func commit(_ signature: CommitSignature?) async throws -> PolicyCommit {
        let answer = try await git.git(["show", "-s", "--no-show-signature", "--encoding=UTF-8", "--format=%an <%ae>%x00%ct%x00%s", commit])
        let parts = answer.output.split(separator: 0, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
        guard answer.status == 0, parts.count == 3, let seconds = Double(parts[1]), (0...253_402_300_799).contains(seconds) else {
            throw refusal("the commit can't be read", "git shows no author, time and subject of it")
        }
        return PolicyCommit(
            id: commit, author: Self.line(parts[0]), committedAt: Date(timeIntervalSince1970: seconds), subject: Self.line(parts[2]), signature: signature)
    }

    private struct Entry {
        let path: String
        let mode: String
        let object: String
        let size: Int
    }

    /// All policy files and trust files of the folder, by their paths in it.
    func files(_ described: PolicyCommit) async throws -> [PolicyFile] {
        let entries = try await entries(described)
        var mistakes: [PolicyDiagnostic] = []
        func mistake(_ entry: Entry, _ problem: String, _ remedy: String) {
            mistakes.append(PolicyDiagnostic(file: entry.path, line: 1, column: 1, problem: problem, remedy: remedy))
        }
        for entry in entries where !entry.mode.hasPrefix("100") { mistake(entry, "this is a symbolic link or a submodule", "put the file itself in its place") }
        for entry in entries where entry.size > PolicyFile.maximumBytes {
            mistake(entry, "the file has \(entry.size) bytes", "a policy or trust file has at most \(PolicyFile.maximumBytes)")
        }
        if entries.count > GitPolicyOrigin.maximumFiles || entries.reduce(0, { $0 + $1.size }) > GitPolicyOrigin.maximumBytes {
            throw refusal(
                "there are more than \(GitPolicyOrigin.maximumFiles) policy files, or more than \(GitPolicyOrigin.maximumBytes) bytes of them",
                "keep policies in a folder of their own, and name it", commit: described)
        }
        let contents = mistakes.isEmpty ? try await contents(entries) : []
        var files: [PolicyFile] = []
        for (entry, bytes) in zip(entries, contents) {
            guard let text = String(validating: bytes, as: UTF8.self) else {
                mistake(entry, "the file is not UTF-8", "save it as UTF-8")
                continue
            }
            files.append(PolicyFile(path: entry.path, text: text))
        }
        guard mistakes.isEmpty else { throw PolicyOriginError.unacceptable(revision: commit, commit: described, mistakes: mistakes) }
        return files.sorted { $0.path < $1.path }
    }

    private func entries(_ described: PolicyCommit) async throws -> [Entry] {
        let tree = location.folder.isEmpty ? commit : "\(commit):\(location.folder)"
        let answer = try await git.git(["ls-tree", "-r", "-z", "-l", "--full-tree", tree], limit: 8 << 20)
        guard answer.status == 0 else {
            throw refusal("there is no folder '\(location.folder)'", "name another folder, or add it", commit: described)
        }
        var entries: [Entry] = []
        // MODE TYPE OBJECT SIZE<tab>PATH, ended by a zero byte.
        for record in answer.output.split(separator: 0) {
            guard let tab = record.firstIndex(of: UInt8(ascii: "\t")) else { continue }
            let path = String(decoding: record[record.index(after: tab)...], as: UTF8.self)
            let fields = String(decoding: record[..<tab], as: UTF8.self).split(separator: " ")
            guard fields.count == 4, PolicyFile.counts(path) else { continue }
            entries.append(Entry(path: path, mode: String(fields[0]), object: String(fields[2]), size: Int(fields[3]) ?? 0))
        }
        return entries
    }

    /// The files' bytes, in the order of the entries.
    private func contents(_ entries: [Entry]) async throws -> [[UInt8]] {
        guard !entries.isEmpty else { return [] }
        let input = entries.map { $0.object + "\n" }.joined()
        let answer = try await git.git(["cat-file", "--batch"], input: Array(input.utf8), limit: GitPolicyOrigin.maximumBytes + 200 * entries.count)
        var rest = answer.output[...]
        var contents: [[UInt8]] = []
        for entry in entries {
            // OBJECT blob SIZE<newline>BYTES<newline>
            guard answer.status == 0, let end = rest.firstIndex(of: UInt8(ascii: "\n")),
                String(decoding: rest[..<end], as: UTF8.self) == "\(entry.object) blob \(entry.size)", rest.distance(from: end, to: rest.endIndex) > entry.size + 1
            else { throw GitFailure(description: "git could not read \(entry.path) of \(commit.prefix(12))") }
            let start = rest.index(after: end)
            let stop = rest.index(start, offsetBy: entry.size)
            contents.append(Array(rest[start..<stop]))
            rest = rest[rest.index(after: stop)...]
        }
        return contents
    }

    private static func line(_ text: String) -> String {
        let trimmed = text.trimmingCharacters(in: .whitespacesAndNewlines).unicodeScalars.prefix(200)
        return String(String.UnicodeScalarView(trimmed.map { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) ? " " : $0 }))
    }
}
