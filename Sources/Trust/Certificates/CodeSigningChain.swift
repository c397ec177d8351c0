import Foundation
import SwiftASN1
@_spi(FixedExpiryValidationTime) import X509

/// A certificate for signing code, with the chain to a pinned root, as it was valid at one time.
enum CodeSigningChain {
    /// Leaf, intermediates and root.
    static let maximumLength = 6

    /// Builds and checks the chain. Nothing is fetched, whatever the certificates name.
    ///
    /// - Returns: the leaf first, the root last.
    static func validate(
        _ leaf: Certificate, intermediates: [Certificate], roots: [Certificate], at time: Date
    ) async throws(TrustError) -> [Certificate] {
        guard !roots.isEmpty else { throw .certificate(reason: "no root is pinned") }
        guard intermediates.count < maximumLength else { throw .tooLarge("the certificate chain", limit: maximumLength) }
        let understood = CodeSigningPolicy.extensions + RFC5280Policy(fixedExpiryValidationTime: time).verifyingCriticalExtensions
        if let unknown = leaf.extensions.first(where: { $0.critical && !understood.contains($0.oid) }) {
            throw .certificate(reason: "it has the critical extension \(unknown.oid), which is not understood")
        }
        var verifier = Verifier(rootCertificates: CertificateStore(roots)) {
            CodeSigningPolicy(time: time)
            RFC5280Policy(fixedExpiryValidationTime: time)
        }
        switch await verifier.validate(leaf: leaf, intermediates: CertificateStore(intermediates)) {
        case .validCertificate(let chain): return Array(chain)
        case .couldNotValidate(let failures):
            throw .certificate(reason: failures.first.map { "\($0.policyFailureReason)".excerpt } ?? "no chain leads from it to a pinned root")
        }
    }
}

/// What swift-certificates leaves to us: key usages, version 3 throughout, a leaf that is none of the roots, the length.
private struct CodeSigningPolicy: VerifierPolicy {
    static let extensions: [ASN1ObjectIdentifier] = [.X509ExtensionID.subjectAlternativeName, .X509ExtensionID.extendedKeyUsage]
    let verifyingCriticalExtensions = Self.extensions
    let time: Date

    func chainMeetsPolicyRequirements(chain: UnverifiedCertificateChain) -> PolicyEvaluationResult {
        guard let problem = problem(in: chain) else { return .meetsPolicy }
        return .failsToMeetPolicy(reason: problem)
    }

    private func problem(in chain: UnverifiedCertificateChain) -> String? {
        guard chain.count >= 2 else { return "it is itself a root, or signed by itself" }
        guard chain.count <= CodeSigningChain.maximumLength else { return "its chain is longer than \(CodeSigningChain.maximumLength)" }
        for (place, certificate) in chain.enumerated() {
            let name = place == 0 ? "it" : "its issuer '\("\(certificate.subject)".excerpt)'"
            guard certificate.version == .v3 else { return "\(name) is not of version 3" }
            guard certificate.notValidBefore <= time, time <= certificate.notValidAfter else {
                let span = "\(certificate.notValidBefore.ISO8601Format()) to \(certificate.notValidAfter.ISO8601Format())"
                return "\(name) is valid from \(span), not at \(time.ISO8601Format())"
            }
            do {
                if let problem = place == 0 ? try problem(inLeaf: certificate) : try problem(inIssuer: certificate, place, name) { return problem }
            } catch { return "\(name) has a damaged extension" }
        }
        return nil
    }

    private func problem(inLeaf leaf: Certificate) throws -> String? {
        if case .isCertificateAuthority = try leaf.extensions.basicConstraints { return "it belongs to an authority, which signs no images" }
        guard try leaf.extensions.keyUsage?.digitalSignature == true else { return "its key may not make signatures (keyUsage)" }
        guard try leaf.extensions.extendedKeyUsage?.contains(.codeSigning) == true else { return "its key is not for signing code (extendedKeyUsage)" }
        return nil
    }

    private func problem(inIssuer issuer: Certificate, _ place: Int, _ name: String) throws -> String? {
        guard case .isCertificateAuthority(let pathLength) = try issuer.extensions.basicConstraints else { return "\(name) is no authority" }
        if let pathLength, pathLength < place - 1 { return "\(name) allows \(pathLength) authorities below itself, and there are \(place - 1)" }
        if let usage = try issuer.extensions.keyUsage, !usage.keyCertSign { return "\(name) may not issue certificates (keyUsage)" }
        if let usages = try issuer.extensions.extendedKeyUsage, !usages.contains(.codeSigning), !usages.contains(.any) {
            return "\(name) may not issue certificates for signing code (extendedKeyUsage)"
        }
        return nil
    }
}
