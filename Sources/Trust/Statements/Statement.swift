public import Foundation
import OCI

/// An in-toto statement (in-toto/attestation, spec v0.1 and v1) whose signature verifies.
public struct Statement: Sendable, Hashable {
    /// Who or what it is about: a name, and digests by their algorithms.
    public struct Subject: Sendable, Hashable {
        public let name: String
        public let digests: [String: String]
    }

    static let types = ["https://in-toto.io/Statement/v0.1", "https://in-toto.io/Statement/v1"]
    private static let maximumSubjects = 1_024
    private static let maximumDigests = 32

    public let subjects: [Subject]
    public let predicateType: String
    /// The predicate's own bytes.
    public let predicate: Data
    let content: JSON

    init(verified envelope: Envelope) throws(TrustError) {
        guard envelope.payloadType == Envelope.inTotoType else { throw .otherType(signed: envelope.payloadType, expected: Envelope.inTotoType) }
        let (document, ranges) = try JSONReader(envelope.payload, "the in-toto statement").document()
        guard let type = document["_type"]?.text, Self.types.contains(type) else {
            throw .otherType(signed: document["_type"]?.text ?? "", expected: "https://in-toto.io/Statement/v1")
        }
        guard let list = document["subject"]?.items, !list.isEmpty else { throw .malformed("the in-toto statement", reason: "it has no subject") }
        guard list.count <= Self.maximumSubjects else { throw .tooLarge("the list of subjects", limit: Self.maximumSubjects) }
        guard let predicateType = document["predicateType"]?.text, !predicateType.isEmpty else {
            throw .malformed("the in-toto statement", reason: "it has no predicateType")
        }
        var subjects: [Subject] = []
        for item in list {
            guard let members = item["digest"]?.members, members.count <= Self.maximumDigests else {
                throw .malformed("the in-toto statement", reason: "a subject has no digest, or too many")
            }
            subjects.append(Subject(name: item["name"]?.text ?? "", digests: members.compactMapValues(\.text)))
        }
        self.subjects = subjects
        self.predicateType = predicateType
        content = document["predicate"] ?? .null
        predicate = ranges["predicate"].map { envelope.payload.subdata(in: envelope.payload.startIndex + $0.lowerBound..<envelope.payload.startIndex + $0.upperBound) } ?? Data()
    }

    /// The subject that is this manifest. Its digest must be named in the manifest's own algorithm: SHA-1 names nothing.
    func subject(_ expected: Digest) throws(TrustError) -> Subject {
        if let found = subjects.first(where: { $0.digests[expected.algorithm.rawValue] == expected.hex }) { return found }
        let named = subjects[0].digests.sorted { $0.key < $1.key }.map { "\($0.key):\($0.value)" }.joined(separator: " ")
        throw .otherArtifact(signed: "\(named)\(subjects.count > 1 ? " and \(subjects.count - 1) more" : "")", expected: expected)
    }
}
