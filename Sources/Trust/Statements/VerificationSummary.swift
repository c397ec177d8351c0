/// A SLSA verification summary (slsa.dev/verification_summary/v1), as somebody who trusts its signer reads it.
public struct VerificationSummary: Sendable, Hashable {
    public static let predicateType = "https://slsa.dev/verification_summary/v1"
    public let verifier: String
    /// When it was verified, as it is spelt.
    public let timeVerified: String
    /// Where the artifact was verified for: `registry/repository@digest`.
    public let resource: String
    public let policy: String
    public let hasPassed: Bool
    public let levels: [String]

    public init(_ statement: Statement) throws(TrustError) {
        guard statement.predicateType == Self.predicateType else { throw .otherType(signed: statement.predicateType, expected: Self.predicateType) }
        let predicate = statement.content
        guard let verifier = predicate["verifier"]?["id"]?.text, let time = predicate["timeVerified"]?.text, let resource = predicate["resourceUri"]?.text,
            let policy = predicate["policy"]?["uri"]?.text, let result = predicate["verificationResult"]?.text
        else { throw .malformed("the verification summary", reason: "it lacks verifier, timeVerified, resourceUri, policy or verificationResult") }
        self.verifier = verifier
        timeVerified = time
        self.resource = resource
        self.policy = policy
        hasPassed = result == "PASSED"
        levels = predicate["verifiedLevels"]?.items?.compactMap(\.text) ?? []
    }
}
