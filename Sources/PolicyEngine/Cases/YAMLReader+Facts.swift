import Foundation
import OCI
import Yams

extension YAMLReader {
    static let factKeys = [
        "image", "from", "to", "digest", "tag", "targetTags", "requester", "mediaType", "artifactType", "platforms", "labels", "user", "annotations",
        "size",
        "created", "presentInSource", "currentTags", "presence", "firstSeen", "signatures", "provenance", "sboms", "scans", "evidence", "approvals",
        "recentPromotions", "checks",
        "override", "policyAuthor",
    ]

    /// Reads what a case gives. What it leaves out is as a plain image would have it; optional facts that are left out are not known.
    mutating func facts(_ members: [String: Node], in place: Node, now: Date) -> PromotionFacts? {
        let image = required(members["image"], "image", in: place, "add 'image: shop/api'").flatMap { imageName($0) }
        let from = required(members["from"], "from", in: place, "add 'from: staging'").flatMap { environmentName($0, "from") }
        let to = required(members["to"], "to", in: place, "add 'to: production'").flatMap { environmentName($0, "to") }
        let requester = members["requester"].flatMap { identity($0, "requester") } ?? Identity(id: "token:somebody")
        guard let image, let from, let to else { return nil }
        let digest = members["digest"].flatMap { self.digest($0, same: nil) } ?? Digest(hashing: Data("the artifact".utf8))
        var facts = PromotionFacts(
            image: image, from: from, to: to, digest: digest, tag: members["tag"].flatMap { optional($0, { $0.tag($1, "tag") }) },
            requestedTargetTags: members["targetTags"].map { tags($0, "targetTags") } ?? [], requester: requester.id,
            mediaType: members["mediaType"].flatMap { string($0, "mediaType") }.map { MediaType($0) } ?? .ociIndex,
            artifactType: members["artifactType"].flatMap { string($0, "artifactType") }, platforms: platformFacts(members),
            annotations: members["annotations"].map { texts($0, "annotations") } ?? [:],
            sizeBytes: members["size"].flatMap { size($0, "size", in: place) }?.bytes ?? 1,
            created: members["created"].flatMap { optional($0, { $0.time($1, "created", now: now) }) }.map { Timestamp.text($0) },
            presentInSource: members["presentInSource"].flatMap { bool($0, "presentInSource") } ?? true,
            targetTags: currentTags(members["currentTags"], digest))
        facts.requesterIdentity = requester
        addHistory(members, to: &facts, now: now)
        addEvidence(members, to: &facts, now: now)
        return facts
    }

    /// `unknown` stands for a fact that nobody collected.
    private mutating func optional<Value>(_ node: Node, _ read: (inout YAMLReader, Node) -> Value?) -> Value? {
        node.scalar?.string == "unknown" ? nil : read(&self, node)
    }

    private mutating func items<Value>(_ node: Node?, _ what: String, _ read: (inout YAMLReader, Node) -> Value?) -> [Value]? {
        guard let node, node.scalar?.string != "unknown" else { return nil }
        if case .sequence(let items) = node, items.isEmpty { return [] }
        return list(node, what).compactMap { read(&self, $0) }
    }

    private mutating func imageName(_ node: Node) -> ImageName? {
        guard let text = string(node, "image") else { return nil }
        do throws(NameError) { return try ImageName(parsing: text) } catch {
            report(node, "\(error)", "write an image such as shop/api")
            return nil
        }
    }

    /// A digest, `same` for the artifact's, or any other word for a digest of its own.
    private mutating func digest(_ node: Node, same: Digest?) -> Digest? {
        guard let text = string(node, "digest") else { return nil }
        if let same, text == "same" { return same }
        guard text.contains(":") else { return Digest(hashing: Data(text.utf8)) }
        do throws(DigestError) { return try Digest(parsing: text) } catch {
            report(node, "\(error)", "write a digest, 'same', or any word for one of its own")
            return nil
        }
    }

    private mutating func texts(_ node: Node, _ what: String) -> [String: String] {
        guard case .mapping(let mapping) = node else {
            report(node, "\(what) must be a mapping", "write 'name: value' lines")
            return [:]
        }
        var texts: [String: String] = [:]
        for (key, value) in mapping {
            guard let name = string(key, "a name"), case .scalar(let scalar) = value else { continue }
            texts[name] = scalar.string
        }
        return texts
    }

    private mutating func platformFacts(_ members: [String: Node]) -> [PlatformFacts] {
        let labels = members["labels"].map { texts($0, "labels") } ?? [:]
        let user = members["user"].flatMap { $0.scalar?.string }
        guard let node = members["platforms"] else {
            return [PlatformFacts(platform: Platform(os: "linux", architecture: "amd64"), labels: labels, user: user)]
        }
        return items(node, "platforms") { reader, item -> PlatformFacts? in
            let own =
                item.mapping == nil
                ? ["platform": item] : reader.members(item, of: "a platform", allowed: ["platform", "labels", "user", "digest"]) ?? [:]
            guard let nameNode = reader.required(own["platform"], "platform", in: item, "add 'platform: linux/amd64'"),
                let text = reader.string(nameNode, "platform"), let platform = Platform(parsing: text)
            else {
                if own["platform"]?.scalar != nil { reader.report(item, "this is no platform", "write os/architecture, for example linux/amd64") }
                return nil
            }
            return PlatformFacts(
                platform: platform, labels: own["labels"].map { reader.texts($0, "labels") } ?? labels, user: own["user"]?.scalar?.string ?? user,
                digest: own["digest"].flatMap { reader.digest($0, same: nil) })
        } ?? []
    }

    private mutating func currentTags(_ node: Node?, _ same: Digest) -> [CurrentTag] {
        guard let node else { return [] }
        guard case .mapping(let mapping) = node else {
            report(node, "currentTags must be a mapping", "write 'stable: other' lines: a tag, and 'same' or the digest that it names")
            return []
        }
        var tags: [CurrentTag] = []
        for (key, value) in mapping {
            guard let tag = tag(key, "a tag"), let digest = digest(value, same: same) else { continue }
            tags.append(CurrentTag(tag: tag, digest: digest))
        }
        return tags
    }

    mutating func identity(_ node: Node, _ what: String) -> Identity? {
        if case .scalar = node { return string(node, what).map { Identity(id: $0) } }
        guard let members = members(node, of: what, allowed: ["id", "issuer", "claims", "name", "owner"]),
            let id = required(members["id"], "id", in: node, "add 'id: oidc:alice'").flatMap({ string($0, "id") })
        else { return nil }
        var claims: [String: [String]] = [:]
        if case .mapping(let mapping) = members["claims"] {
            for (key, value) in mapping {
                guard let name = string(key, "a claim") else { continue }
                claims[name] = list(value, name).compactMap { string($0, name) }
            }
        }
        return Identity(
            id: id, issuer: members["issuer"].flatMap { string($0, "issuer") }, claims: claims, name: members["name"].flatMap { string($0, "name") },
            owner: members["owner"].flatMap { string($0, "owner") })
    }

    private mutating func addHistory(_ members: [String: Node], to facts: inout PromotionFacts, now: Date) {
        facts.firstSeen = members["firstSeen"].flatMap { optional($0) { $0.time($1, "firstSeen", now: now) } }
        facts.presence = presence(members["presence"], now: now)
        let image = facts.image
        facts.recentPromotions = items(members["recentPromotions"], "recentPromotions") { reader, item in
            guard let own = reader.members(item, of: "a promotion", allowed: ["image", "requester", "at"]),
                let at = reader.required(own["at"], "at", in: item, "add 'at: 2h ago'").flatMap({ reader.time($0, "at", now: now) })
            else { return nil }
            return RecentPromotion(
                image: own["image"].flatMap { reader.imageName($0) } ?? image,
                requester: own["requester"].flatMap { reader.string($0, "requester") } ?? "token:somebody",
                at: at)
        }
    }

    /// `staging: 30h ago`, or `staging: { firstSeen: 9d ago, since: unknown }` where it is no longer there.
    private mutating func presence(_ node: Node?, now: Date) -> [EnvironmentPresence]? {
        guard let node, node.scalar?.string != "unknown" else { return nil }
        guard case .mapping(let mapping) = node else {
            report(node, "presence must be a mapping", "write 'staging: 30h ago' lines, or 'unknown'")
            return nil
        }
        var presence: [EnvironmentPresence] = []
        for (key, value) in mapping {
            guard let environment = environmentName(key, "an environment") else { continue }
            if case .mapping = value {
                guard let own = members(value, of: "presence", allowed: ["firstSeen", "since"]),
                    let first = required(own["firstSeen"], "firstSeen", in: value, "add 'firstSeen: 9d ago'").flatMap({
                        time($0, "firstSeen", now: now)
                    })
                else { continue }
                let since = own["since"].flatMap { optional($0) { $0.time($1, "since", now: now) } }
                presence.append(EnvironmentPresence(environment: environment, firstSeen: first, since: since))
            } else if let since = time(value, environment.description, now: now) {
                presence.append(EnvironmentPresence(environment: environment, firstSeen: since, since: since))
            }
        }
        return presence.sorted { $0.environment < $1.environment }
    }

    private mutating func addEvidence(_ members: [String: Node], to facts: inout PromotionFacts, now: Date) {
        let same = facts.digest
        facts.signatures = items(members["signatures"], "signatures") { $0.signature($1, same) }
        facts.provenance = items(members["provenance"], "provenance") { $0.provenance($1, same) }
        facts.sboms = items(members["sboms"], "sboms") { $0.sbom($1, same) }
        facts.scans = items(members["scans"], "scans") { $0.scan($1, same, now) }
        facts.evidence = items(members["evidence"], "evidence") { $0.evidence($1, same, now) }
        facts.approvals = items(members["approvals"], "approvals") { $0.approval($1, same, now) }
        facts.checks = items(members["checks"], "checks") { $0.checkFact($1, same, now) }
        if let node = members["override"], node.sequence != nil {
            facts.overrides = items(node, "override") { $0.override($1, now) }
        } else {
            facts.override = members["override"].flatMap { node in optional(node) { $0.override($1, now) } }
        }
        facts.policyAuthor = members["policyAuthor"].flatMap { string($0, "policyAuthor") }
    }

    /// What evidence is bound to: the artifact, where nothing else is said.
    private mutating func subject(_ members: [String: Node], _ same: Digest) -> Digest {
        members["digest"].flatMap { digest($0, same: same) } ?? same
    }

    private mutating func checkFact(_ node: Node, _ same: Digest, _ now: Date) -> CheckFact? {
        guard let own = members(node, of: "a check's answer", allowed: ["endpoint", "outcome", "reason", "digest", "at", "retryAt"]),
            let endpoint = required(own["endpoint"], "endpoint", in: node, "add 'endpoint: change-ticket'").flatMap({ string($0, "endpoint") }),
            let outcome = required(own["outcome"], "outcome", in: node, "add 'outcome: allow'").flatMap({ choice($0, "outcome", CheckFact.Outcome.self) })
        else { return nil }
        return CheckFact(
            endpoint: endpoint, digest: subject(own, same), outcome: outcome, reason: own["reason"].flatMap { string($0, "reason") } ?? "",
            askedAt: own["at"].flatMap { time($0, "at", now: now) } ?? now, retryAt: own["retryAt"].flatMap { time($0, "retryAt", now: now) })
    }

    private mutating func signature(_ node: Node, _ same: Digest) -> SignatureFact? {
        if case .scalar = node { return string(node, "signatures").map { SignatureFact(signer: $0, identity: $0, digest: same) } }
        guard let own = members(node, of: "a signature", allowed: ["signer", "identity", "digest", "failure"]),
            let signer = required(own["signer"], "signer", in: node, "add 'signer: acme-build'").flatMap({ string($0, "signer") })
        else { return nil }
        return SignatureFact(
            signer: signer, identity: own["identity"].flatMap { string($0, "identity") } ?? signer, digest: subject(own, same),
            failure: own["failure"].flatMap { string($0, "failure") })
    }

    private mutating func provenance(_ node: Node, _ same: Digest) -> ProvenanceFact? {
        let keys = ["signer", "digest", "builder", "source", "ref", "workflow", "failure"]
        guard let own = members(node, of: "provenance", allowed: keys),
            let signer = required(own["signer"], "signer", in: node, "add 'signer: acme-build'").flatMap({ string($0, "signer") })
        else { return nil }
        return ProvenanceFact(
            signer: signer, digest: subject(own, same), builder: own["builder"].flatMap { string($0, "builder") } ?? "builder",
            source: own["source"].flatMap { string($0, "source") }, ref: own["ref"].flatMap { string($0, "ref") },
            workflow: own["workflow"].flatMap { string($0, "workflow") }, failure: own["failure"].flatMap { string($0, "failure") })
    }

    private mutating func sbom(_ node: Node, _ same: Digest) -> SBOMFact? {
        let own = node.mapping == nil ? ["format": node] : members(node, of: "an SBOM", allowed: ["format", "digest", "signer"]) ?? [:]
        guard let format = required(own["format"], "format", in: node, "add 'format: spdx'").flatMap({ choice($0, "format", SBOMFact.Format.self) })
        else { return nil }
        return SBOMFact(format: format, digest: subject(own, same), signer: own["signer"].flatMap { string($0, "signer") })
    }

    private mutating func scan(_ node: Node, _ same: Digest, _ now: Date) -> ScanFact? {
        guard let own = members(node, of: "a scan", allowed: ["scanner", "digest", "at", "findings", "signer", "by"]) else { return nil }
        let findings = items(own["findings"], "findings") { $0.finding($1) } ?? []
        return ScanFact(
            scanner: own["scanner"].flatMap { string($0, "scanner") } ?? "scanner", digest: subject(own, same),
            completedAt: own["at"].flatMap { time($0, "at", now: now) } ?? now, findings: findings,
            signer: own["signer"].flatMap { string($0, "signer") },
            postedBy: own["by"].flatMap { identity($0, "by") })
    }

    private mutating func finding(_ node: Node) -> Finding? {
        guard let own = members(node, of: "a finding", allowed: ["id", "aliases", "severity", "package", "fixedIn"]),
            let id = required(own["id"], "id", in: node, "add 'id: CVE-2026-1234'").flatMap({ string($0, "id") })
        else { return nil }
        return Finding(
            id: id, aliases: own["aliases"].map { list($0, "aliases").compactMap { string($0, "aliases") } } ?? [],
            severity: own["severity"].flatMap { optional($0) { $0.choice($1, "severity", Severity.self) } },
            package: own["package"].flatMap { string($0, "package") },
            fixedIn: own["fixedIn"].flatMap { string($0, "fixedIn") })
    }

    private mutating func evidence(_ node: Node, _ same: Digest, _ now: Date) -> EvidenceFact? {
        guard let own = members(node, of: "evidence", allowed: ["kind", "digest", "result", "at", "by", "signer"]),
            let kind = required(own["kind"], "kind", in: node, "add 'kind: integration-tests'").flatMap({ string($0, "kind") })
        else { return nil }
        return EvidenceFact(
            kind: kind, digest: subject(own, same), result: own["result"].flatMap { string($0, "result") } ?? "passed",
            recordedAt: own["at"].flatMap { time($0, "at", now: now) } ?? now, postedBy: own["by"].flatMap { identity($0, "by") },
            signer: own["signer"].flatMap { string($0, "signer") })
    }

    private mutating func approval(_ node: Node, _ same: Digest, _ now: Date) -> ApprovalFact? {
        let own =
            node.mapping?["id"] == nil && node.mapping != nil
            ? members(node, of: "an approval", allowed: ["by", "verdict", "at", "digest", "policyVersion", "comment"]) : ["by": node]
        guard let own, let by = required(own["by"], "by", in: node, "add 'by: oidc:alice'").flatMap({ identity($0, "by") }) else { return nil }
        return ApprovalFact(
            by: by, verdict: own["verdict"].flatMap { choice($0, "verdict", ApprovalFact.Verdict.self) } ?? .approve,
            at: own["at"].flatMap { time($0, "at", now: now) } ?? now, digest: subject(own, same),
            policyVersion: own["policyVersion"].flatMap { string($0, "policyVersion") } ?? PolicyCase.currentVersion,
            comment: own["comment"].flatMap { string($0, "comment") })
    }

    private mutating func override(_ node: Node, _ now: Date) -> OverrideFact? {
        guard let own = members(node, of: "override", allowed: ["by", "reason", "at"]),
            let by = required(own["by"], "by", in: node, "add 'by: oidc:alice'").flatMap({ identity($0, "by") }),
            let reason = required(own["reason"], "reason", in: node, "an order needs a reason").flatMap({ string($0, "reason") })
        else { return nil }
        return OverrideFact(by: by, reason: reason, at: own["at"].flatMap { time($0, "at", now: now) } ?? now)
    }
}
