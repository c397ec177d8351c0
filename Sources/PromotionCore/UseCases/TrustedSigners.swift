import Foundation
public import PolicyEngine
import Synchronization
import Trust

/// The signers of a policy with what their signatures are checked with: keys, trust roots and certificates, read and parsed.
public struct TrustedSigners: Sendable {
    let signers: [Signer]

    /// Reads all signers. All mistakes are reported together, each where the signer is named.
    public init(_ policies: PolicySet) throws(PolicyLoadError) {
        var signers: [Signer] = []
        var diagnostics: [PolicyDiagnostic] = []
        for signer in policies.signers.values.sorted(by: { $0.name < $1.name }) {
            do throws(SignerMistake) { signers.append(try Self.signer(signer, policies)) } catch {
                diagnostics.append(
                    PolicyDiagnostic(file: signer.source.file, line: signer.source.line, column: 1, problem: "signer '\(signer.name)': \(error.problem)", remedy: error.remedy))
            }
        }
        guard diagnostics.isEmpty else { throw PolicyLoadError(diagnostics: diagnostics) }
        self.signers = signers
    }

    /// Of a policy that was checked when it was put in force.
    init(for policies: PolicySet) throws(PromotionFailure) {
        do { try self.init(policies) } catch { throw PromotionFailure(.configuration, error.description) }
    }

    private struct SignerMistake: Error {
        let problem: String
        let remedy: String
    }

    private static func signer(_ signer: TrustedSigner, _ policies: PolicySet) throws(SignerMistake) -> Signer {
        let method: Signer.Method
        var root: TrustedRoot?
        switch signer.verification {
        case .key(let text):
            method = .key(try parsed { () throws(TrustError) in try PublicKey(pem: text) })
            root = try signer.root.map { file throws(SignerMistake) in try trustedRoot(file, policies) }
        case .keyFile(let file):
            let text = try text(file, policies)
            method = .key(try parsed { () throws(TrustError) in try PublicKey(pem: text) })
            root = try signer.root.map { file throws(SignerMistake) in try trustedRoot(file, policies) }
        case .keyless(let issuer, let subject):
            let pinned = try trustedRoot(signer.root ?? TrustedSigner.usualRoot, policies)
            method = .keyless(issuer: issuer, subject: pattern(subject), root: pinned)
        case .notation(let files, let subject):
            var texts: [String] = []
            for file in files { texts.append(try text(file, policies)) }
            method = .notation(subject: pattern(subject), store: try parsed { () throws(TrustError) in try TrustStore(pem: texts) })
        }
        return Signer(
            name: signer.name, method: method, repository: signer.repository.map(pattern), root: root, validFrom: signer.validFrom,
            validUntil: signer.validUntil)
    }

    private static func pattern(_ pattern: TextPattern) -> NamePattern { NamePattern("\(pattern)") { pattern.matches($0) } }

    private static func trustedRoot(_ file: String, _ policies: PolicySet) throws(SignerMistake) -> TrustedRoot {
        let text = try text(file, policies)
        return try parsed { () throws(TrustError) in try TrustedRoot(parsing: Data(text.utf8)) }
    }

    private static func text(_ file: String, _ policies: PolicySet) throws(SignerMistake) -> String {
        guard let found = policies.trustMaterial[file] else {
            throw SignerMistake(problem: "the file '\(file)' is not in the policy folder", remedy: "put it there; its name ends in .pub, .pem, .crt or .json")
        }
        return found.text
    }

    private static func parsed<Value>(_ body: () throws(TrustError) -> Value) throws(SignerMistake) -> Value {
        do { return try body() } catch { throw SignerMistake(problem: error.description, remedy: "put the right key or certificates in its place") }
    }
}

/// Keeps the signers of the policy that was used last: keys, certificates and trust roots are parsed once for each version.
final class ParsedSigners: Sendable {
    private let last = Mutex<(version: PolicyVersion, signers: TrustedSigners)?>(nil)

    func signers(of policies: PolicySet) throws(PromotionFailure) -> TrustedSigners {
        if let known = last.withLock({ $0?.version == policies.version ? $0?.signers : nil }) { return known }
        let parsed = try TrustedSigners(for: policies)
        last.withLock { $0 = (policies.version, parsed) }
        return parsed
    }
}
