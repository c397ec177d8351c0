import Foundation
import OCI
import Yams

/// Something that a pipeline posted about the digest: the newest of its kind counts.
struct EvidenceGate: Gate {
    static let kind = "evidence"
    let kind: String
    let result: TextPattern
    let maximumAge: PolicyDuration?
    /// Groups, ids and signers; anybody's counts where it is empty.
    let by: [String]
    let missing: MissingEvidence

    init?(_ node: Node, _ reader: inout YAMLReader) {
        guard let members = reader.members(node, of: "evidence", allowed: ["kind", "result", "maxAge", "by", "missing"]) else { return nil }
        maximumAge = members["maxAge"].flatMap { reader.duration($0, "maxAge", in: node) }
        by = reader.sources(members["by"], "by")
        missing = members["missing"].flatMap { reader.choice($0, "missing", MissingEvidence.self) } ?? .wait
        guard let kind = reader.required(members["kind"], "kind", in: node, "add 'kind: integration-tests'").flatMap({ reader.string($0, "kind") }),
            let result = members["result"].map({ reader.pattern($0, "result") }) ?? reader.passed
        else { return nil }
        self.kind = kind
        self.result = result
    }

    var name: String { "evidence \(kind)" }

    var text: String {
        "evidence \(kind) with the result '\(result)'\(maximumAge.map { ", not older than \($0)" } ?? "")"
            + "\(by.isEmpty ? "" : ", by \(by.joined(separator: ", "))")"
    }

    var people: [String] { by }

    var wish: GateWish? { .evidence(kind: kind, result: result.description, by: by) }

    private var needed: String { "post \(kind) with the result '\(result)'\(by.isEmpty ? "" : " as \(by.joined(separator: ", "))")" }

    func add(to needs: inout FactNeeds) {
        needs.evidence.insert(kind)
        if !by.isEmpty { needs.identities = true }
    }

    func judge(_ context: GateContext) -> Verdict {
        guard let all = context.facts.evidence else { return .missing("no \(kind) is known for \(context.artifact); \(needed)", missing) }
        var about = 0
        var found: EvidenceFact?
        for fact in all where fact.kind == kind && context.subject.contains(fact.digest) {
            about += 1
            guard context.counts(by, signer: fact.signer, postedBy: fact.postedBy) else { continue }
            if let best = found, (fact.recordedAt, fact.result) <= (best.recordedAt, best.result) { continue }
            found = fact
        }
        guard let found else {
            let others = about == 0 ? "" : " by somebody who counts"
            return Verdict(outcome: missing == .deny ? .deny : .wait, reason: "no \(kind)\(others) is known for \(context.artifact); \(needed)")
        }
        let age = context.now.timeIntervalSince(found.recordedAt)
        let seen = "\(kind) said '\(found.result.excerpt)' \(PolicyDuration.text(age)) ago"
        let evidence = [found.evidence].compactMap(\.self)
        guard result.matches(found.result) else { return .deny("\(seen); \(needed)", evidence: evidence) }
        if let maximumAge, age > Double(maximumAge.seconds) {
            return Verdict(
                outcome: missing == .deny ? .deny : .wait, reason: "\(seen), and at most \(maximumAge) is allowed; \(needed)", evidence: evidence)
        }
        return .allow(seen, evidence: evidence)
    }
}

/// A bill of materials that hangs on the artifact.
struct SBOMGate: Gate {
    static let kind = "sbom"
    let formats: [SBOMFact.Format]
    /// Signers; an unsigned one counts where it is empty.
    let by: [String]
    let missing: MissingEvidence

    init?(_ node: Node, _ reader: inout YAMLReader) {
        guard let members = reader.members(node, of: "sbom", allowed: ["formats", "by", "missing"]) else { return nil }
        var formats: [SBOMFact.Format] = []
        for item in members["formats"].map({ reader.list($0, "formats") }) ?? [] {
            if let format = reader.choice(item, "formats", SBOMFact.Format.self) { formats.append(format) }
        }
        self.formats = formats.isEmpty ? SBOMFact.Format.allCases : formats
        by = reader.signers(members["by"], "by")
        missing = members["missing"].flatMap { reader.choice($0, "missing", MissingEvidence.self) } ?? .wait
    }

    var people: [String] { by }

    private var needed: String { "attach one (\(names))\(by.isEmpty ? "" : " signed by \(by.joined(separator: ", "))")" }

    private var names: String { formats.map(\.rawValue).joined(separator: " or ") }

    var text: String { "an SBOM (\(names))\(by.isEmpty ? "" : " signed by \(by.joined(separator: ", "))")" }

    func add(to needs: inout FactNeeds) { needs.sboms = true }

    func judge(_ context: GateContext) -> Verdict {
        guard let all = context.facts.sboms else { return .missing("no SBOM is known for \(context.artifact); \(needed)", missing) }
        let found = all.filter { sbom in formats.contains(sbom.format) && (by.isEmpty || sbom.signer.map { by.contains($0) } == true) }
        let uncovered = context.subject.uncovered(by: found.map(\.digest))
        guard uncovered == nil else { return .missing("no SBOM is known for \(uncovered ?? ""); \(needed)", missing) }
        let shown = formats.filter { format in found.contains { $0.format == format } }.map(\.rawValue)
        return .allow("SBOM: \(shown.joined(separator: ", "))", evidence: found.compactMap(\.evidence))
    }
}

/// Signatures by trusted signers.
struct SignatureGate: Gate {
    static let kind = "signatures"
    let by: [String]
    let count: Int
    let coverage: Coverage
    let missing: MissingEvidence

    enum Coverage: String, CaseIterable {
        case artifact
        case platforms = "artifact-and-platforms"
    }

    init?(_ node: Node, _ reader: inout YAMLReader) {
        guard let members = reader.members(node, of: "signatures", allowed: ["by", "count", "of", "missing"]) else { return nil }
        by =
            reader.required(members["by"], "by", in: node, "name the signers of the environments file under 'trust:'").map {
                reader.signers($0, "by")
            } ?? []
        count = members["count"].flatMap { reader.integer($0, "count", in: 1...20) } ?? 1
        coverage = members["of"].flatMap { reader.choice($0, "of", Coverage.self) } ?? .artifact
        // A registry that hides a signature must not look like one that is still to get it.
        missing = members["missing"].flatMap { reader.choice($0, "missing", MissingEvidence.self) } ?? .deny
        if count > by.count, !by.isEmpty {
            reader.report(node, "\(count) of \(by.count) signers can never sign", "name more signers, or lower count")
        }
    }

    var text: String { "signed by \(count == 1 && by.count == 1 ? by[0] : "\(count) of \(by.joined(separator: ", "))")" }

    var people: [String] { by }

    private var needed: String { "\(count) of \(by.joined(separator: ", ")) must sign it" }

    func add(to needs: inout FactNeeds) {
        needs.signatures = true
        if coverage == .platforms { needs.platforms = true }
    }

    func judge(_ context: GateContext) -> Verdict {
        guard let all = context.facts.signatures else { return .missing("no signature is known for \(context.artifact); \(needed)", missing) }
        let subject = context.subject
        let named = all.filter { by.contains($0.signer) && subject.contains($0.digest) }
        let relevant = named.filter { $0.failure == nil }
        // Whoever may write to the source repository can hang a broken signature on the image: it counts for nothing, and hinders nothing.
        let broken = BrokenEvidence.sentence(named.filter { $0.failure != nil }.map { ($0.signer, $0.failure) }, "signature")
        var signers: [String] = []
        var identities: [String] = []
        var partly: [String] = []
        for signer in by {
            let own = relevant.filter { $0.signer == signer }
            guard !own.isEmpty else { continue }
            let signed = own.map(\.digest)
            let uncovered = coverage == .artifact ? (signed.contains(subject.artifact) ? nil : context.artifact) : subject.uncoveredEverywhere(by: signed)
            if let uncovered {
                partly.append("\(signer) did not sign \(uncovered)")
                continue
            }
            // Two names for one key are one signer.
            let fresh = own.map(\.identity).filter { !identities.contains($0) }
            guard !fresh.isEmpty else { continue }
            identities += fresh
            signers.append(signer)
        }
        let evidence = relevant.compactMap(\.evidence)
        if signers.count >= count { return .allow("signed by \(signers.joined(separator: ", "))\(broken.map { "; \($0)" } ?? "")", evidence: evidence) }
        let strange = all.first { $0.signer.isEmpty && subject.contains($0.digest) }
        let none = strange.map { "no signature that counts is known for \(context.artifact): \(($0.failure ?? "").excerpt)" }
        let seen = signers.isEmpty ? none ?? "no signature is known for \(context.artifact)" : "signed by \(signers.joined(separator: ", ")) alone"
        return .missing(([seen] + partly + [broken, needed].compactMap(\.self)).joined(separator: "; "), missing)
    }
}

/// What is said of evidence that claims to be by somebody who counts, and does not verify.
enum BrokenEvidence {
    static func sentence(_ broken: [(signer: String, failure: String?)], _ what: String) -> String? {
        guard let first = broken.first else { return nil }
        let more = broken.count > 1 ? ", nor do \(broken.count - 1) more" : ""
        return "a \(what) that says to be of \(first.signer) does not verify and is not counted: \((first.failure ?? "").excerpt)\(more)"
    }
}
