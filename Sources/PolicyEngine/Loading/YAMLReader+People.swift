import Foundation
import Yams

extension YAMLReader {
    /// Reads `groups:`: a name, and who belongs to it.
    mutating func groups(_ node: Node?) -> [Group] {
        guard let node else { return [] }
        var groups: [Group] = []
        for (name, key, value) in named(node, "groups") {
            var members: [GroupMember] = []
            // A single member needs no list.
            for item in value.mapping == nil ? list(value, "group \(name)") : [value] {
                if let member = groupMember(item) { members.append(member) }
            }
            groups.append(Group(name: name, source: SourceLocation(file: file, line: key.mark?.line ?? 1), members: members))
        }
        return groups
    }

    private mutating func groupMember(_ node: Node) -> GroupMember? {
        guard let members = members(node, of: "a group's member", allowed: ["subject", "issuer", "claims"]) else { return nil }
        let subject = members["subject"].flatMap { pattern($0, "subject") }
        let issuer = members["issuer"].flatMap { string($0, "issuer") }
        var claims: [String: TextPattern] = [:]
        if let node = members["claims"] {
            for (name, _, value) in named(node, "claims") { claims[name] = pattern(value, name) }
            if members["issuer"] == nil { report(node, "claims count only with their issuer", "add 'issuer: https://idp.example.com'") }
        } else if members["subject"] == nil {
            // Everybody who has a token of the issuer.
            report(node, "the member says nobody in particular", "add subject, or claims with issuer")
        }
        return GroupMember(subject: subject, issuer: issuer, claims: claims)
    }

    /// Reads `trust:`: a name, and how signatures are known to be theirs.
    mutating func signers(trust node: Node?) -> [TrustedSigner] {
        guard let node else { return [] }
        var signers: [TrustedSigner] = []
        for (name, key, value) in named(node, "trust") {
            guard let members = members(value, of: "a signer", allowed: Self.signerKeys) else { continue }
            guard let verification = verification(value, members) else { continue }
            let from = members["validFrom"].flatMap { day($0, "validFrom") }
            let until = members["validUntil"].flatMap { day($0, "validUntil") }
            signers.append(
                TrustedSigner(
                    name: name, source: SourceLocation(file: file, line: key.mark?.line ?? 1), verification: verification,
                    repository: members["repository"].flatMap { pattern($0, "repository") }, root: members["root"].flatMap { file($0, "root") },
                    validFrom: from.map { Date(timeIntervalSince1970: Double($0.daysSince1970 * 86_400)) },
                    validUntil: until.map { Date(timeIntervalSince1970: Double(($0.daysSince1970 + 1) * 86_400)) }))
        }
        return signers
    }

    private static let signerKeys = ["key", "keyFile", "keyless", "notation", "repository", "root", "validFrom", "validUntil"]

    /// A file of the policy folder, by its path in it.
    mutating func file(_ node: Node, _ what: String) -> String? {
        guard let path = string(node, what) else { return nil }
        guard !path.hasPrefix("/"), !path.split(separator: "/", omittingEmptySubsequences: false).contains(where: { ["..", ".", ""].contains($0) }) else {
            report(node, "'\(path.excerpt)' is no path inside the policy folder", "write for example 'keys/release.pub'")
            return nil
        }
        return path
    }

    private mutating func verification(_ node: Node, _ members: [String: Node]) -> TrustedSigner.Verification? {
        let ways = ["key", "keyFile", "keyless", "notation"].filter { members[$0] != nil }
        guard ways.count == 1 else {
            report(
                node, ways.isEmpty ? "the signer has no key" : "the signer has more than one of \(ways.joined(separator: ", "))",
                "write one of key, keyFile, keyless, notation")
            return nil
        }
        if let key = members["key"] {
            guard let text = string(key, "key") else { return nil }
            guard text.hasPrefix("-----BEGIN PUBLIC KEY-----") else {
                report(key, "this is no public key in PEM", "paste the key from '-----BEGIN PUBLIC KEY-----' on, behind 'key: |'")
                return nil
            }
            return .key(text)
        }
        if let file = members["keyFile"] { return self.file(file, "keyFile").map { .keyFile($0) } }
        if let notation = members["notation"] { return self.notation(notation) }
        guard let keyless = members["keyless"], let parts = self.members(keyless, of: "keyless", allowed: ["issuer", "subject"]),
            let issuerNode = required(parts["issuer"], "issuer", in: keyless, "add the issuer: a subject is worth what its issuer is worth"),
            let subjectNode = required(parts["subject"], "subject", in: keyless, "add the subject: without it anybody at the issuer could sign"),
            let issuer = string(issuerNode, "issuer"), let subject = pattern(subjectNode, "subject")
        else { return nil }
        return .keyless(issuer: issuer, subject: subject)
    }

    private mutating func notation(_ node: Node) -> TrustedSigner.Verification? {
        guard let parts = members(node, of: "notation", allowed: ["trustStore", "subject"]),
            let store = required(parts["trustStore"], "trustStore", in: node, "name the files with the root certificates"),
            let subjectNode = required(parts["subject"], "subject", in: node, "add the subject: without it anybody below the roots could sign"),
            let subject = pattern(subjectNode, "subject")
        else { return nil }
        var files: [String] = []
        for item in store.scalar == nil ? list(store, "trustStore") : [store] {
            if let path = file(item, "trustStore") { files.append(path) }
        }
        return files.isEmpty ? nil : .notation(trustStore: files, subject: subject)
    }

    /// The members of a mapping whose keys are names.
    mutating func named(_ node: Node, _ what: String) -> [(String, Node, Node)] {
        guard case .mapping(let mapping) = node, !mapping.isEmpty, mapping.count <= Self.maximumItems else {
            report(node, "\(what) must be a mapping", "write 'name: { … }' lines, at most \(Self.maximumItems), or leave the key out")
            return []
        }
        var result: [(String, Node, Node)] = []
        for (key, value) in mapping {
            guard let name = string(key, "a name") else { continue }
            guard what == "claims" || !name.contains(":") else {
                report(key, "'\(name)' has a colon", "names have none: what has one is somebody's id")
                continue
            }
            result.append((name, key, value))
        }
        return result
    }
}
