import ArgumentParser
import Foundation
import OCI
import PolicyEngine
import PromotionCore

/// `shiplift policy`
struct PolicyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy", abstract: "Checks, tests and explains policy files before they are merged; shows what is in force.",
        subcommands: [Check.self, Test.self, Explain.self, PolicyReplayCommand.self, ShowStatus.self, Refresh.self])

    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "check",
            abstract: "Reads a folder of policy files and reports every mistake with file, line and remedy.",
            discussion: """
                Needs no service. Remarks name what is no mistake and hardly meant: rules that reach nothing, names that nobody uses, exceptions \
                whose time is over; and, where the images are known, patterns that match none of them and defaults that never count. \
                Exit status 0: all good. 2: mistakes, with --strict also remarks.

                Examples:
                  shiplift policy check Policies
                  shiplift policy check Policies --images images.txt --strict
                  shiplift policy check Policies --known-images
                """)
        @Argument(help: "The folder.")
        var folder: String
        @Flag(help: "Remarks are mistakes too.")
        var strict = false
        @Option(help: "A file that names the images that there are, one a line.")
        var images: String?
        @Flag(help: "Ask the service which images there are.")
        var knownImages = false
        @OptionGroup var service: ServiceOptions

        func run() async throws {
            let policies = try PolicyFolder.load(folder)
            var names = try images.map(PolicyImages.read) ?? []
            if knownImages { names += try await PolicyImages.ask(try service.client()) }
            let remarks = policies.remarks(at: Date(), images: names)
            for remark in remarks { Output.error("remark: \(remark)") }
            Output.line("\(policies.files.count) files, \(policies.environments.count) environments, \(policies.policies.count) policies: no mistakes")
            Output.line("version \(policies.version)")
            if strict, !remarks.isEmpty { throw ExitStatus.usage }
        }
    }

    struct Test: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "test",
            abstract: "Runs the test cases of a folder of policy files.",
            discussion: """
                Cases stand in files of kind Cases: given facts, expected decision and reason. Needs no service. Exit status 0: all cases pass. \
                2: mistakes in the files, or no cases. 4: a case fails.

                Example:
                  shiplift policy test Policies --junit results.xml
                """)
        @Argument(help: "The folder.")
        var folder: String
        @Option(help: "A file for the results as JUnit's XML.")
        var junit: String?
        @Flag(help: "Also name the rules that no case has seen closed.")
        var coverage = false

        func run() async throws {
            let policies = try PolicyFolder.load(folder)
            let results = policies.runCases()
            for result in results {
                Output.line("\(result.hasPassed ? "✓" : "✗") \(result.test.name)  (\(result.test.source))")
                for failure in result.failures { Output.line("    \(failure)") }
            }
            if coverage {
                for rule in policies.rulesWithoutCases(results) { Output.line("no case closes \(rule.gate) of \(rule.policy)  (\(rule.source))") }
            }
            if let junit { try Data(JUnitReport(results).description.utf8).write(to: URL(fileURLWithPath: junit)) }
            guard !results.isEmpty else {
                Output.error("\(folder) has no cases: add a file of kind Cases")
                throw ExitStatus.usage
            }
            let failed = results.count { !$0.hasPassed }
            Output.line("\(results.count) cases, \(failed) failed")
            if failed > 0 { throw ExitStatus.failed }
        }
    }

    struct Explain: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "explain",
            abstract: "Shows which rules apply to an image on a step, from which file and line.",
            discussion: "Needs no service.\n\nExample:\n  shiplift policy explain shop/api --to production --folder Policies")
        @Argument(help: "The image, for example shop/api.")
        var image: String
        @Option(help: "The environment that it leaves; every open step where it is left out.")
        var from: String?
        @Option(help: "The environment that it enters.")
        var to: String
        @Option(help: "The folder.")
        var folder = "Policies"

        func run() async throws {
            let policies = try PolicyFolder.load(folder)
            let name: ImageName
            do { name = try ImageName(parsing: image) } catch { throw ValidationError(error.description) }
            guard let target = EnvironmentName(parsing: to), policies.environment(named: target) != nil else {
                throw ValidationError("environment '\(to)' is not known; known: \(policies.environments.map(\.name.description).joined(separator: ", "))")
            }
            let sources = from.map { [EnvironmentName(parsing: $0)].compactMap(\.self) } ?? policies.steps(for: name, to: target)
            if sources.isEmpty { Output.line("no policy lets \(name) into \(target)") }
            for source in sources { Self.show(policies.explain(name, from: source, to: target)) }
        }

        private static func show(_ explanation: PolicyExplanation) {
            Output.line("\(explanation.image): \(explanation.from) → \(explanation.to)\(explanation.isOpen ? "" : ": closed, no policy opens this step")")
            for part in explanation.parts {
                Output.line("  \(part.policy)\(part.mode == .warn ? " (only warns)" : "")  (\(part.source))")
                for rule in part.rules {
                    let replaced = rule.replacedBy.isEmpty ? "" : ", replaced by that of \(rule.replacedBy.joined(separator: ", "))"
                    let order = rule.overridableBy.isEmpty ? "" : ", may be opened by \(rule.overridableBy.joined(separator: ", "))"
                    Output.line("    \(rule.gate): \(rule.text)\(replaced)\(order)  (\(rule.source))")
                }
            }
            Output.line("  tags: \(explanation.targetTags.joined(separator: ", "))")
            if let source = explanation.immutableTagsSource, !explanation.immutableTags.isEmpty {
                Output.line("  never moved: \(explanation.immutableTags.joined(separator: ", "))  (\(source))")
            }
        }
    }
}

/// A folder of policy files as the commands read it.
enum PolicyFolder {
    /// Reads and checks it; says what is wrong and ends with the status for wrong usage where it can't.
    static func load(_ folder: String) throws -> PolicySet {
        let files: [PolicyFile]
        do {
            guard FileManager.default.fileExists(atPath: folder) else { throw PolicyFolderError(description: "the folder \(folder) does not exist") }
            files = try FolderPolicyOrigin.read(URL(fileURLWithPath: folder))
        } catch {
            Output.error("shiplift: \(error)")
            throw ExitStatus.usage
        }
        do throws(PolicyLoadError) {
            let policies = try PolicySet(files: files, commit: nil)
            _ = try TrustedSigners(policies)
            return policies
        } catch {
            for diagnostic in error.diagnostics { Output.error("\(diagnostic)") }
            Output.error("\(error.diagnostics.count) mistakes")
            throw ExitStatus.usage
        }
    }
}
