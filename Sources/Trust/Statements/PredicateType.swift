/// What a statement says, as far as we know its kind.
public enum PredicateType: Sendable, Hashable {
    /// cosign 3 signs images with a statement of this type.
    case imageSignature
    case provenance
    case spdx
    case cyclonedx
    case vulnerabilities
    case verificationSummary
    case other

    public init(_ uri: String) {
        switch uri {
        case "https://sigstore.dev/cosign/sign/v1": self = .imageSignature
        case "https://slsa.dev/provenance/v0.2", "https://slsa.dev/provenance/v1": self = .provenance
        case "https://spdx.dev/Document", "https://spdx.dev/Document/v2.2", "https://spdx.dev/Document/v2.3": self = .spdx
        case "https://cyclonedx.org/bom", "https://cyclonedx.org/BOM/v1", "https://cyclonedx.org/schema": self = .cyclonedx
        case "https://cosign.sigstore.dev/attestation/vuln/v1": self = .vulnerabilities
        case "https://slsa.dev/verification_summary/v1": self = .verificationSummary
        default: self = .other
        }
    }
}

extension Statement {
    public var kind: PredicateType { PredicateType(predicateType) }
}
