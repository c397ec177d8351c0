import Foundation
import OCI
import Yams

/// Who may ask for a promotion.
struct RequesterGate: Gate {
    static let kind = "requesters"
    let allowed: [String]
    let denied: [String]

    init?(_ node: Node, _ reader: inout YAMLReader) {
        guard let members = reader.members(node, of: "requesters", allowed: ["allow", "deny"]) else { return nil }
        allowed = reader.people(members["allow"], "allow")
        denied = reader.people(members["deny"], "deny")
        if members.isEmpty { reader.report(node, "nobody is named", "add allow, deny, or both, with groups or ids") }
    }

    var text: String {
        [
            allowed.isEmpty ? nil : "asked for by \(allowed.joined(separator: ", "))",
            denied.isEmpty ? nil : "not by \(denied.joined(separator: ", "))",
        ]
        .compactMap(\.self).joined(separator: ", ")
    }

    var people: [String] { allowed + denied }

    func add(to needs: inout FactNeeds) { needs.identities = true }

    func judge(_ context: GateContext) -> Verdict {
        let requester = context.requester
        if context.names(denied, include: requester) {
            return .deny("\(requester.label) may not ask for this; not allowed: \(denied.joined(separator: ", "))")
        }
        guard allowed.isEmpty || context.names(allowed, include: requester) else {
            return .deny("\(requester.label) may not ask for this; one of \(allowed.joined(separator: ", ")) may")
        }
        return .allow("asked for by \(requester.label)")
    }
}

/// Approvals by people. Each is bound to the digest and to the policy version that it was given under.
struct ApprovalGate: Gate {
    static let kind = "approvals"
    let count: Int
    let from: [String]
    let expires: PolicyDuration?
    /// Whether the requester's own counts.
    let countsRequester: Bool
    /// Whether that of the policy commit's author counts.
    let countsAuthor: Bool

    init?(_ node: Node, _ reader: inout YAMLReader) {
        guard let members = reader.members(node, of: "approvals", allowed: ["count", "from", "expires", "requester", "author"]) else { return nil }
        count = members["count"].flatMap { reader.integer($0, "count", in: 1...20) } ?? 1
        from = reader.required(members["from"], "from", in: node, "add 'from: [release-managers]'").map { reader.people($0, "from") } ?? []
        expires = members["expires"].flatMap { reader.duration($0, "expires", in: node) }
        countsRequester = members["requester"].flatMap { reader.choice($0, "requester", Requester.self) } == .counts
        // Who can't be read as excluded is not let in: a mistake is reported anyway.
        countsAuthor = members["author"].map { reader.choice($0, "author", Requester.self) == .counts } ?? true
    }

    private enum Requester: String, CaseIterable { case excluded, counts }

    var text: String {
        "\(count) approval\(count == 1 ? "" : "s") by \(from.joined(separator: ", "))"
            + "\(expires.map { ", not older than \($0)" } ?? "")\(countsRequester ? "" : ", not by the requester")\(countsAuthor ? "" : ", not by who wrote the policy")"
    }

    var people: [String] { from }

    var wish: GateWish? { .verdicts(count: count, from: from, countsRequester: countsRequester) }

    func add(to needs: inout FactNeeds) {
        needs.approvals = true
        needs.identities = true
    }

    func judge(_ context: GateContext) -> Verdict {
        guard let latest = context.approvals else {
            return .missing("no approval is known of \(context.artifact); \(count) by \(from.joined(separator: ", ")) needed", .wait)
        }
        var counted: [ApprovalFact] = []
        var ignored: [String] = []
        for approval in latest {
            if let reason = reasonToIgnore(approval, context) {
                ignored.append("\(approval.by.label) \(reason)")
            } else if approval.verdict == .reject {
                return .deny("rejected by \(approval.by.label)\(approval.comment.map { ": \($0.excerpt)" } ?? "")")
            } else {
                counted.append(approval)
            }
        }
        let names = counted.map(\.by.label).joined(separator: ", ")
        if counted.count >= count { return .allow("approved by \(names)") }
        let seen = "\(counted.count) of \(count) approvals by \(from.joined(separator: ", "))\(names.isEmpty ? "" : ": \(names)")"
        return .wait(([seen] + ignored.prefix(5).map { "not counted: \($0)" }).joined(separator: "; "))
    }

    private func reasonToIgnore(_ approval: ApprovalFact, _ context: GateContext) -> String? {
        let facts = context.facts
        if approval.digest != facts.digest { return "spoke of \(approval.digest.label)" }
        if approval.policyVersion != context.policyVersion { return "spoke under another policy version" }
        if !context.names(from, include: approval.by) { return "is not in \(from.joined(separator: ", "))" }
        // Who asked may withdraw, and may not say yes to himself.
        if approval.verdict == .approve, !countsRequester, approval.by.id == facts.requester || approval.by.person == context.requester.person {
            return "is the requester"
        }
        if approval.verdict == .approve, !countsAuthor, let reason = reasonAgainstAuthor(approval.by, facts.policyAuthor) { return reason }
        if let expires, approval.at + expires < context.now { return "approved at \(Timestamp.text(approval.at)), more than \(expires) ago" }
        return nil
    }

    /// Who wrote the policy commit is known by an address, as is who approves: by the claim of their issuer. Where one is not known, it may be the other.
    private func reasonAgainstAuthor(_ approver: Identity, _ author: String?) -> String? {
        guard let author, let address = author.split(separator: "<").last.map({ $0.prefix { $0 != ">" } }), address.contains("@") else {
            return "may have written the policy: it comes from no commit with an author's address"
        }
        let own = approver.issuer == nil ? [] : approver.claims["email", default: []]
        guard !own.isEmpty else { return "may have written the policy: the claim 'email' is missing" }
        return own.contains { $0.lowercased() == address.lowercased() } ? "wrote the policy" : nil
    }
}
