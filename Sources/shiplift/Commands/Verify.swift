import APIModel
import ArgumentParser
import Foundation
import HTTPTransport
import Logging
import OCI
import PolicyEngine
import PromotionCore
import Registry
import Transfer
import Trust

/// `shiplift keys`
struct Keys: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys",
        abstract: "Prints the public keys that promotions are signed for with.", discussion: "Example:\n  shiplift keys > shiplift.pub")
    @OptionGroup var service: ServiceOptions

    func run() async throws {
        let keys: KeysResource = try await service.client().get("/v1/keys", query: [])
        if service.isJSON { return try Output.json(keys) }
        for key in keys.keys { Output.line(key.publicKey.trimmingCharacters(in: .whitespacesAndNewlines)) }
    }
}

/// `shiplift verify`
struct Verify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Checks with a public key alone that Shiplift promoted an image.",
        discussion: """
            Asks the image's registry and nobody else. Credentials are those of 'docker login'. Exit status 0: it was promoted there. 3: no \
            statement says so that the key has signed. 4: the registry can't be asked.

            Example:
              shiplift verify registry.example.com/prod/shop/api@sha256:4f5e… --key shiplift.pub --to production
            """)
    @Argument(help: "REGISTRY/REPOSITORY@DIGEST")
    var image: String
    @Option(help: "A file that holds the public key in PEM ('shiplift keys').")
    var key: String
    @Option(help: "The environment that it must have been promoted to; any where it is not given.")
    var to: String?
    @Option(help: "REGISTRY/REPOSITORY as the statement names it, where the registry has another name here.")
    var promotedAs: String?
    @Flag(help: "The registry speaks HTTP without TLS.")
    var plainHTTP = false
    @Option(help: "A file with the certificates that the registry's is checked with.")
    var ca: String?

    func run() async throws {
        let target = try VerifiedImage(parsing: image)
        let environment = try to.map { text in
            guard let name = EnvironmentName(parsing: text) else { throw ConfigurationError(description: "'\(text)' is no environment name") }
            return name
        }
        let publicKey: PublicKey
        do { publicKey = try PublicKey(pem: String(contentsOfFile: key, encoding: .utf8)) } catch {
            throw ConfigurationError(description: "\(key) holds no public key: \(error)")
        }
        let http = try HTTPClient(logger: Logger(label: "shiplift"))
        let attached: [(evidence: OCI.Digest, bytes: Data)]
        do { attached = try await bundles(of: target, http) } catch {
            await http.shutdown()
            throw error
        }
        await http.shutdown()
        try await report(target, attached, publicKey, environment)
    }

    private func report(_ target: VerifiedImage, _ attached: [(evidence: OCI.Digest, bytes: Data)], _ key: PublicKey, _ environment: EnvironmentName?) async throws {
        let verifier = SignatureVerifier(signers: [Signer(name: "shiplift", method: .key(key))])
        var refusals: [String] = []
        var promoted = false
        for (evidence, bytes) in attached {
            for verification in await verifier.verify(SignedAttachment(.bundle(bytes), evidence: evidence), about: target.digest, at: Date()) {
                do throws(TrustError) {
                    if let failure = verification.failure { throw failure }
                    guard case .statement(let statement) = verification.content, statement.kind == .verificationSummary else { continue }
                    let summary = try VerificationSummary(statement)
                    if let problem = refusal(of: summary, target, environment) {
                        refusals.append("\(evidence): \(problem)")
                    } else {
                        promoted = true
                        Output.line("promoted: \(summary.resource)\n  \(summary.levels.joined(separator: ", ")) at \(summary.timeVerified), \(summary.policy)")
                    }
                } catch { refusals.append("\(evidence): \(error)") }
            }
        }
        guard !promoted else { return }
        for refusal in refusals { Output.error(refusal) }
        Output.error("no statement signed by this key says that \(target.name)@\(target.digest) was promoted\(environment.map { " to \($0)" } ?? "")")
        throw ExitStatus.denied
    }

    private func refusal(of summary: VerificationSummary, _ target: VerifiedImage, _ environment: EnvironmentName?) -> String? {
        let expected = "\(promotedAs ?? target.name)@\(target.digest)"
        guard summary.hasPassed else { return "its result is not PASSED" }
        guard summary.resource == expected else { return "it is about \(summary.resource)" }
        if let environment, !summary.levels.contains(PromotionLevel.name(environment)) { return "it says \(summary.levels.joined(separator: ", "))" }
        return nil
    }

    private func bundles(of target: VerifiedImage, _ http: HTTPClient) async throws -> [(evidence: OCI.Digest, bytes: Data)] {
        let sites = RegistrySites(
            http: http, proxy: try OutgoingProxy(environment: ProcessInfo.processInfo.environment), logger: Logger(label: "shiplift"))
        let engine = CopyEngine(memory: ForgetfulMemory())
        var order = ClosureOrder(.all, knowledge: ReferrersKnowledge(), readsCosignTags: false)
        order.limits.depth = 1
        let site = try sites.site(target.repository, in: try target.registry(plainHTTP: plainHTTP, ca: ca))
        let closure: TrustClosure
        do { closure = try await engine.closure(of: target.digest, at: site, options: CopyOptions(closure: order)) } catch {
            throw ClientError.unreachable("\(error)")
        }
        var found: [(evidence: OCI.Digest, bytes: Data)] = []
        for referrer in closure.referrers where referrer.subject == target.digest {
            for case .signed(let layer, .bundle) in AttachedLayer.all(of: referrer.manifest) where layer.size <= 1 << 20 {
                let bytes = try await site.client.blob(site.repository, layer.digest, limit: Int(layer.size))
                found.append((referrer.manifest.digest, bytes))
            }
        }
        return found
    }
}

/// An image by digest, with its registry.
struct VerifiedImage {
    let host: String
    let repository: ImageName
    let digest: OCI.Digest
    var name: String { "\(host)/\(repository)" }

    init(parsing text: String) throws {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, let slash = parts[0].firstIndex(of: "/") else {
            throw ConfigurationError(description: "'\(text)' is not REGISTRY/REPOSITORY@DIGEST: a tag may name something else tomorrow")
        }
        host = String(parts[0][..<slash])
        do {
            repository = try ImageName(parsing: String(parts[0][parts[0].index(after: slash)...]))
            digest = try Digest(parsing: parts[1])
        } catch { throw ConfigurationError(description: "'\(text)' is not REGISTRY/REPOSITORY@DIGEST: \(error)") }
        guard !host.isEmpty, host.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || ".-:[]".contains($0)) }) else {
            throw ConfigurationError(description: "'\(host)' is no registry")
        }
    }

    /// The registry as an environments file would define it.
    func registry(plainHTTP: Bool, ca: String?) throws -> RegistryDefinition {
        let docker = FileManager.default.fileExists(atPath: NSHomeDirectory() + "/.docker/config.json")
        let tls = try ca.map { path in
            let quoted = String(decoding: try JSONEncoder().encode(path), as: UTF8.self)
            return ", tls: { ca: \(quoted) }"
        }
        let text = """
            version: 1
            kind: Environments
            environments:
              - name: there
                registries: [{ name: "\(host)", url: "\(plainHTTP ? "http" : "https")://\(host)", repository: "{image}", plainHTTP: \(plainHTTP), \
            credentials: \(docker ? "dockerConfig" : "anonymous")\(tls ?? "") }]
            """
        do throws(PolicyLoadError) {
            guard let found = try PolicySet(files: [PolicyFile(path: "command.yaml", text: text)], commit: nil).environments.first?.registries.first else {
                throw PolicyLoadError(diagnostics: [])
            }
            return found
        } catch { throw ConfigurationError(description: "the registry '\(host)' can't be used: \(error)") }
    }
}
