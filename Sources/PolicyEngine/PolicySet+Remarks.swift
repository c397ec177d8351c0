public import Foundation

extension PolicySet {
    /// What is no mistake and still hardly meant: rules that reach nothing, names that nobody uses, exceptions whose time is over.
    public func remarks(at now: Date) -> [PolicyDiagnostic] {
        (unreachable + unused + ended(now)).sorted { ($0.file, $0.line, $0.problem) < ($1.file, $1.line, $1.problem) }
    }

    private var unreachable: [PolicyDiagnostic] {
        var remarks: [PolicyDiagnostic] = []
        let opening = policies.filter(\.opensStep)
        for environment in environments.dropFirst() where !opening.contains(where: { $0.to == environment.name }) {
            remarks.append(
                Self.remark(
                    environment.source, "nothing can be promoted to '\(environment.name)'", "add a policy whose match names it as 'to', and a 'from'")
            )
        }
        for policy in policies where !policy.opensStep {
            let reaches = opening.contains { ($0.from == policy.from || policy.from == nil) && ($0.to == policy.to || policy.to == nil) }
            if !reaches {
                remarks.append(
                    Self.remark(
                        policy.source, "policy '\(policy.name)' adds to steps that no policy opens",
                        "name both ends of the step, or add a policy that does"))
            }
        }
        for policy in policies {
            for pattern in policy.excludedImages where policy.images.allSatisfy({ $0.specificity == .max && !pattern.matches(theOnlyImageOf: $0) }) {
                remarks.append(
                    Self.remark(policy.source, "'!\(pattern)' excludes nothing", "no image pattern of the policy takes in what it excludes"))
            }
        }
        return remarks
    }

    private var unused: [PolicyDiagnostic] {
        let used = Set(policies.flatMap { policy in (policy.gates + policy.defaults).flatMap { $0.condition.names } + (policy.overrides?.by ?? []) })
        let places = groups.map { ("group", $0.key, $0.value.source) } + signers.map { ("signer", $0.key, $0.value.source) }
        return places.filter { !used.contains($0.1) }.map { kind, name, source in
            Self.remark(source, "\(kind) '\(name)' is named by no policy", "use it or remove it")
        }
    }

    private func ended(_ now: Date) -> [PolicyDiagnostic] {
        var remarks: [PolicyDiagnostic] = []
        for policy in policies {
            for rule in policy.gates + policy.defaults {
                for finding in rule.condition.acceptedFindings where finding.end <= now {
                    remarks.append(
                        Self.remark(
                            rule.source, "\(finding.id) was accepted until \(finding.until), which is over",
                            "remove the exception, or decide anew until when"))
                }
            }
        }
        for signer in signers.values {
            guard let end = signer.validUntil, end <= now else { continue }
            remarks.append(
                Self.remark(
                    signer.source, "signatures of '\(signer.name)' no longer count since \(Timestamp.text(end))",
                    "add the new key, and remove this one"))
        }
        return remarks
    }

    private static func remark(_ source: SourceLocation, _ problem: String, _ remedy: String) -> PolicyDiagnostic {
        PolicyDiagnostic(file: source.file, line: source.line, column: 1, problem: problem, remedy: remedy)
    }
}

extension GateCondition {
    /// The gates in it, however deep.
    private var leaves: [any Gate] {
        switch self {
        case .gate(let gate): [gate]
        case .all(let conditions), .any(let conditions): conditions.flatMap(\.leaves)
        case .not(let condition): condition.leaves
        }
    }

    /// Groups and signers that it names.
    var names: [String] { leaves.flatMap(\.people) }

    var acceptedFindings: [AcceptedFinding] { leaves.flatMap { ($0 as? VulnerabilityGate)?.accepted ?? [] } }
}
