import Foundation
import OCI

/// What cosign signs about an image (cosign, SIGNATURE_SPEC.md; containers/image, "simple signing").
struct SimpleSigning: Sendable, Hashable {
    static let type = "cosign container image signature"
    static let maximumBytes = 1 << 20
    let digest: String
    /// `critical.identity.docker-reference`; empty where the signer did not say.
    let reference: String

    /// Reads a payload whose signature verifies.
    init(verified payload: Data) throws(TrustError) {
        let document = try JSON.parse(payload, as: "the signed payload")
        guard let critical = document["critical"], let type = critical["type"]?.text else {
            throw .malformed("the signed payload", reason: "it has no critical.type")
        }
        guard type == Self.type else { throw .otherType(signed: type, expected: Self.type) }
        guard let digest = critical["image"]?["docker-manifest-digest"]?.text else {
            throw .malformed("the signed payload", reason: "it names no docker-manifest-digest")
        }
        self.digest = digest
        reference = critical["identity"]?["docker-reference"]?.text ?? ""
    }

    func check(_ expected: Digest) throws(TrustError) {
        guard digest == expected.description else { throw .otherArtifact(signed: digest, expected: expected) }
    }
}

extension String {
    /// The repository of an image reference, without its tag and digest.
    var withoutTagAndDigest: String {
        let named = prefix { $0 != "@" }
        guard let colon = named.lastIndex(of: ":"), !named[colon...].contains("/") else { return String(named) }
        return String(named[..<colon])
    }
}
