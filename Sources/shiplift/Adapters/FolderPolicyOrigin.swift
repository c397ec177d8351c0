import Foundation
import PolicyEngine
import PromotionCore

/// The policy files of a folder.
struct FolderPolicyOrigin: PolicyOrigin {
    private static let maximumFiles = 1_000
    let folder: URL

    var place: PolicyPlace { PolicyPlace(kind: .folder, location: folder.path) }

    func newest(known: String?, inForce: String?) async throws(PolicyOriginError) -> PolicyEdition? {
        let files: [PolicyFile]
        do { files = try Self.read(folder) } catch { throw .unreachable("\(error)") }
        let revision = PolicyVersion(files: files, commit: nil).description
        return revision == known ? nil : PolicyEdition(revision: revision, files: files, commit: nil)
    }

    /// All policy files and trust files below the folder, by their relative paths.
    static func read(_ folder: URL) throws -> [PolicyFile] {
        let root = folder.standardizedFileURL.path
        guard let enumerator = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil, options: [.skipsHiddenFiles]) else {
            throw PolicyFolderError(description: "the policy folder \(folder.path) can't be read")
        }
        var files: [PolicyFile] = []
        for case let file as URL in enumerator where PolicyFile.counts(file.lastPathComponent) {
            guard files.count < maximumFiles else { throw PolicyFolderError(description: "\(folder.path) has more than \(maximumFiles) policy files") }
            let path = file.standardizedFileURL.path
            let relative = path.hasPrefix(root + "/") ? String(path.dropFirst(root.count + 1)) : file.lastPathComponent
            guard try file.resourceValues(forKeys: [.fileSizeKey]).fileSize ?? 0 <= PolicyFile.maximumBytes else {
                throw PolicyFolderError(description: "\(relative) has more than \(PolicyFile.maximumBytes) bytes")
            }
            do { files.append(PolicyFile(path: relative, text: try String(contentsOf: file, encoding: .utf8))) } catch {
                throw PolicyFolderError(description: "the policy file \(file.path) can't be read as UTF-8")
            }
        }
        return files.sorted { $0.path < $1.path }
    }
}

/// Why a policy folder can't be read.
struct PolicyFolderError: Error, CustomStringConvertible {
    let description: String
}
