import ArgumentParser
import Foundation
import PolicyEngine

/// `shiplift policy`
struct PolicyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy", abstract: "Checks policy files before they are merged.", subcommands: [Check.self])

    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Reads a folder of policy files and reports every mistake with file, line and remedy.",
            discussion: "Needs no service. Exit status 0: all good. 2: mistakes.\n\nExample:\n  shiplift policy check Policies")
        @Argument(help: "The folder.")
        var folder: String

        func run() async throws {
            let files: [PolicyFile]
            do {
                guard FileManager.default.fileExists(atPath: folder) else { throw PolicyFolderError(description: "the folder \(folder) does not exist") }
                files = try FolderPolicySource.read(URL(fileURLWithPath: folder))
            } catch {
                Output.error("shiplift: \(error)")
                throw ExitStatus.usage
            }
            do {
                let policies = try PolicySet(files: files, commit: nil)
                Output.line("\(files.count) files, \(policies.environments.count) environments, \(policies.policies.count) policies: no mistakes")
                Output.line("version \(policies.version)")
            } catch {
                for diagnostic in error.diagnostics { Output.error("\(diagnostic)") }
                Output.error("\(error.diagnostics.count) mistakes")
                throw ExitStatus.usage
            }
        }
    }
}
