import APIModel
import ArgumentParser
import Foundation
import HTTPTransport
import OCI

extension PolicyCommand {
    /// `shiplift policy status`
    struct ShowStatus: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "status", abstract: "Shows which policy is in force, and why a newer one is not.",
            discussion: "Exit status 0: the newest edition is in force. 4: it is not, or can't be read.\n\nExample:\n  shiplift policy status")
        @OptionGroup var service: ServiceOptions

        func run() async throws {
            try PolicyStatusText.show(try await service.client().get("/v1/policies"), isJSON: service.isJSON)
        }
    }

    /// `shiplift policy refresh`
    struct Refresh: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "refresh",
            abstract: "Has the service look for a new edition of its policy files now.",
            discussion: "Needs an administrator's token. Exit status as of 'policy status'.\n\nExample:\n  shiplift policy refresh")
        @OptionGroup var service: ServiceOptions

        func run() async throws {
            let data = try await service.client().send(.post, "/v1/policies/refresh", timeout: .seconds(300))
            try PolicyStatusText.show(try APIJSON.decoder().decode(PolicyStatusResource.self, from: data), isJSON: service.isJSON)
        }
    }
}

/// The state of the policy in lines.
private enum PolicyStatusText {
    static func show(_ status: PolicyStatusResource, isJSON: Bool) throws {
        if isJSON { try Output.json(status) } else { show(status) }
        if status.refused != nil || status.unreachable != nil || status.version == nil { throw ExitStatus.failed }
    }

    private static func show(_ status: PolicyStatusResource) {
        let place = [status.source.location, status.source.branch.map { "branch \($0)" }, status.source.folder.map { "folder \($0)" }]
        Output.line("source     \(place.compactMap(\.self).joined(separator: ", "))")
        Output.line("in force   \(status.version ?? "none")\(status.since.map { ", since \(Output.time($0))" } ?? "")")
        if let commit = status.commit {
            Output.line("commit     \(commit.subject)")
            Output.line("author     \(commit.author), \(Output.time(commit.committedAt))")
            Output.line("signature  \(commit.signature.map { "\($0.signer), \($0.scheme) key \($0.key)" } ?? "not asked for")")
        }
        Output.line("policies   \(status.policies.joined(separator: ", "))")
        Output.line("checked    \(Output.time(status.checkedAt))")
        if let unreachable = status.unreachable { Output.line("unreachable since \(Output.time(unreachable.since)): \(unreachable.reason)") }
        guard let refused = status.refused else { return }
        Output.line("refused    \(refused.revision)\(refused.commit.map { ", \($0.author): \($0.subject)" } ?? ""), \(Output.time(refused.at))")
        for mistake in refused.mistakes { Output.line("    \(mistake.file):\(mistake.line):\(mistake.column): \(mistake.problem); \(mistake.remedy)") }
    }
}

/// The images that policies are checked against.
enum PolicyImages {
    /// Most images that are taken.
    private static let maximum = 10_000

    /// Reads names from a file, one a line; empty lines and those that begin with # do not count.
    static func read(_ path: String) throws -> [ImageName] {
        let text: String
        do { text = try String(contentsOfFile: path, encoding: .utf8) } catch { throw ValidationError("the file \(path) can't be read") }
        var images: [ImageName] = []
        for (number, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let name = line.trimmingCharacters(in: .whitespaces)
            guard !name.isEmpty, !name.hasPrefix("#") else { continue }
            guard images.count < maximum else { throw ValidationError("\(path) names more than \(maximum) images") }
            do { images.append(try ImageName(parsing: name)) } catch { throw ValidationError("\(path):\(number + 1): \(error)") }
        }
        return images
    }

    /// All that the service has seen.
    static func ask(_ client: APIClient) async throws -> [ImageName] {
        var images: [ImageName] = []
        var cursor: String?
        repeat {
            let page: PageResource<ImageResource> = try await client.get("/v1/images", query: [("limit", "1000"), ("cursor", cursor)])
            for item in page.items { images.append(try ImageName(parsing: item.image)) }
            cursor = page.next
        } while cursor != nil && images.count < maximum
        return images
    }
}
