import Foundation
import HTTPTransport
import OCI
import Registry
import TestSupport
import Testing

/// Manifests, blobs, uploads, mounts and tags at a real registry.
@Suite(.inTurn, .serialized, .timeLimit(.minutes(15))) struct ContentTests {
    private func push(_ blobs: [Data], to repository: RepositoryName, _ client: RegistryClient) async throws {
        for blob in blobs {
            try await client.finishUpload(try await client.startUpload(repository), bytes: blob, digest: Digest(hashing: blob))
        }
    }

    @Test(arguments: SampleImage.Format.allCases) func whatIsPushedComesBackUnchanged(format: SampleImage.Format) async throws {
        let image = SampleImage.index([.single("a", format: format), .single("b", format: format)], format: format)
        try await withRegistry { registry, client in
            let repository = try RepositoryName.of("deep/er/app")
            try await push(image.blobs, to: repository, client)
            for document in image.manifests {
                let manifest = try document.manifest
                #expect(try await client.putManifest(manifest, to: repository, as: .digest(manifest.digest)) == .stored())
                #expect(try await client.manifest(repository, .digest(manifest.digest)) == manifest)
            }
            let root = try image.root
            let tag = try ManifestReference.named("v1.0")
            #expect(try await client.putManifest(root, to: repository, as: tag) == .stored())
            let head = try await client.headManifest(repository, tag)
            #expect(head?.digest == root.digest)
            #expect(head?.mediaType == root.mediaType)
            #expect(try await client.manifest(repository, tag) == root)
            #expect(try registry.manifest("deep/er/app", "v1.0") == root.bytes)
            for blob in image.blobs {
                #expect(try await client.headBlob(repository, Digest(hashing: blob)) == Int64(blob.count))
                #expect(try await client.blob(repository, Digest(hashing: blob), limit: blob.count) == blob)
            }
        }
    }

    @Test func whatIsNotThereIsSaidSo() async throws {
        try await withRegistry { _, client in
            let repository = try RepositoryName.of("none")
            let digest = Digest(hashing: Data("nothing".utf8))
            #expect(try await client.headManifest(repository, .named("latest")) == nil)
            #expect(try await client.headBlob(repository, digest) == nil)
            #expect(try await client.tags(repository).tags == [])
            let reference = try ManifestReference.named("latest")
            let error = await registryError { () throws(RegistryError) in _ = try await client.manifest(repository, reference) }
            guard case .notFound(let place, let answer) = error else { throw RegistryMismatch(error) }
            #expect(place == RegistryPlace(registry: "test", repository: repository, reference: "latest"))
            #expect(answer.code == "MANIFEST_UNKNOWN")
            #expect(error?.description.hasPrefix("none:latest in registry test: not found (404 MANIFEST_UNKNOWN") == true)
            let blob = await registryError { () throws(RegistryError) in _ = try await client.blob(repository, digest, limit: 10) }
            #expect(blob?.answer?.status == 404)
        }
    }

    @Test func aManifestPutNamesEveryMissingBlob() async throws {
        let image = SampleImage.single("missing", layers: 700, layerBytes: 3)
        try await withRegistry { registry, client in
            let repository = try RepositoryName.of("app")
            try registry.put(image.blobs[1], in: "app")
            let put = try await client.putManifest(image.root, to: repository, as: .named("v1"))
            guard case .missingContent(let missing, let message) = put else { throw RegistryMismatch(nil) }
            #expect(Set(missing) == Set(image.blobDigests).subtracting([image.blobDigests[1]]))
            #expect(message == "blob unknown to registry")
            #expect(try registry.manifest("app", "v1") == nil)
        }
    }

    @Test func anIndexPutNamesMissingChildren() async throws {
        let image = SampleImage.index([.single("a"), .single("b")])
        try await withRegistry { _, client in
            let put = try await client.putManifest(image.root, to: .of("app"), as: .named("v1"))
            guard case .missingContent(let missing, _) = put else { throw RegistryMismatch(nil) }
            #expect(Set(missing) == Set(image.manifests.dropLast().map(\.digest)))
        }
    }

    @Test func mountsWhatAnotherRepositoryHolds() async throws {
        let blob = SampleImage.bytes("mounted", count: 5_000)
        try await withRegistry { registry, client in
            try registry.put(blob, in: "from")
            guard case .mounted = try await client.mountBlob(Digest(hashing: blob), to: .of("to"), from: .of("from")) else {
                throw RegistryMismatch(nil)
            }
            #expect(try registry.blob("to", Digest(hashing: blob)) == blob)
        }
    }

    @Test func theSessionOfARefusedMountTakesTheBlob() async throws {
        let blob = SampleImage.bytes("not mounted", count: 5_000)
        try await withRegistry { registry, client in
            let outcome = try await client.mountBlob(Digest(hashing: blob), to: .of("to"), from: .of("empty"))
            guard case .notMounted(let session) = outcome else { throw RegistryMismatch(nil) }
            try await client.finishUpload(session, bytes: blob, digest: Digest(hashing: blob))
            #expect(try registry.blob("to", Digest(hashing: blob)) == blob)
        }
    }

    @Test func aCancelledUploadIsGone() async throws {
        try await withRegistry { _, client in
            let session = try await client.startUpload(.of("app"))
            await client.cancelUpload(session)
            let error = await registryError { () throws(RegistryError) in
                try await client.finishUpload(session, bytes: Data("x".utf8), digest: Digest(hashing: Data("x".utf8)))
            }
            guard case .uploadLost = error else { throw RegistryMismatch(error) }
        }
    }

    @Test func aWrongBlobIsRefusedByTheRegistry() async throws {
        try await withRegistry { registry, client in
            let digest = Digest(hashing: Data("right".utf8))
            let session = try await client.startUpload(.of("app"))
            let error = await registryError { () throws(RegistryError) in
                try await client.finishUpload(session, bytes: Data("wrong".utf8), digest: digest)
            }
            #expect(error?.answer?.code == "DIGEST_INVALID")
            #expect(try registry.blob("app", digest) == nil)
        }
    }

    @Test func readsTags() async throws {
        let image = SampleImage.single("tags", layers: 1)
        try await withRegistry { registry, client in
            for blob in image.blobs { try registry.put(blob, in: "app") }
            let names = (0..<7).map { "v\($0)" }
            for name in names { try registry.put(image.manifests[0], in: "app", as: name) }
            let page = try await client.tags(.of("app"))
            #expect(page.tags.map(\.description).sorted() == names)
            #expect(page.next == nil)
        }
    }

    @Test func aBlobOverTheLimitIsNotTaken() async throws {
        let blob = SampleImage.bytes("large", count: 200_000)
        try await withRegistry { registry, client in
            try registry.put(blob, in: "app")
            let repository = try RepositoryName.of("app")
            for limit in [10, 100_000, 199_999] {
                let error = await registryError { () throws(RegistryError) in
                    _ = try await client.blob(repository, Digest(hashing: blob), limit: limit)
                }
                guard case .malformed(_, let reason) = error else { throw RegistryMismatch(error) }
                #expect(reason == "the blob is larger than \(limit) bytes")
            }
        }
    }

    @Test func deletesAManifest() async throws {
        let image = SampleImage.single("deleted")
        try await withRegistry { registry, client in
            try registry.put(image, in: "app", tag: "v1")
            try await client.deleteManifest(.of("app"), image.digest)
            #expect(try registry.manifest("app", "v1") == nil)
            try await client.deleteManifest(.of("app"), image.digest)
        }
    }

    @Test func metersWhatItAsks() async throws {
        let image = SampleImage.single("metered")
        try await withRegistry { registry, client in
            try registry.put(image, in: "app", tag: "v1")
            let meter = RequestMeter()
            _ = try await client.headManifest(.of("app"), .named("v1"), meter: meter)
            _ = try await client.manifest(.of("app"), .named("v1"), meter: meter)
            _ = try await client.mountBlob(image.blobDigests[0], to: .of("to"), from: .of("app"), meter: meter)
            #expect(meter.requests == ["head": 1, "get": 1, "post": 1])
        }
    }
}

/// An outcome that a test did not expect.
struct RegistryMismatch: Error, CustomStringConvertible {
    let description: String
    init(_ error: RegistryError?) { description = "unexpected outcome: \(error.map { "\($0)" } ?? "no error")" }
}
