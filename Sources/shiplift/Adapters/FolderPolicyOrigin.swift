import AuditLog
import Foundation
import Logging
import PolicyEngine
import PromotionCore

/// The policy files of a folder: read again when they change; the last good version stays in force.
actor FolderPolicySource: PolicySource {
    private static let maximumFiles = 1_000
    private let folder: URL
    private let catalog: any Catalog
    private let trail: any AuditTrail
    private let environs: Environs
    private let logger: Logger
    private var inForce: PolicySet?
    private var diagnostics: [PolicyDiagnostic] = []
    private var lastFiles: [PolicyFile] = []

    init(folder: URL, catalog: any Catalog, trail: any AuditTrail, environs: Environs, logger: Logger) {
        self.folder = folder
        self.catalog = catalog
        self.trail = trail
        self.environs = environs
        self.logger = logger
    }

    func current() async throws(PromotionFailure) -> PolicySet {
        guard let inForce else {
            throw PromotionFailure(.configuration, "no policy is in force: \(diagnostics.first?.description ?? "no files were read from \(folder.path)")")
        }
        return inForce
    }

    func refused() async -> [PolicyDiagnostic] { diagnostics }

    /// Reads the folder; what is new and good is put in force, what is new and bad is reported once.
    func reload() async throws {
        let files = try Self.read(folder)
        guard files != lastFiles else { return }
        do throws(PolicyLoadError) {
            let loaded = try PolicySet(files: files, commit: nil)
            try await adopt(loaded)
        } catch {
            diagnostics = error.diagnostics
            logger.error("policy files are refused, the last good version stays in force", metadata: ["mistakes": "\(error.diagnostics.count)"])
            for diagnostic in error.diagnostics { logger.error("\(diagnostic)") }
            try await fallBack()
            try await trail.append(entry("policy.refused", .failure, error.diagnostics.map(\.description).joined(separator: "\n"), version: nil))
        }
        lastFiles = files
    }

    /// After a restart, the last good version is in the database.
    private func fallBack() async throws {
        guard inForce == nil, let files = try await catalog.lastPolicy() else { return }
        do throws(PolicyLoadError) { inForce = try PolicySet(files: files, commit: nil) } catch {
            logger.error("the last good policy of the database can't be read either", metadata: ["error": "\(error)"])
        }
    }

    private func adopt(_ loaded: PolicySet) async throws(PolicyLoadError) {
        do {
            try await catalog.adopt(loaded, audit: entry("policy.loaded", .success, nil, version: loaded.version.description))
            inForce = loaded
            diagnostics = []
            logger.info("policy in force", metadata: ["version": "\(loaded.version)", "policies": "\(loaded.policies.count)", "folder": "\(folder.path)"])
        } catch {
            throw PolicyLoadError(diagnostics: [
                PolicyDiagnostic(file: folder.lastPathComponent, line: 1, column: 1, problem: "the policy could not be put in force", remedy: "\(error)")
            ])
        }
    }

    private func entry(_ action: String, _ outcome: AuditOutcome, _ reason: String?, version: String?) throws(AuditEntryError) -> AuditEntry {
        try AuditEntry(
            id: environs.newID(), time: environs.now(), actor: AuditActor(id: SubjectID.service.description, authentication: .service), action: action,
            outcome: outcome, policyVersion: version, reason: reason)
    }

    /// All `.yaml` and `.yml` files below the folder, by their relative paths.
    static func read(_ folder: URL) throws -> [PolicyFile] {
        let root = folder.standardizedFileURL.path
        guard let enumerator = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil, options: [.skipsHiddenFiles]) else {
            throw PolicyFolderError(description: "the policy folder \(folder.path) can't be read")
        }
        var files: [PolicyFile] = []
        for case let file as URL in enumerator where ["yaml", "yml"].contains(file.pathExtension) {
            guard files.count < maximumFiles else { throw PolicyFolderError(description: "\(folder.path) has more than \(maximumFiles) policy files") }
            let path = file.standardizedFileURL.path
            let relative = path.hasPrefix(root + "/") ? String(path.dropFirst(root.count + 1)) : file.lastPathComponent
            files.append(PolicyFile(path: relative, text: try String(contentsOf: file, encoding: .utf8)))
        }
        return files.sorted { $0.path < $1.path }
    }
}

/// Why a policy folder can't be read.
struct PolicyFolderError: Error, CustomStringConvertible {
    let description: String
}
