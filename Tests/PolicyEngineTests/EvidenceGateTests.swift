import OCI
import Testing

@testable import PolicyEngine

@Suite("Gates on evidence")
struct EvidenceGateTests {
    private static let tests = "evidence: { kind: e2e, maxAge: 7d, by: [ci, build] }"
    private static let ci = "{ id: \"oidc:1\", issuer: \"https://ci.example.test\", claims: { repository: shop/api, ref: refs/heads/main } }"

    private static let evidence = [
        GateExample(tests, "evidence: [{ kind: e2e, at: 2h ago, by: \(ci) }]", .allow, "e2e said 'passed' 2h ago"),
        GateExample(tests, "evidence: [{ kind: e2e, at: 2h ago, signer: build }]", .allow, "e2e said 'passed' 2h ago"),
        GateExample("evidence: { kind: e2e }", "evidence: [{ kind: e2e, at: 200d ago }]", .allow, "e2e said 'passed' 200d ago"),
        GateExample(
            tests, "evidence: [{ kind: e2e, result: failed, at: 2h ago, signer: build }]", .deny,
            "e2e said 'failed' 2h ago; post e2e with the result 'passed' as ci, build"),
        // The newest counts, both ways.
        GateExample(
            "evidence: { kind: e2e }", "evidence: [{ kind: e2e, at: 2h ago }, { kind: e2e, result: failed, at: 1h ago }]", .deny,
            "e2e said 'failed' 1h ago; post e2e with the result 'passed'"),
        GateExample(
            "evidence: { kind: e2e }", "evidence: [{ kind: e2e, at: 1h ago }, { kind: e2e, result: failed, at: 2h ago }]", .allow,
            "e2e said 'passed' 1h ago"),
        GateExample(
            tests, "evidence: [{ kind: e2e, at: 8d ago, signer: build }]", .wait,
            "e2e said 'passed' 8d ago, and at most 7d is allowed; post e2e with the result 'passed' as ci, build"),
        GateExample(
            tests, "evidence: [{ kind: e2e, by: token:7 }, { kind: unit, signer: build }, { kind: e2e, signer: second }]", .wait,
            "no e2e by somebody who counts is known for sha256:03473f89a784…; post e2e with the result 'passed' as ci, build"),
        GateExample(
            "evidence: { kind: e2e }", "evidence: [{ kind: e2e, digest: other }]", .wait,
            "no e2e is known for sha256:03473f89a784…; post e2e with the result 'passed'"),
        GateExample("evidence: { kind: e2e }", "", .wait, "no e2e is known for sha256:03473f89a784…; post e2e with the result 'passed'"),
        GateExample(
            "evidence: { kind: e2e, missing: deny, result: \"pass*\" }", "evidence: []", .deny,
            "no e2e is known for sha256:03473f89a784…; post e2e with the result 'pass*'"),
        GateExample(
            "evidence: { kind: e2e, missing: deny, maxAge: 1h }", "evidence: [{ kind: e2e, at: 2h ago }]", .deny,
            "e2e said 'passed' 2h ago, and at most 1h is allowed; post e2e with the result 'passed'"),
    ]

    @Test(arguments: evidence)
    func postedEvidenceSays(_ example: GateExample) throws { try example.check() }

    private static let platforms = "platforms: [{ platform: linux/amd64, digest: amd }, { platform: linux/arm64, digest: arm }]"

    private static let sboms = [
        GateExample("sbom: {}", "sboms: [spdx]", .allow, "SBOM: spdx"),
        GateExample("sbom: { formats: [cyclonedx] }", "sboms: [cyclonedx, spdx]", .allow, "SBOM: cyclonedx"),
        GateExample("sbom: { formats: [cyclonedx] }", "sboms: [spdx]", .wait, "no SBOM is known for sha256:03473f89a784…; attach one (cyclonedx)"),
        GateExample("sbom: {}", "", .wait, "no SBOM is known for sha256:03473f89a784…; attach one (spdx or cyclonedx)"),
        GateExample("sbom: { missing: deny }", "sboms: []", .deny, "no SBOM is known for sha256:03473f89a784…; attach one (spdx or cyclonedx)"),
        GateExample(
            "sbom: { by: [build] }", "sboms: [spdx, { format: spdx, signer: second }]", .wait,
            "no SBOM is known for sha256:03473f89a784…; attach one (spdx or cyclonedx) signed by build"),
        GateExample("sbom: { by: [build] }", "sboms: [{ format: spdx, signer: build }]", .allow, "SBOM: spdx"),
        GateExample(
            "sbom: {}", "\(platforms), sboms: [{ format: spdx, digest: amd }, { format: cyclonedx, digest: arm }]", .allow, "SBOM: spdx, cyclonedx"),
        GateExample(
            "sbom: {}", "\(platforms), sboms: [{ format: spdx, digest: amd }]", .wait,
            "no SBOM is known for linux/arm64; attach one (spdx or cyclonedx)"),
        GateExample(
            "sbom: {}", "sboms: [{ format: spdx, digest: other }]", .wait, "no SBOM is known for linux/amd64; attach one (spdx or cyclonedx)"),
    ]

    @Test(arguments: sboms)
    func billsOfMaterialsSay(_ example: GateExample) throws { try example.check() }

    private static let signatures = [
        GateExample("signatures: { by: [build] }", "signatures: [build]", .allow, "signed by build"),
        GateExample("signatures: { by: [build, second], count: 2 }", "signatures: [second, build]", .allow, "signed by build, second"),
        GateExample(
            "signatures: { by: [build, second], count: 2 }", "signatures: [second, scanner]", .deny,
            "signed by second alone; 2 of build, second must sign it"),
        GateExample(
            "signatures: { by: [build] }", "signatures: []", .deny, "no signature is known for sha256:03473f89a784…; 1 of build must sign it"),
        GateExample("signatures: { by: [build] }", "", .deny, "no signature is known for sha256:03473f89a784…; 1 of build must sign it"),
        GateExample(
            "signatures: { by: [build], missing: wait }", "signatures: [second]", .wait,
            "no signature is known for sha256:03473f89a784…; 1 of build must sign it"),
        GateExample(
            "signatures: { by: [build] }", "signatures: [{ signer: build, digest: other }]", .deny,
            "no signature is known for sha256:03473f89a784…; 1 of build must sign it"),
        // Anybody who may write there can attach what does not verify: it neither opens nor closes the gate, and is reported.
        GateExample(
            "signatures: { by: [build], missing: wait }", "signatures: [build, { signer: build, failure: the key's time is over }]", .allow,
            "signed by build; a signature that says to be of build does not verify and is not counted: the key's time is over"),
        GateExample(
            "signatures: { by: [build], missing: wait }", "signatures: [{ signer: build, failure: forged }, { signer: build, failure: other }]", .wait,
            "no signature is known for sha256:03473f89a784…; a signature that says to be of build does not verify and is not counted: forged, nor do 1 more; 1 of build must sign it"
        ),
        GateExample(
            "signatures: { by: [build, second], count: 2 }", "signatures: [second, { signer: build, failure: forged }]", .deny,
            "signed by second alone; a signature that says to be of build does not verify and is not counted: forged; 2 of build, second must sign it"),
        GateExample("signatures: { by: [build] }", "signatures: [build, { signer: second, failure: broken }]", .allow, "signed by build"),
        // The same key under two names counts once.
        GateExample(
            "signatures: { by: [build, second], count: 2 }", "signatures: [{ signer: build, identity: key-1 }, { signer: second, identity: key-1 }]",
            .deny,
            "signed by build alone; 2 of build, second must sign it"),
        GateExample(
            "signatures: { by: [build, second], count: 2 }", "signatures: [{ signer: build, identity: key-1 }, { signer: second, identity: key-2 }]",
            .allow,
            "signed by build, second"),
        GateExample(
            "signatures: { by: [build], of: artifact-and-platforms }",
            "\(platforms), signatures: [build, { signer: build, digest: amd }, { signer: build, digest: arm }]", .allow, "signed by build"),
        GateExample(
            "signatures: { by: [build], of: artifact-and-platforms }", "\(platforms), signatures: [build, { signer: build, digest: amd }]", .deny,
            "no signature is known for sha256:03473f89a784…; build did not sign linux/arm64; 1 of build must sign it"),
        // The platforms' own signatures do not stand for the index that joins them.
        GateExample(
            "signatures: { by: [build] }", "\(platforms), signatures: [{ signer: build, digest: amd }, { signer: build, digest: arm }]", .deny,
            "no signature is known for sha256:03473f89a784…; build did not sign sha256:03473f89a784…; 1 of build must sign it"),
    ]

    @Test(arguments: signatures)
    func signaturesSay(_ example: GateExample) throws { try example.check() }

    private static let built =
        "signer: build, builder: \"https://ci.example.test/builder\", source: \"git+https://git.example.test/shop/api\", ref: refs/heads/main"
    private static let origin =
        "provenance: { by: [build], builder: \"https://ci.example.test/*\", source: \"git+https://git.example.test/shop/*\", ref: refs/heads/main }"
    private static let bound = "provenance: { by: [build], requester: { issuer: \"https://ci.example.test\", claim: workflow_ref } }"

    private static func requester(_ claims: String, issuer: String = "issuer: \"https://ci.example.test\", ") -> String {
        "requester: { id: \"oidc:1\", \(issuer)claims: { \(claims) } }"
    }

    private static let provenance = [
        GateExample(
            origin, "provenance: [{ \(built) }]", .allow, "built by https://ci.example.test/builder from git+https://git.example.test/shop/api"),
        GateExample("provenance: { by: [build] }", "", .deny, "no provenance is known for sha256:03473f89a784…; attach one signed by build"),
        GateExample(
            "provenance: { by: [build], missing: wait }", "provenance: [{ signer: second }, { signer: build, digest: other }]", .wait,
            "no provenance is known for linux/amd64; attach one signed by build".replacing("linux/amd64", with: "sha256:03473f89a784…")),
        GateExample(
            "provenance: { by: [build] }", "\(platforms), provenance: [{ signer: build, digest: amd }]", .deny,
            "no provenance is known for linux/arm64; attach one signed by build"),
        GateExample(
            "provenance: { by: [build] }", "\(platforms), provenance: [{ signer: build, digest: amd }, { signer: build, digest: arm }]", .allow,
            "built by builder"),
        GateExample(
            origin, "provenance: [{ \(built.replacing("heads/main", with: "heads/try")) }]", .deny,
            "the ref is 'refs/heads/try', which does not match 'refs/heads/main'"),
        GateExample(
            origin, "provenance: [{ \(built.replacing("git.example.test", with: "evil.test")) }]", .deny,
            "the source is 'git+https://evil.test/shop/api', which does not match 'git+https://git.example.test/shop/*'"),
        GateExample(
            origin, "provenance: [{ \(built.replacing("https://ci.", with: "https://evil.test/https://ci.")) }]", .deny,
            "the builder is 'https://evil.test/https://ci.example.test/builder', which does not match 'https://ci.example.test/*'"),
        GateExample(
            origin, "provenance: [{ signer: build, builder: \"https://ci.example.test/builder\" }]", .deny,
            "the provenance names no source; it must match 'git+https://git.example.test/shop/*'"),
        // One that is as it should does not make up for one that is not.
        GateExample(
            origin, "provenance: [{ \(built) }, { \(built.replacing("heads/main", with: "heads/try")) }]", .deny,
            "the ref is 'refs/heads/try', which does not match 'refs/heads/main'"),
        GateExample(
            origin, "provenance: [{ \(built), failure: wrong key }]", .deny,
            "no provenance is known for sha256:03473f89a784…; a provenance that says to be of build does not verify and is not counted: wrong key; attach one signed by build"),
        GateExample(
            origin, "provenance: [{ \(built) }, { signer: build, failure: wrong key }]", .allow,
            "built by https://ci.example.test/builder from git+https://git.example.test/shop/api; a provenance that says to be of build does not verify and is not counted: wrong key"
        ),
        GateExample(
            bound, "\(requester("workflow_ref: shop/api/build.yml@main")), provenance: [{ signer: build, workflow: shop/api/build.yml@main }]",
            .allow, "built by builder"),
        GateExample(
            bound, "\(requester("workflow_ref: shop/web/build.yml@main")), provenance: [{ signer: build, workflow: shop/api/build.yml@main }]", .deny,
            "built by the workflow 'shop/api/build.yml@main', and oidc:1 is 'shop/web/build.yml@main'; who builds it must ask for it"),
        GateExample(
            bound,
            "\(requester("workflow_ref: [shop/api/build.yml@main, shop/web/build.yml@main]")), provenance: [{ signer: build, workflow: shop/api/build.yml@main }]",
            .deny,
            "built by the workflow 'shop/api/build.yml@main', and oidc:1 is 'shop/api/build.yml@main', 'shop/web/build.yml@main'; who builds it must ask for it"
        ),
        GateExample(
            bound, "requester: token:7, provenance: [{ signer: build, workflow: shop/api/build.yml@main }]", .deny,
            "built by the workflow 'shop/api/build.yml@main', and token:7 has no claim workflow_ref of https://ci.example.test; who builds it must ask for it"
        ),
        GateExample(
            bound,
            "\(requester("workflow_ref: shop/api/build.yml@main", issuer: "")), provenance: [{ signer: build, workflow: shop/api/build.yml@main }]",
            .deny,
            "built by the workflow 'shop/api/build.yml@main', and oidc:1 has no claim workflow_ref of https://ci.example.test; who builds it must ask for it"
        ),
        GateExample(
            bound,
            "\(requester("workflow_ref: shop/api/build.yml@main", issuer: "issuer: \"https://evil.test\", ")), provenance: [{ signer: build, workflow: shop/api/build.yml@main }]",
            .deny,
            "built by the workflow 'shop/api/build.yml@main', and oidc:1 has no claim workflow_ref of https://ci.example.test; who builds it must ask for it"
        ),
        GateExample(bound, "provenance: [{ signer: build }]", .deny, "the provenance names no workflow that could ask for this"),
    ]

    @Test(arguments: provenance)
    func provenanceSays(_ example: GateExample) throws { try example.check() }

    @Test func theManifestsThatWereLookedAtAreNamed() throws {
        let set = try Samples.set(Samples.policy("p", "gates: [{ signatures: { by: [build] } }]"))
        var facts = try Samples.facts()
        facts.signatures = [
            SignatureFact(signer: "build", identity: "k", digest: facts.digest, evidence: Samples.otherDigest),
            SignatureFact(signer: "second", identity: "l", digest: facts.digest, evidence: Samples.digest),
        ]
        #expect(set.evaluate(facts, at: Samples.now).gates.last?.evidence == [Samples.otherDigest])
    }
}

@Suite("The gate on vulnerabilities")
struct VulnerabilityGateTests {
    private static let strict = "vulnerabilities: { below: high, scanAge: 3d }"
    private static let critical = "{ id: CVE-2026-1, severity: critical, package: openssl, fixedIn: 3.0.9 }"
    private static let platforms = "platforms: [{ platform: linux/amd64, digest: amd }, { platform: linux/arm64, digest: arm }]"

    private static func accept(_ more: String) -> String {
        "vulnerabilities: { below: high, accept: [{ id: CVE-2026-1, reason: not reachable, \(more) }] }"
    }

    private static let examples = [
        GateExample(strict, "scans: [{ at: 2h ago }]", .allow, "nothing of high or worse; scanned 2h ago"),
        GateExample(strict, "scans: [{ findings: [{ id: A, severity: medium }] }]", .allow, "nothing of high or worse; scanned 0s ago"),
        GateExample(
            strict, "scans: [{ findings: [\(critical)] }]", .deny,
            "1 of high or worse: CVE-2026-1 (critical in openssl, mended in 3.0.9); mend or accept them"),
        GateExample(
            strict, "scans: [{ findings: [{ id: A, severity: high }] }]", .deny, "1 of high or worse: A (high); mend or accept them"),
        GateExample(
            strict,
            "scans: [{ findings: [{ id: F, severity: high }, { id: E, severity: high }, { id: D, severity: high }, { id: C, severity: high }, { id: B, severity: high }, { id: A, severity: high }] }]",
            .deny, "6 of high or worse: A (high), B (high), C (high), D (high), E (high) and 1 more; mend or accept them"),
        // What the scanner does not know is taken for the worst.
        GateExample(
            "vulnerabilities: { below: critical }", "scans: [{ findings: [{ id: A }] }]", .deny,
            "1 of critical or worse: A (unknown severity); mend or accept them"),
        GateExample(
            "vulnerabilities: { below: critical, unknownSeverity: allow }", "scans: [{ findings: [{ id: A }] }]", .allow,
            "nothing of critical or worse; scanned 0s ago"),
        GateExample(
            "vulnerabilities: { below: high, onlyFixable: true }", "scans: [{ findings: [{ id: A, severity: critical }] }]", .allow,
            "nothing of high or worse; scanned 0s ago"),
        GateExample(
            "vulnerabilities: { below: high, onlyFixable: true }", "scans: [{ findings: [\(critical)] }]", .deny,
            "1 of high or worse: CVE-2026-1 (critical in openssl, mended in 3.0.9); mend or accept them"),
        GateExample(strict, "", .wait, "no scan is known for sha256:03473f89a784…; scan it"),
        GateExample(strict, "scans: []", .wait, "no scan not older than 3d is known for sha256:03473f89a784…; scan it"),
        GateExample(
            strict, "scans: [{ at: 4d ago }]", .wait, "no scan not older than 3d is known for sha256:03473f89a784…; the newest is 4d old; scan it"),
        GateExample(
            "vulnerabilities: { below: high, missing: deny }", "scans: []", .deny, "no scan is known for sha256:03473f89a784…; scan it"),
        GateExample(strict, "scans: [{ digest: other }]", .wait, "no scan not older than 3d is known for sha256:03473f89a784…; scan it"),
        // A new scan takes the place of an old one by the same scanner, and stands beside that of another.
        GateExample(
            strict, "scans: [{ at: 2h ago, findings: [\(critical)] }, { at: 1h ago }]", .allow, "nothing of high or worse; scanned 1h ago"),
        GateExample(
            strict, "scans: [{ scanner: a, at: 2h ago, findings: [\(critical)] }, { scanner: b, at: 1h ago }]", .deny,
            "1 of high or worse: CVE-2026-1 (critical in openssl, mended in 3.0.9); mend or accept them"),
        GateExample(
            "vulnerabilities: { below: high, by: [scanner] }", "scans: [{ }]", .wait, "no scan is known for sha256:03473f89a784…; scan it as scanner"),
        GateExample(
            "vulnerabilities: { below: high, by: [scanner] }", "scans: [{ signer: scanner }]", .allow, "nothing of high or worse; scanned 0s ago"),
        GateExample(
            "vulnerabilities: { below: high, by: [managers] }", "scans: [{ by: user:alice }]", .allow, "nothing of high or worse; scanned 0s ago"),
        GateExample(
            strict, "\(platforms), scans: [{ digest: amd }, { digest: arm, findings: [\(critical)] }]", .deny,
            "1 of high or worse: CVE-2026-1 (critical in openssl, mended in 3.0.9); mend or accept them"),
        GateExample(
            strict, "\(platforms), scans: [{ digest: amd }]", .wait,
            "no scan not older than 3d is known for linux/arm64; the newest is 0s old; scan it"),
        GateExample(strict, "\(platforms), scans: [{ digest: amd }, { digest: arm }]", .allow, "nothing of high or worse; scanned 0s ago"),
        GateExample(
            accept("until: 2026-11-25"), "scans: [{ findings: [\(critical)] }]", .allow,
            "nothing of high or worse, accepted: CVE-2026-1; scanned 0s ago"),
        GateExample(
            accept("until: 2026-11-24"), "scans: [{ findings: [\(critical)] }]", .deny,
            "1 of high or worse: CVE-2026-1 (critical in openssl, mended in 3.0.9, accepted until 2026-11-24); mend or accept them"),
        GateExample(
            accept("until: 2027-01-31, images: [shop/web]"), "scans: [{ findings: [\(critical)] }]", .deny,
            "1 of high or worse: CVE-2026-1 (critical in openssl, mended in 3.0.9); mend or accept them"),
        GateExample(
            accept("until: 2027-01-31, images: [\"shop/*\"]"), "scans: [{ findings: [{ id: GHSA-x, aliases: [CVE-2026-1], severity: high }] }]",
            .allow,
            "nothing of high or worse, accepted: GHSA-x; scanned 0s ago"),
        GateExample(
            accept("until: 2027-01-31"), "scans: [{ findings: [\(critical), { id: CVE-2026-11, severity: high }] }]", .deny,
            "1 of high or worse: CVE-2026-11 (high); mend or accept them"),
    ]

    @Test(arguments: examples)
    func says(_ example: GateExample) throws { try example.check() }
}
