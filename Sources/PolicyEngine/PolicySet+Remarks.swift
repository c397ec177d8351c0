public import Foundation
public import OCI

extension PolicySet {
    /// What is no mistake and still hardly meant: rules that reach nothing, names that nobody uses, exceptions whose time is over.
    ///
    /// - Parameter images: the images that there are; where they are given, also what matches none of them.
    public func remarks(at now: Date, images: [ImageName] = []) -> [PolicyDiagnostic] {
        let remarks = unreachable + unused + ended(now) + changeable + (images.isEmpty ? [] : unmatched(images) + replaced(images))
        return remarks.sorted { ($0.file, $0.line, $0.problem) < ($1.file, $1.line, $1.problem) }
    }

    /// Patterns that match none of the images.
    private func unmatched(_ images: [ImageName]) -> [PolicyDiagnostic] {
        let remedy = "mend the pattern, or remove it; \(images.count) images are known"
        var remarks: [PolicyDiagnostic] = []
        for policy in policies {
            for pattern in policy.images where !images.contains(where: { pattern.matches($0) }) {
                remarks.append(Self.remark(policy.source, "'\(pattern)' matches no image", remedy))
            }
            let included = images.filter { image in policy.images.contains { $0.matches(image) } }
            for pattern in policy.excludedImages where !included.isEmpty && !included.contains(where: { pattern.matches($0) }) {
                remarks.append(Self.remark(policy.source, "'!\(pattern)' excludes no image that the policy is about", remedy))
            }
            if !included.isEmpty, !images.contains(where: { policy.applies(to: $0) }) {
                remarks.append(Self.remark(policy.source, "policy '\(policy.name)' excludes every image that it names", "narrow what it excludes"))
            }
            for rule in policy.gates + policy.defaults {
                for finding in rule.condition.acceptedFindings {
                    for pattern in finding.images where !images.contains(where: { pattern.matches($0) && policy.applies(to: $0) }) {
                        remarks.append(Self.remark(rule.source, "\(finding.id) is accepted for '\(pattern)', which is no image of the policy", remedy))
                    }
                }
            }
        }
        return remarks
    }

    /// Defaults that never count: for every image and step of theirs, a more specific policy has one of the same name.
    private func replaced(_ images: [ImageName]) -> [PolicyDiagnostic] {
        let steps = Set(policies.compactMap { policy in policy.from.flatMap { from in policy.to.map { Step(from: from, to: $0) } } })
        var counting: Set<String> = []
        var asked: Set<String> = []
        for image in images {
            for step in steps {
                let applicable = policies(for: image, from: step.from, to: step.to)
                let selection = RuleSelection(applicable, for: image)
                for policy in applicable {
                    for rule in policy.defaults {
                        asked.insert("\(rule.place) \(rule.name)")
                        if selection.replacing(default: rule.name, of: policy.name).isEmpty { counting.insert("\(rule.place) \(rule.name)") }
                    }
                }
            }
        }
        let never = asked.subtracting(counting)
        return policies.flatMap { policy in policy.defaults.map { (policy, $0) } }.filter { never.contains("\($1.place) \($1.name)") }.map {
            Self.remark($1.source, "the default '\($1.name)' of '\($0.name)' never counts", "policies for fewer images have one of that name for every image")
        }
    }

    private struct Step: Hashable {
        let from: EnvironmentName
        let to: EnvironmentName
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
        let asked = policies.reduce(into: FactNeeds()) { needs, policy in
            for rule in policy.gates + policy.defaults { rule.condition.add(to: &needs) }
        }
        let idle = checks.values.filter { !asked.checks.contains($0.name) }.map {
            Self.remark($0.source, "check '\($0.name)' is named by no policy", "use it or remove it")
        }
        return idle
            + places.filter { !used.contains($0.1) }.map { kind, name, source in
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

    /// Rules that know their bearers by names alone, where the issuer has ids; and issuers that no rule is about.
    private var changeable: [PolicyDiagnostic] {
        var remarks: [PolicyDiagnostic] = []
        for issuer in identities.issuers {
            let rules = identities.rules.filter { $0.issuer == issuer.name }
            if rules.isEmpty { remarks.append(Self.remark(issuer.source, "issuer '\(issuer.name)' has no rule: its tokens give no right", "add a rule, or remove it")) }
            let ids = issuer.preset.stableClaims
            for rule in rules where !ids.isEmpty && !ids.contains(where: { rule.claims[$0] != nil }) {
                remarks.append(
                    Self.remark(
                        rule.source, "rule '\(rule.name)' knows its bearers by names, which can change hands", "add a claim that can't: \(ids.joined(separator: " or "))"))
            }
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

    /// Claims of requesters that gates compare.
    var requesterClaims: [String] { leaves.compactMap { ($0 as? ProvenanceGate)?.requester?.claim } }

    /// Groups and signers that it names.
    var names: [String] { leaves.flatMap(\.people) }

    var acceptedFindings: [AcceptedFinding] { leaves.flatMap { ($0 as? VulnerabilityGate)?.accepted ?? [] } }
}
