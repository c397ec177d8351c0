public import Foundation
public import OCI

/// The digest in one environment.
public struct EnvironmentPresence: Sendable, Hashable, Codable {
    public let environment: EnvironmentName
    /// When it was first seen there.
    public let firstSeen: Date
    /// Since when it is there without a break; `nil` where it no longer is.
    public let since: Date?

    public init(environment: EnvironmentName, firstSeen: Date, since: Date?) {
        self.environment = environment
        self.firstSeen = firstSeen
        self.since = since
    }
}

/// A signature over a manifest of the artifact, as verification found it.
public struct SignatureFact: Sendable, Hashable, Codable {
    /// The trusted signer, by the name in the environments file; empty where it is by nobody who is trusted, and `failure` says more.
    public let signer: String
    /// The key's fingerprint, or issuer and subject of the certificate. The same key under two names is one.
    public let identity: String
    /// The manifest that is signed: the artifact, or one of its platforms.
    public let digest: Digest
    /// Why it does not verify; `nil` where it does.
    public let failure: String?
    /// The signature's own manifest.
    public let evidence: Digest?

    public init(signer: String, identity: String, digest: Digest, failure: String? = nil, evidence: Digest? = nil) {
        self.signer = signer
        self.identity = identity
        self.digest = digest
        self.failure = failure
        self.evidence = evidence
    }
}

/// What an attestation of provenance says (SLSA), as verification found it.
public struct ProvenanceFact: Sendable, Hashable, Codable {
    /// The trusted signer, by the name in the environments file.
    public let signer: String
    /// What it is about: the artifact, or one of its platforms.
    public let digest: Digest
    /// `runDetails.builder.id`
    public let builder: String
    /// The repository that was built, as a URI.
    public let source: String?
    /// The branch or tag that was built, for example `refs/heads/main`.
    public let ref: String?
    /// The workflow that built, spelt as the issuer of its token spells it: `shop/api/.github/workflows/build.yml@refs/heads/main`.
    public let workflow: String?
    /// Why it does not verify; `nil` where it does.
    public let failure: String?
    public let evidence: Digest?

    public init(
        signer: String, digest: Digest, builder: String, source: String? = nil, ref: String? = nil, workflow: String? = nil, failure: String? = nil,
        evidence: Digest? = nil
    ) {
        self.signer = signer
        self.digest = digest
        self.builder = builder
        self.source = source
        self.ref = ref
        self.workflow = workflow
        self.failure = failure
        self.evidence = evidence
    }
}

/// A bill of materials that hangs on the artifact.
public struct SBOMFact: Sendable, Hashable, Codable {
    public enum Format: String, Sendable, Hashable, Codable, CaseIterable { case spdx, cyclonedx }

    public let format: Format
    /// What it describes: the artifact, or one of its platforms.
    public let digest: Digest
    /// The trusted signer of the attestation that holds it; `nil` where it is not signed by one.
    public let signer: String?
    public let evidence: Digest?

    public init(format: Format, digest: Digest, signer: String? = nil, evidence: Digest? = nil) {
        self.format = format
        self.digest = digest
        self.signer = signer
        self.evidence = evidence
    }
}

/// How bad a vulnerability is.
public enum Severity: String, Sendable, Hashable, Codable, CaseIterable, Comparable {
    case negligible, low, medium, high, critical

    public static func < (lhs: Severity, rhs: Severity) -> Bool { lhs.rank < rhs.rank }

    private var rank: Int {
        switch self {
        case .negligible: 0
        case .low: 1
        case .medium: 2
        case .high: 3
        case .critical: 4
        }
    }
}

/// A vulnerability that a scan found.
public struct Finding: Sendable, Hashable, Codable {
    public let id: String
    /// Other names of the same one: `GHSA-…` beside `CVE-…`.
    public let aliases: [String]
    /// `nil` where the scanner does not know.
    public let severity: Severity?
    public let package: String?
    /// The version that mends it; `nil` where there is none.
    public let fixedIn: String?

    public init(id: String, aliases: [String] = [], severity: Severity?, package: String? = nil, fixedIn: String? = nil) {
        self.id = id
        self.aliases = aliases
        self.severity = severity
        self.package = package
        self.fixedIn = fixedIn
    }
}

/// What a scanner found in a manifest.
public struct ScanFact: Sendable, Hashable, Codable {
    public let scanner: String
    /// What was scanned: the artifact, or one of its platforms.
    public let digest: Digest
    public let completedAt: Date
    public let findings: [Finding]
    /// The trusted signer of the attestation; `nil` where the report was posted.
    public let signer: String?
    /// Who posted the report.
    public let postedBy: Identity?
    public let evidence: Digest?

    public init(
        scanner: String, digest: Digest, completedAt: Date, findings: [Finding], signer: String? = nil, postedBy: Identity? = nil,
        evidence: Digest? = nil
    ) {
        self.scanner = scanner
        self.digest = digest
        self.completedAt = completedAt
        self.findings = findings
        self.signer = signer
        self.postedBy = postedBy
        self.evidence = evidence
    }
}

/// What a pipeline says about the artifact: the result of its tests, a ticket.
public struct EvidenceFact: Sendable, Hashable, Codable {
    /// `integration-tests`, `change-ticket`.
    public let kind: String
    /// What it is about.
    public let digest: Digest
    /// `passed`, `failed`, or any other word.
    public let result: String
    public let recordedAt: Date
    public let postedBy: Identity?
    /// The trusted signer of the attestation; `nil` where it was posted.
    public let signer: String?
    public let evidence: Digest?

    public init(
        kind: String, digest: Digest, result: String, recordedAt: Date, postedBy: Identity? = nil, signer: String? = nil, evidence: Digest? = nil
    ) {
        self.kind = kind
        self.digest = digest
        self.result = result
        self.recordedAt = recordedAt
        self.postedBy = postedBy
        self.signer = signer
        self.evidence = evidence
    }
}

/// What somebody says to a promotion, and what they had before their eyes.
public struct ApprovalFact: Sendable, Hashable, Codable {
    public enum Verdict: String, Sendable, Hashable, Codable, CaseIterable { case approve, reject }

    public let by: Identity
    public let verdict: Verdict
    public let at: Date
    public let digest: Digest
    /// The policy version at that time.
    public let policyVersion: String
    public let comment: String?

    public init(by: Identity, verdict: Verdict, at: Date, digest: Digest, policyVersion: String, comment: String? = nil) {
        self.by = by
        self.verdict = verdict
        self.at = at
        self.digest = digest
        self.policyVersion = policyVersion
        self.comment = comment
    }
}

/// A promotion that entered the target environment.
public struct RecentPromotion: Sendable, Hashable, Codable {
    public let image: ImageName
    public let requester: String
    public let at: Date

    public init(image: ImageName, requester: String, at: Date) {
        self.image = image
        self.requester = requester
        self.at = at
    }
}

/// Somebody's order to let a promotion pass in spite of some gates.
public struct OverrideFact: Sendable, Hashable, Codable {
    public let by: Identity
    public let reason: String
    public let at: Date

    public init(by: Identity, reason: String, at: Date) {
        self.by = by
        self.reason = reason
        self.at = at
    }
}
