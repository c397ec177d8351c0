public import Foundation

/// What a trusted issuer says of a token's bearer.
public struct WebTokenClaims: Sendable, Hashable {
    static let maximumValues = 500

    public let subject: String
    public let expires: Date
    /// Each claim with its values as texts. What is nested goes by its path, with slashes: `kubernetes.io/serviceaccount/uid`.
    public let values: [String: [String]]

    /// - Throws: `malformed` where a path and a claim's own name are the same: which was meant could be chosen by whoever fills one of them.
    init(subject: String, expires: Date, _ claims: [String: JSON]) throws(WebTokenRefusal) {
        self.subject = subject
        self.expires = expires
        var values: [String: [String]] = [:]
        var count = 0
        for (name, value) in claims { try Self.add(value, at: name, to: &values, &count) }
        self.values = values
    }

    private static func add(_ value: JSON, at path: String, to values: inout [String: [String]], _ count: inout Int) throws(WebTokenRefusal) {
        if let members = value.members {
            for (name, member) in members { try add(member, at: path + "/" + name, to: &values, &count) }
            return
        }
        let texts = (value.items ?? [value]).compactMap(text)
        count += texts.count
        guard count <= maximumValues else { throw .malformed("it has more than \(maximumValues) claims") }
        guard values.updateValue(texts, forKey: path) == nil else { throw .malformed("the claim '\(path.excerpt)' can be read in two ways") }
    }

    /// Numbers as they are spelt. Nothing that is `null`, and no list in a list, is a value.
    private static func text(_ value: JSON) -> String? {
        switch value {
        case .string(let text), .number(let text): text
        case .bool(let isTrue): isTrue ? "true" : "false"
        case .null, .array, .object: nil
        }
    }
}
