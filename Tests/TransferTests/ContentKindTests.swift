import Foundation
import OCI
import Registry
import TestSupport
import Testing
import Transfer

/// Everything that a registry can hold goes from one real registry to another and is the same there, to the byte.
@Suite(.inTurn, .serialized, .timeLimit(.minutes(15))) struct ContentKindTests {
    struct Kind: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let image: SampleImage
        init(_ name: String, _ image: SampleImage) {
            testDescription = name
            self.image = image
        }
    }

    private static let layer = "application/vnd.oci.image.layer.v1.tar"
    private static let config = SampleLayer(
        MediaType.ociConfig.description, Data(#"{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]}}"#.utf8))
    private static let empty = SampleImage.emptyJSON

    private static func bytes(_ seed: String) -> Data { SampleImage.bytes(seed, count: 3_000) }

    private static func descriptor(_ blob: Data, _ mediaType: String, members: String = "") -> String {
        #"{"mediaType":"\#(mediaType)","digest":"\#(Digest(hashing: blob))","size":\#(blob.count)\#(members)}"#
    }

    private static let inline = #","data":"e30=""#

    static let kinds: [Kind] = [
        Kind("Docker schema 2", .single("docker", format: .docker)),
        Kind("Docker manifest list", .index([.single("one", format: .docker), .single("two", format: .docker)], format: .docker)),
        Kind("OCI index over Docker images", .index([.single("one", format: .docker), .single("two")])),
        Kind("zero-length layer", .artifact(config: config, layers: [SampleLayer(layer, Data()), SampleLayer(layer, bytes("a"))])),
        Kind("nothing but zero-length layers", .artifact(config: config, layers: [SampleLayer(layer, Data()), SampleLayer(layer, Data())])),
        Kind("the same layer twice", .artifact(config: config, layers: ["a", "b", "a"].map { SampleLayer(layer, bytes($0)) })),
        Kind("configuration and layer are the empty descriptor", .artifact(type: "application/vnd.example.note", layers: [empty])),
        Kind("no layers", .artifact(type: "application/vnd.example.note", layers: [])),
        Kind(
            "empty descriptor with inline data",
            .written(
                #"{"schemaVersion":2,"mediaType":"\#(MediaType.ociManifest)","artifactType":"application/vnd.example.note","#
                    + #""config":\#(descriptor(empty.bytes, empty.mediaType, members: inline)),"layers":[\#(descriptor(empty.bytes, empty.mediaType, members: inline))]}"#,
                blobs: [empty.bytes])),
        Kind("zstd layers", .artifact(config: config, layers: ["a", "b"].map { SampleLayer(layer + "+zstd", Data([0x28, 0xB5, 0x2F, 0xFD]) + bytes($0)) })),
        Kind(
            "Helm chart",
            .artifact(
                config: SampleLayer("application/vnd.cncf.helm.config.v1+json", Data(#"{"name":"chart","version":"1.0.0","apiVersion":"v2"}"#.utf8)),
                layers: [
                    SampleLayer("application/vnd.cncf.helm.chart.content.v1.tar+gzip", bytes("chart")),
                    SampleLayer("application/vnd.cncf.helm.chart.provenance.v1.prov", Data("-----BEGIN PGP SIGNED MESSAGE-----".utf8)),
                ], annotations: ["org.opencontainers.image.title": "chart"])),
        Kind(
            "WASM",
            .artifact(
                config: SampleLayer("application/vnd.wasm.config.v0+json", Data(#"{"os":"wasip2","architecture":"wasm"}"#.utf8)),
                layers: [SampleLayer("application/wasm", Data([0x00, 0x61, 0x73, 0x6D]) + bytes("wasm"))])),
        Kind(
            "media types that nobody knows",
            .artifact(
                type: "application/vnd.nobody.thing.v9", config: SampleLayer("application/x-config", Data("not JSON \u{0}".utf8)),
                layers: [SampleLayer("video/mp4", bytes("film")), SampleLayer("text/plain;charset=utf-8", Data("words".utf8))])),
        Kind(
            "an index of artifacts, nested",
            .index([
                .index([.artifact(type: "application/vnd.example.a", layers: [SampleLayer("text/plain", Data("a".utf8))])]), .single("image"),
            ])),
        Kind("BuildKit cache: an index without platforms", .index(of: [(.artifact(config: config, layers: [SampleLayer(layer + "+gzip", bytes("cache"))]), "")])),
        Kind(
            "a manifest that does not name its kind, with spaces and members of its own",
            .written(
                "{\n  \"layers\" : [ \(descriptor(bytes("a"), layer)) ],\n  \"config\":\(descriptor(config.bytes, config.mediaType)),"
                    + " \"future\": {\"x\": [1.50, null, \"ü\\u00fc\"]},\n  \"schemaVersion\": 2 }\n",
                blobs: [config.bytes, bytes("a")])),
        Kind(
            "a subject that is nowhere",
            .artifact(
                type: "application/vnd.example.signature", about: SampleImage.single("absent").document, layers: [SampleLayer("text/plain", Data("signed".utf8))])),
    ]

    @Test(arguments: kinds) func arrivesAsItIs(kind: Kind) async throws {
        let image = kind.image
        try await withRegistries(2) { harness, registries in
            try registries[0].put(image, in: "dev/app")
            let source = try harness.site(registries[0].port, "dev/app")
            let report = try await harness.copy(image.digest, from: source, to: harness.site(registries[1].port, "app"))
            #expect(try registries[1].holds(image, in: "app"))
            #expect(report.targets[0].copied.blobs == Set(image.blobDigests).count)
            // The tag as well: what the registry gives for it are the same bytes.
            _ = try await harness.engine.moveTag(
                try Tag(parsing: "v1"), to: image.digest, at: harness.site(registries[1].port, "app"), seen: nil, deadline: .now + .seconds(20),
                meter: RequestMeter())
            #expect(try registries[1].manifest("app", "v1") == image.document.bytes)
            // And mounted, on one server.
            let mounted = try await harness.copy(image.digest, from: source, to: harness.site(registries[0].port, "test/app"))
            #expect(try registries[0].holds(image, in: "test/app"))
            #expect(mounted.targets[0].copied.blobs == 0)
        }
    }

    @Test(arguments: [
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    ])
    func foreignLayersStayWhereTheyAre(mediaType: String) async throws {
        let foreign = Self.bytes("windows")
        let kind: MediaType = mediaType.contains("docker") ? .dockerManifest : .ociManifest
        let elsewhere = try ScriptedPeer { _ in .answer(PeerResponse(404)) }
        defer { elsewhere.stop() }
        let layers = [
            Self.descriptor(foreign, mediaType, members: #","urls":["http://\#(elsewhere.host)/layer"]"#), Self.descriptor(Self.bytes("own"), Self.layer),
        ]
        let image = SampleImage.written(
            #"{"schemaVersion":2,"mediaType":"\#(kind)","config":\#(Self.descriptor(Self.config.bytes, Self.config.mediaType)),"#
                + #""layers":[\#(layers.joined(separator: ","))]}"#,
            as: kind, blobs: [Self.config.bytes, Self.bytes("own")])
        var setup = DockerRegistry.Setup()
        setup.takesForeignLayers = true
        try await withRegistries(2, setup) { harness, registries in
            try registries[0].put(image, in: "app")
            // Even where the source holds it, it is not ours to carry.
            try registries[0].put(foreign, in: "app")
            let report = try await harness.copy(image.digest, from: harness.site(registries[0].port, "app"), to: harness.site(registries[1].port, "app"))
            #expect(try registries[1].holds(image, in: "app"))
            #expect(try registries[1].blob("app", Digest(hashing: foreign)) == nil)
            #expect(report.targets[0].copied.blobs == 2)
            #expect(elsewhere.requests.isEmpty, "what the layer's URLs name is never asked")
        }
    }

    /// Docker's registry keeps blobs by any registered algorithm, manifests by SHA-256 alone.
    @Test func blobsNamedBySHA512Arrive() async throws {
        let blob = Self.bytes("long digest")
        let digest = Digest(hashing: blob, with: .sha512)
        let image = SampleImage.written(
            #"{"schemaVersion":2,"mediaType":"\#(MediaType.ociManifest)","config":\#(Self.descriptor(Self.config.bytes, Self.config.mediaType)),"#
                + #""layers":[{"mediaType":"\#(Self.layer)","digest":"\#(digest)","size":\#(blob.count)}]}"#,
            blobs: [Self.config.bytes])
        try await withRegistries(2) { harness, registries in
            try registries[0].put(blob, in: "app", as: digest)
            try registries[0].put(image, in: "app")
            let report = try await harness.copy(image.digest, from: harness.site(registries[0].port, "app"), to: harness.site(registries[1].port, "app"))
            #expect(try registries[1].holds(image, in: "app"))
            #expect(try registries[1].blob("app", digest) == blob)
            #expect(report.targets[0].copied.blobs == 2)
        }
    }

    /// Registries that keep manifests by SHA-512 (zot, regclient's folders): both ends are peers that do.
    @Test func manifestsNamedBySHA512Arrive() async throws {
        let image = SampleImage.single("long")
        let digest = Digest(hashing: image.document.bytes, with: .sha512)
        try await withRegistries(2) { harness, registries in
            try registries[0].put(image, in: "app")
            let peers = try registries.map { registry in
                try ScriptedPeer.before(registry) { request, pass in
                    var request = request
                    request.target = request.target.replacing(digest.description, with: image.digest.description)
                    var response = try pass(request)
                    if response["Docker-Content-Digest"] == image.digest.description { response["Docker-Content-Digest"] = digest.description }
                    return .answer(response)
                }
            }
            defer { for peer in peers { peer.stop() } }
            _ = try await harness.copy(digest, from: harness.site(peers[0].port, "app"), to: harness.site(peers[1].port, "app"))
            #expect(try registries[1].holds(image, in: "app"))
            #expect(peers[1].requests.contains { $0.method == "PUT" && $0.path.hasSuffix(digest.description) })
        }
    }

    /// A manifest of a kind that we know nothing of, and the withdrawn artifact manifest, whose blobs go with it: Docker's registry takes
    /// neither, so the manifests are kept by peers.
    @Test(arguments: [MediaType.ociArtifactManifest, MediaType("application/vnd.example.thing.v1+json")])
    func otherKindsOfManifestArrive(mediaType: MediaType) async throws {
        let blob = Self.bytes("sbom")
        let type = "application/spdx+json"
        let bytes = Data(#"{"mediaType":"\#(mediaType)","artifactType":"\#(type)","blobs":[\#(Self.descriptor(blob, type))]}"#.utf8)
        let digest = Digest(hashing: bytes)
        try await withRegistries(2) { harness, registries in
            let stores = [Collected<PeerRequest>(), Collected<PeerRequest>()]
            let peers = try zip(registries, stores).map { registry, store in
                try ScriptedPeer.before(registry) { request, pass in
                    guard request.path.contains("/manifests/") else { return .answer(try pass(request)) }
                    if request.method == "PUT" { store.append(request) }
                    guard let kept = store.all.last else { return .answer(PeerResponse(404)) }
                    let fields: KeyValuePairs = ["Content-Type": kept["content-type"] ?? "", "Docker-Content-Digest": digest.description]
                    return .answer(PeerResponse(request.method == "PUT" ? 201 : 200, fields, body: request.method == "PUT" ? [] : kept.body))
                }
            }
            defer { for peer in peers { peer.stop() } }
            stores[0].append(PeerRequest("PUT", "/", fields: [("content-type", mediaType.description)], body: Array(bytes)))
            try registries[0].put(blob, in: "app")
            _ = try await harness.copy(digest, from: harness.site(peers[0].port, "app"), to: harness.site(peers[1].port, "app"))
            #expect(stores[1].all.last?.body == Array(bytes))
            #expect(stores[1].all.last?["content-type"] == mediaType.description)
            #expect(try registries[1].blob("app", Digest(hashing: blob)) == (mediaType == .ociArtifactManifest ? blob : nil))
        }
    }

    @Test(arguments: ["application/vnd.docker.distribution.manifest.v1+prettyjws", "application/vnd.docker.distribution.manifest.v1+json", "application/json"])
    func schema1IsRefusedWithAClearWord(mediaType: String) async throws {
        let bytes = Data(#"{"schemaVersion":1,"name":"app","tag":"v1","fsLayers":[]}"#.utf8)
        let peer = try ScriptedPeer { _ in .answer(PeerResponse(200, ["Content-Type": mediaType], body: Array(bytes))) }
        defer { peer.stop() }
        try await withHarness { harness in
            let source = try harness.site(peer.port, "app", named: "old")
            let error = await transferError { _ = try await harness.engine.plan(Digest(hashing: bytes), from: source, to: []) }
            guard case .registry(.malformed(let place, _)) = error else { throw Unexpected(error as Any) }
            #expect(place.registry == "old")
            #expect(error?.description.contains("is Docker schema 1, which cannot be copied by digest: push the image anew as schema 2 or OCI") == true)
            #expect(error?.isTransient == false)
        }
    }
}
