import APIModel
import Foundation
import OCI
import TestSupport
import Testing

/// A promotion that a person can review: two versions of an image on real registries, with bills of materials, scans and a policy that waits.
@Suite(.inTurn) struct ReviewTests {
    private static let source = "https://github.com/shop/api"

    /// A version on a base layer that all share.
    private static func image(_ version: String, revision: String, seed: UInt64, environment: [String], user: String, label: String = "shop") throws -> ImageFixture {
        let layers = [BlobFixture(size: 4_000, seed: 7), BlobFixture(size: 1_000, seed: seed)]
        let labels = [
            "org.opencontainers.image.source": source, "org.opencontainers.image.revision": revision, "org.opencontainers.image.version": version, "team": label,
        ]
        let runtime: [String: Any] = ["Labels": labels, "Env": environment, "User": user, "Cmd": ["serve", "--token=abc"], "ExposedPorts": ["8080/tcp": [String: String]()]]
        let config = BlobFixture(
            try json([
                "os": "linux", "architecture": "amd64", "created": "2026-03-01T00:00:00Z", "config": runtime,
                "rootfs": ["type": "layers", "diff_ids": layers.map(\.digest.description)],
            ]))
        let manifest: [String: Any] = [
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "annotations": ["org.opencontainers.image.base.name": "base/debian:\(seed)"],
            "config": ["mediaType": "application/vnd.oci.image.config.v1+json", "digest": config.digest.description, "size": config.size],
            "layers": layers.map { ["mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": $0.digest.description, "size": $0.size] as [String: Any] },
        ]
        return ImageFixture(
            root: ManifestFixture(mediaType: "application/vnd.oci.image.manifest.v1+json", bytes: try json(manifest)), blobs: layers + [config])
    }

    private static func json(_ value: [String: Any]) throws -> Data { try JSONSerialization.data(withJSONObject: value, options: [.sortedKeys, .withoutEscapingSlashes]) }

    private static func spdx(_ packages: [(String, String)]) -> String {
        let entries = packages.map {
            #"{"name":"\#($0.0)","versionInfo":"\#($0.1)","externalRefs":[{"referenceCategory":"PACKAGE-MANAGER","referenceType":"purl","referenceLocator":"pkg:deb/debian/\#($0.0)@\#($0.1)?arch=amd64"}]}"#
        }
        return #"{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","packages":[\#(entries.joined(separator: ","))]}"#
    }

    private static func report(_ findings: [(String, String)]) -> String {
        let entries = findings.map { #"{"VulnerabilityID":"\#($0.0)","PkgName":"openssl","FixedVersion":"9","Severity":"\#($0.1)"}"# }
        return #"{"SchemaVersion":2,"ArtifactName":"a","Results":[{"Target":"a","Class":"os-pkgs","Vulnerabilities":[\#(entries.joined(separator: ","))]}]}"#
    }

    private func attach(_ document: String, to image: ImageFixture, _ lift: Lift, _ repository: String) async throws {
        let type = "application/spdx+json"
        try await lift.shared.attach(
            [try ImageFixture.artifact(type: type, about: image.root, content: [(type, BlobFixture(Data(document.utf8)))])], to: image.root, in: repository)
    }

    @Test func aPersonSeesWhatWouldChange() async throws {
        let lift = try await Lift.make()
        try lift.folder.write(
            "version: 1\nkind: Policy\nname: go\nmatch: { images: [shop/api], from: dev, to: test }\ngates: [{ evidence: { kind: tests } }]\n", to: "policies/dev-to-test.yaml")
        let first = try Self.image(
            "1.0.0", revision: "4f5e9b1c2d3a", seed: 1, environment: ["MODE=fast", "DB_PASSWORD=hunter2", "SAME=1"], user: "1000")
        let second = try Self.image(
            "1.1.0", revision: "a1b2c3d4e5f6", seed: 2, environment: ["MODE=safe", "DB_PASSWORD=hunter3", "SAME=1"], user: "root",
            label: "[x](https://evil.test) @everybody `y`\n# z")
        for tag in ["1.0.0", "stable"] { try await lift.shared.push(first, to: "dev/shop/api", tag: tag) }
        try await attach(Self.spdx([("openssl", "3.0.1"), ("zlib", "1.2"), ("bash", "5.2")]), to: first, lift, "dev/shop/api")
        let service = try await lift.start()
        let admin = try Caller.admin(of: lift)

        let alone: ReviewResource = try await admin.answer("GET", "/v1/review?image=shop/api&from=dev&to=test&tag=1.0.0")
        #expect(alone.baseline == nil && alone.packages?.counts.total == 3 && alone.packages?.compared == false && alone.decision?.outcome == "wait")
        #expect(alone.vulnerabilities == nil && alone.remarks.contains { $0.contains("no scan of this version") })

        let _: PostedResource = try await admin.answer("POST", "/v1/evidence", EvidenceBody(digest: first.digest.description, kind: "tests", result: "passed"))
        let _: PostedResource = try await admin.answer(
            "POST", "/v1/evidence/scans?digest=\(first.digest)", raw: Self.report([("CVE-1", "HIGH"), ("CVE-2", "LOW")]))
        for tag in ["1.0.0", "stable"] { #expect(try await lift.promote("shop/api:\(tag)", from: "dev", to: "test").state == "succeeded") }

        for tag in ["1.1.0", "stable"] { try await lift.shared.push(second, to: "dev/shop/api", tag: tag) }
        try await attach(Self.spdx([("openssl", "3.0.2"), ("zlib", "1.2"), ("curl", "8.0")]), to: second, lift, "dev/shop/api")
        let _: PostedResource = try await admin.answer(
            "POST", "/v1/evidence/scans?digest=\(second.digest)", raw: Self.report([("CVE-2", "LOW"), ("CVE-3", "CRITICAL")]))

        let review: ReviewResource = try await admin.answer("GET", "/v1/review?image=shop/api&from=dev&to=test&tag=1.1.0")
        #expect(review.baseline?.digest == first.digest.description && review.baseline?.tag == "1.0.0" && review.there.isEmpty)
        check(review)
        try await aPromotion(lift, admin, first, second)
        try await onTheCommandLine(lift)
        try await service.terminate()
    }

    private func check(_ review: ReviewResource) {
        #expect(review.source.compareUrl == "https://github.com/shop/api/compare/4f5e9b1c2d3a...a1b2c3d4e5f6")
        #expect(review.packages?.changed == [.init(type: "deb", name: "debian/openssl", before: ["3.0.1"], after: ["3.0.2"])])
        #expect(review.packages?.added.map(\.name) == ["debian/curl"] && review.packages?.removed.map(\.name) == ["debian/bash"] && review.packages?.counts.unchanged == 1)
        #expect(review.vulnerabilities?.new.map(\.id) == ["CVE-3"] && review.vulnerabilities?.fixed.map(\.id) == ["CVE-1"])
        #expect(review.vulnerabilities?.remaining.map(\.id) == ["CVE-2"])
        #expect(
            review.configuration == [
                .init(name: "env DB_PASSWORD", before: "•••", after: "•••"), .init(name: "env MODE", before: "fast", after: "safe"),
                .init(name: "user", before: "1000", after: "root"),
            ])
        #expect(review.labels.map(\.name) == ["org.opencontainers.image.revision", "org.opencontainers.image.version", "team"])
        #expect(review.base.map(\.after) == ["base/debian:2"] && review.layers.shared.layers == 1 && review.layers.new.bytes == 1_000 && review.layers.removed.layers == 1)
        #expect(review.platforms.kept == ["linux/amd64"] && review.size.before != nil)
    }

    /// One that waits says what is missing, one that has ended what it took the place of.
    private func aPromotion(_ lift: Lift, _ admin: Caller, _ first: ImageFixture, _ second: ImageFixture) async throws {
        let promotion = try await lift.request("shop/api:stable", from: "dev", to: "test")
        _ = try await admin.waiting(promotion.id)
        let waiting: ReviewResource = try await admin.answer("GET", "/v1/promotions/\(promotion.id)/review")
        #expect(waiting.there.map(\.moves) == [true] && waiting.baseline?.reason.contains("would move") == true && waiting.state == "waiting")
        #expect(waiting.decision?.outcome == "wait" && waiting.requests.map(\.gate) == ["evidence tests"])
        check(waiting)
        let _: PostedResource = try await admin.answer("POST", "/v1/evidence", EvidenceBody(digest: second.digest.description, kind: "tests", result: "passed"))
        #expect(try await admin.promotion(promotion.id, wait: 10).state == "succeeded")
        let ended: ReviewResource = try await admin.answer("GET", "/v1/promotions/\(promotion.id)/review")
        #expect(ended.baseline?.digest == first.digest.description && ended.baseline?.reason.contains("before this promotion") == true)
        check(ended)
        #expect(try await admin.send("GET", "/v1/promotions/\(UUID())/review").status == 404)
        #expect(try await admin.send("GET", "/v1/review?image=shop/api&from=dev&to=test").status == 400)
    }

    private func onTheCommandLine(_ lift: Lift) async throws {
        let arguments = ["review", "shop/api:1.1.0", "--from", "dev", "--to", "test"]
        let table = try await lift.command(arguments[0], arguments[1], "--from", "dev", "--to", "test")
        for part in ["CVE-3", "critical", "debian/openssl", "3.0.1 → 3.0.2", "env DB_PASSWORD: ••• → •••", "1 added, 1 removed, 1 changed, 1 the same"] {
            #expect(table.status == .exited(0) && table.output.contains(part), "\(part): \(table.output)\(table.errors)")
        }
        let json: ReviewResource = try await lift.json(arguments)
        check(json)
        let markdown = try await lift.command(arguments[0], arguments[1], "--from", "dev", "--to", "test", "-o", "markdown")
        #expect(markdown.output.hasPrefix("### Promotion of `shop/api:1.1.0` from `dev` to `test`"), "\(markdown.output)\(markdown.errors)")
        #expect(markdown.output.contains("- new: `CVE-3` critical") && markdown.output.contains("- `team`: `shop` → ``[x](https://evil.test) @everybody `y`�# z``"))
        #expect(!table.output.contains("hunter") && !markdown.output.contains("hunter"))
    }

    /// docker buildx writes bills of materials into the index itself.
    @Test func whatBuildKitWritesIsRead() async throws {
        let lift = try await Lift.make()
        let service = try await lift.start()
        let image = try ImageFixture.image(labels: Lift.labels, seed: 3)
        let statement = BlobFixture(
            Data(
                #"{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://spdx.dev/Document","subject":[],"predicate":\#(Self.spdx([("a", "1"), ("b", "2")]))}"#
                    .utf8))
        let config = BlobFixture(Data(#"{"architecture":"unknown","os":"unknown"}"#.utf8))
        let attestation = ManifestFixture(
            mediaType: "application/vnd.oci.image.manifest.v1+json",
            bytes: try Self.json([
                "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": ["mediaType": "application/vnd.oci.image.config.v1+json", "digest": config.digest.description, "size": config.size],
                "layers": [
                    [
                        "mediaType": "application/vnd.in-toto+json", "digest": statement.digest.description, "size": statement.size,
                        "annotations": ["in-toto.io/predicate-type": "https://spdx.dev/Document"],
                    ] as [String: Any]
                ],
            ]))
        let entries: [[String: Any]] = [
            [
                "mediaType": image.root.mediaType, "digest": image.digest.description, "size": image.root.bytes.count,
                "platform": ["os": "linux", "architecture": "amd64"],
            ],
            [
                "mediaType": attestation.mediaType, "digest": attestation.digest.description, "size": attestation.bytes.count,
                "platform": ["os": "unknown", "architecture": "unknown"],
                "annotations": ["vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": image.digest.description],
            ],
        ]
        let type = "application/vnd.oci.image.index.v1+json"
        let index = ImageFixture(
            root: ManifestFixture(mediaType: type, bytes: try Self.json(["schemaVersion": 2, "mediaType": type, "manifests": entries])),
            children: [image, ImageFixture(root: attestation, blobs: [statement, config])])
        try await lift.shared.push(index, to: "dev/shop/built", tag: "1.0.0")
        let review: ReviewResource = try await Caller.admin(of: lift).answer("GET", "/v1/review?image=shop/built&from=dev&to=test&tag=1.0.0")
        #expect(review.packages?.counts.total == 2 && review.packages?.after.map(\.origin) == ["attached"] && review.platforms.added == ["linux/amd64"])
        #expect(review.layers.new.layers == image.blobs.count - 1, "attestations are no layers")
        try await service.terminate()
    }
}
