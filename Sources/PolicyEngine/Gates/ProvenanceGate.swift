import OCI
import Yams

/// A claim that names the workflow which a token was given to. It is worth what its issuer is worth.
struct WorkflowClaim: Sendable, Hashable {
    let issuer: String
    let claim: String

    init?(_ node: Node, _ reader: inout YAMLReader) {
        guard let members = reader.members(node, of: "requester", allowed: ["issuer", "claim"]),
            let issuer = reader.required(members["issuer"], "issuer", in: node, "add the issuer of the pipelines' tokens").flatMap({
                reader.string($0, "issuer")
            }),
            let claim = reader.required(members["claim"], "claim", in: node, "add 'claim: workflow_ref'").flatMap({ reader.string($0, "claim") })
        else { return nil }
        self.issuer = issuer
        self.claim = claim
    }
}

/// Where the artifact was built, from what, and by whom: an attestation of provenance by a trusted signer.
struct ProvenanceGate: Gate {
    static let kind = "provenance"
    let by: [String]
    let builder: TextPattern?
    let source: TextPattern?
    let ref: TextPattern?
    let workflow: TextPattern?
    /// Who must ask: the workflow that built. One pipeline can't promote what another one made.
    let requester: WorkflowClaim?
    let missing: MissingEvidence

    init?(_ node: Node, _ reader: inout YAMLReader) {
        let keys = ["by", "builder", "source", "ref", "workflow", "requester", "missing"]
        guard let members = reader.members(node, of: "provenance", allowed: keys) else { return nil }
        by =
            reader.required(members["by"], "by", in: node, "name the signers of the environments file under 'trust:'").map {
                reader.signers($0, "by")
            } ?? []
        builder = members["builder"].flatMap { reader.pattern($0, "builder") }
        source = members["source"].flatMap { reader.pattern($0, "source") }
        ref = members["ref"].flatMap { reader.pattern($0, "ref") }
        workflow = members["workflow"].flatMap { reader.pattern($0, "workflow") }
        requester = members["requester"].flatMap { WorkflowClaim($0, &reader) }
        missing = members["missing"].flatMap { reader.choice($0, "missing", MissingEvidence.self) } ?? .deny
    }

    private var expected: [(what: String, pattern: TextPattern, value: (ProvenanceFact) -> String?)] {
        let all: [(String, TextPattern?, (ProvenanceFact) -> String?)] = [
            ("builder", builder, { $0.builder }), ("source", source, { $0.source }), ("ref", ref, { $0.ref }),
            ("workflow", workflow, { $0.workflow }),
        ]
        return all.compactMap { what, pattern, value in pattern.map { (what, $0, value) } }
    }

    var text: String {
        let parts =
            expected.map { "\($0.what) '\($0.pattern)'" }
            + (requester.map { ["asked for by the workflow that built it (claim \($0.claim) of \($0.issuer))"] } ?? [])
        return "provenance signed by \(by.joined(separator: ", "))\(parts.isEmpty ? "" : ": \(parts.joined(separator: ", "))")"
    }

    var people: [String] { by }

    func add(to needs: inout FactNeeds) {
        needs.provenance = true
        if requester != nil { needs.identities = true }
    }

    func judge(_ context: GateContext) -> Verdict {
        guard let all = context.facts.provenance else { return .missing("no provenance is known for \(context.artifact); \(needed)", missing) }
        let named = all.filter { by.contains($0.signer) && context.subject.contains($0.digest) }
        let relevant = named.filter { $0.failure == nil }
        let evidence = relevant.compactMap(\.evidence)
        // What does not verify can be hung on the image by anybody who may write there: it counts for nothing, and hinders nothing.
        let broken = BrokenEvidence.sentence(named.filter { $0.failure != nil }.map { ($0.signer, $0.failure) }, "provenance").map { "; \($0)" } ?? ""
        if let uncovered = context.subject.uncovered(by: relevant.map(\.digest)) {
            return .missing("no provenance is known for \(uncovered)\(broken); \(needed)", missing)
        }
        // Two that contradict each other are not better than one: each must be as it should.
        for fact in relevant {
            if let reason = refusal(of: fact, context) { return .deny(reason, evidence: evidence) }
        }
        return .allow(
            "built by \((relevant.first?.builder ?? "").excerpt)\(relevant.first?.source.map { " from \($0.excerpt)" } ?? "")\(broken)", evidence: evidence)
    }

    private var needed: String { "attach one signed by \(by.joined(separator: ", "))" }

    private func refusal(of fact: ProvenanceFact, _ context: GateContext) -> String? {
        for (what, pattern, value) in expected {
            guard let found = value(fact) else { return "the provenance names no \(what); it must match '\(pattern)'" }
            guard pattern.matches(found) else { return "the \(what) is '\(found.excerpt)', which does not match '\(pattern)'" }
        }
        guard let requester else { return nil }
        guard let workflow = fact.workflow else { return "the provenance names no workflow that could ask for this" }
        let claimed = context.requester.issuer == requester.issuer ? context.requester.claims[requester.claim, default: []] : []
        guard claimed != [workflow] else { return nil }
        let seen =
            claimed.isEmpty
            ? "has no claim \(requester.claim) of \(requester.issuer)" : "is \(claimed.map { "'\($0.excerpt)'" }.joined(separator: ", "))"
        return "built by the workflow '\(workflow.excerpt)', and \(context.requester.label) \(seen); who builds it must ask for it"
    }
}
