import Foundation
import OCI
import Testing

@Suite struct ManifestTests {
    private static let config = #"{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:\#(String(repeating: "a", count: 64))","size":2}"#
    private static let layer = #"{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:\#(String(repeating: "b", count: 64))","size":3}"#
    private static let image = #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":\#(config),"layers":[\#(layer),\#(layer)]}"#

    private func manifest(_ text: String, servedAs type: String? = nil, expected: Digest? = nil) throws(ManifestError) -> Manifest {
        try Manifest(bytes: Data(text.utf8), servedAs: type.map(MediaType.init), expected: expected)
    }

    @Test func readsAnImageAndKeepsItsBytes() throws {
        let manifest = try manifest(Self.image, servedAs: "application/vnd.oci.image.manifest.v1+json; charset=utf-8")
        #expect(manifest.mediaType == .ociManifest)
        #expect(manifest.bytes == Data(Self.image.utf8))
        #expect(manifest.blobs.count == 2, "a layer that is named twice is one blob")
        #expect(manifest.digest == Digest(hashing: Data(Self.image.utf8)))
    }

    @Test func refusesBytesThatAreNotTheDigests() {
        let other = Digest(hashing: Data("x".utf8))
        #expect(throws: ManifestError.digestMismatch(expected: other, found: Digest(hashing: Data(Self.image.utf8)))) {
            try manifest(Self.image, expected: other)
        }
    }

    /// CVE-2021-41190: two readers must not understand the same bytes differently.
    @Test func refusesAmbiguousManifests() {
        let both = #"{"schemaVersion":2,"config":\#(Self.config),"layers":[],"manifests":[]}"#
        #expect(throws: ManifestError.self) { try manifest(both) }
        #expect(throws: ManifestError.self) { try manifest(both, servedAs: "application/vnd.oci.image.index.v1+json") }
        #expect(throws: ManifestError.self) { try manifest(Self.image, servedAs: "application/vnd.oci.image.index.v1+json") }
    }

    @Test(arguments: [
        "", "[]", "null", "{", #"{"schemaVersion":2}"#, #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json"}"#,
        #"{"schemaVersion":2,"config":{"digest":"sha256:zz","size":1}}"#,
        #"{"schemaVersion":2,"config":{"mediaType":"a","digest":"sha256:\#(String(repeating: "a", count: 64))","size":-1}}"#,
        #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":{}}"#,
    ])
    func refusesMalformedManifests(_ text: String) { #expect(throws: ManifestError.self) { try manifest(text) } }

    @Test func refusesSchema1() {
        #expect(throws: ManifestError.self) { try manifest(#"{"schemaVersion":1,"name":"a"}"#) }
        #expect(throws: ManifestError.self) { try manifest("{}", servedAs: "application/vnd.docker.distribution.manifest.v1+prettyjws") }
    }

    @Test func refusesWhatIsTooLarge() {
        #expect(throws: ManifestError.tooLarge(bytes: ManifestLimits.bytes + 1, limit: ManifestLimits.bytes)) {
            try manifest(String(repeating: " ", count: ManifestLimits.bytes + 1))
        }
    }

    @Test func refusesTooManyChildren() {
        let layers = Array(repeating: Self.layer, count: ManifestLimits.children + 1).joined(separator: ",")
        #expect(throws: ManifestError.self) { try manifest(#"{"schemaVersion":2,"config":\#(Self.config),"layers":[\#(layers)]}"#) }
    }

    @Test func carriesUnknownTypesAsTheyAre() throws {
        let manifest = try manifest(#"{"anything":[1]}"#, servedAs: "application/vnd.example.thing.v1+json")
        #expect(manifest.content == .opaque)
        #expect(manifest.blobs.isEmpty && manifest.children.isEmpty)
    }

    @Test func readsAnArtifactManifest() throws {
        let type = MediaType.ociArtifactManifest
        let manifest = try manifest(#"{"mediaType":"\#(type)","artifactType":"application/vnd.example.sbom","blobs":[\#(Self.layer),\#(Self.layer)]}"#)
        #expect(manifest.mediaType == type)
        #expect(manifest.artifactType == "application/vnd.example.sbom")
        #expect(manifest.blobs.map(\.digest.hex) == [String(repeating: "b", count: 64)])
        #expect(manifest.children.isEmpty)
    }

    @Test func platformsSatisfyRequirements() throws {
        let arm = try #require(Platform(parsing: "linux/arm/v7"))
        #expect(arm.satisfies(try #require(Platform(parsing: "linux/arm"))))
        #expect(!arm.satisfies(try #require(Platform(parsing: "linux/arm/v6"))))
        #expect(Platform(parsing: "linux") == nil && Platform(parsing: "linux//") == nil)
    }
}
