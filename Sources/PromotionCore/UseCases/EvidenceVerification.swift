import Comparison
import Foundation
import OCI
import PolicyEngine
import Trust

/// Turns what hangs on an artifact into facts: who signed it, where it was built, what is in it, what scans found.
struct EvidenceVerification: Sendable {
    /// Facts about things that nobody trusted signed: they open nothing, they only help to explain.
    private static let maximumStrangers = 10
    private let verifier: SignatureVerifier
    private let now: Date

    init(signers: TrustedSigners, now: Date) {
        verifier = SignatureVerifier(signers: signers.signers)
        self.now = now
    }

    /// Fills what policy asks for: an empty list says that somebody looked and found none.
    func fill(_ facts: inout PromotionFacts, from attached: AttachedEvidence, _ needs: FactNeeds) async {
        var found = Found()
        for signed in attached.signed {
            for verification in await verifier.verify(signed.attachment, about: signed.subject, at: now) { found.take(verification, signed.subject) }
        }
        if needs.signatures { facts.signatures = Self.joined(facts.signatures, found.signatures + found.strangers.prefix(Self.maximumStrangers)) }
        if needs.provenance { facts.provenance = Self.joined(facts.provenance, found.provenance) }
        if needs.sboms { facts.sboms = Self.joined(facts.sboms, found.sboms + attached.sboms) }
        if needs.scans { facts.scans = Self.joined(facts.scans, found.scans) }
    }

    /// Two registries may have the same.
    private static func joined<Fact: Hashable>(_ known: [Fact]?, _ found: [Fact]) -> [Fact] {
        var seen = Set(known ?? [])
        return (known ?? []) + found.filter { seen.insert($0).inserted }
    }

    /// What attestations by trusted signers say is in an image: for people, who see what policy sees.
    func contents(of attached: [AttachedEvidence.Signed]) async -> (scans: [ScanFact], boms: [BillOfMaterials], remarks: [String]) {
        var found = Found()
        var (boms, remarks): ([BillOfMaterials], [String]) = ([], [])
        for signed in attached {
            for verification in await verifier.verify(signed.attachment, about: signed.subject, at: now) {
                found.take(verification, signed.subject)
                guard let signer = verification.signer, case .statement(let statement) = verification.content, [.spdx, .cyclonedx].contains(statement.kind) else { continue }
                do throws(BillOfMaterialsError) {
                    boms.append(try BillOfMaterials(parsing: statement.predicate, about: signed.subject, origin: .signed(by: signer)))
                } catch { remarks.append("the bill of materials that \(signer) signed can't be read: \(error)") }
            }
        }
        return (found.scans, boms, remarks)
    }

    private struct Found {
        var signatures: [SignatureFact] = []
        var strangers: [SignatureFact] = []
        var provenance: [ProvenanceFact] = []
        var sboms: [SBOMFact] = []
        var scans: [ScanFact] = []

        mutating func take(_ verification: Verification, _ subject: Digest) {
            if let signer = verification.signer {
                switch verification.content {
                case .signature: signatures.append(signature(verification, signer, subject))
                case .statement(let statement): take(statement, verification, signer, subject)
                case .unverified(let claim): refuse(claim, verification, signer, subject)
                }
            } else if case .unverified(let claim) = verification.content, claim == nil || claim == .imageSignature {
                strangers.append(signature(verification, "", subject))
            }
        }

        private func signature(_ verification: Verification, _ signer: String, _ subject: Digest) -> SignatureFact {
            SignatureFact(
                signer: signer, identity: verification.identity, digest: subject, failure: verification.failure?.description, evidence: verification.evidence)
        }

        /// The type counts only now that the signature verifies (CVE-2022-35929: any attestation passed for any other).
        private mutating func take(_ statement: InTotoStatement, _ verification: Verification, _ signer: String, _ subject: Digest) {
            switch statement.kind {
            case .provenance:
                do throws(TrustError) {
                    let said = try statement.provenance()
                    provenance.append(
                        ProvenanceFact(
                            signer: signer, digest: subject, builder: said.builder, source: said.source, ref: said.ref, workflow: said.workflow,
                            evidence: verification.evidence))
                } catch { provenance.append(unusable(error, verification, signer, subject)) }
            case .spdx: sboms.append(SBOMFact(format: .spdx, digest: subject, signer: signer, evidence: verification.evidence))
            case .cyclonedx: sboms.append(SBOMFact(format: .cyclonedx, digest: subject, signer: signer, evidence: verification.evidence))
            case .vulnerabilities:
                // A report that can't be read is as good as none.
                guard let report = scan(statement), let time = report.completedAt else { return }
                scans.append(
                    ScanFact(
                        scanner: report.scanner ?? "unknown", digest: subject, completedAt: time, findings: report.findings, signer: signer,
                        evidence: verification.evidence))
            case .imageSignature, .verificationSummary, .other: break
            }
        }

        private func scan(_ statement: InTotoStatement) -> ScanReport? {
            do { return try ScanReport(parsing: statement.predicate) } catch { return nil }
        }

        /// What says to be by somebody trusted and does not verify, told where it claims to belong.
        private mutating func refuse(_ claim: PredicateType?, _ verification: Verification, _ signer: String, _ subject: Digest) {
            switch claim {
            case .imageSignature, nil: signatures.append(signature(verification, signer, subject))
            case .provenance: provenance.append(unusable(verification.failure, verification, signer, subject))
            default: break
            }
        }

        private func unusable(_ error: TrustError?, _ verification: Verification, _ signer: String, _ subject: Digest) -> ProvenanceFact {
            ProvenanceFact(
                signer: signer, digest: subject, builder: "", failure: error?.description ?? "it does not verify", evidence: verification.evidence)
        }
    }
}
