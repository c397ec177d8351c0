import AuditLog
import Foundation
import OCI
import PolicyEngine
import PromotionCore
import Registry

/// Pushes checkpoints to a registry as OCI artifacts: the tag `latest` names the newest, a tag with its size each of them.
struct RegistryCheckpointSink: CheckpointSink {
    static let type = "application/vnd.c2sp.tlog-checkpoint"
    private static let empty = Data("{}".utf8)

    let registry: String
    let repository: RepositoryName
    let sites: RegistrySites
    let policies: any PolicySource

    var name: String { "registry \(registry)/\(repository)" }

    private struct Document: Encodable {
        struct Entry: Encodable {
            let mediaType: String
            let digest: String
            let size: Int

            init(_ type: String, _ bytes: Data) {
                mediaType = type
                digest = Digest(hashing: bytes).description
                size = bytes.count
            }
        }

        let schemaVersion = 2
        let mediaType = MediaType.ociManifest.description
        let artifactType = RegistryCheckpointSink.type
        let config = Entry("application/vnd.oci.empty.v1+json", RegistryCheckpointSink.empty)
        let layers: [Entry]
    }

    func publish(
        _ note: String, size: UInt64, after published: UInt64, path: @Sendable (UInt64) async throws -> [MerkleHash]
    ) async throws(CheckpointSinkFailure) -> Cosignature? {
        if let last = try await newest() {
            let there: Checkpoint
            do { there = try Checkpoint(claimedBy: last) } catch { throw CheckpointSinkFailure("what 'latest' names is no checkpoint: \(error)") }
            guard there.size <= size else { throw CheckpointSinkFailure("it has a checkpoint over \(there.size) entries, more than the log's \(size)") }
        }
        do {
            let client = try await client()
            let bytes = Data(note.utf8)
            for blob in [Self.empty, bytes] {
                guard try await client.headBlob(repository, Digest(hashing: blob)) == nil else { continue }
                try await client.finishUpload(try await client.startUpload(repository), bytes: blob, digest: Digest(hashing: blob))
            }
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            let manifest = try Manifest(
                bytes: try encoder.encode(Document(layers: [Document.Entry(Self.type, bytes)])), servedAs: .ociManifest, expected: nil)
            for tag in ["size-\(size)", "latest"] {
                guard case .stored = try await client.putManifest(manifest, to: repository, as: .tag(try Tag(parsing: tag))) else {
                    throw CheckpointSinkFailure("it lost what was pushed a moment ago")
                }
            }
        } catch let failure as CheckpointSinkFailure { throw failure } catch { throw CheckpointSinkFailure("\(error)") }
        return nil
    }

    func newest() async throws(CheckpointSinkFailure) -> String? {
        do {
            let client = try await client()
            let latest = ManifestReference.tag(try Tag(parsing: "latest"))
            guard try await client.headManifest(repository, latest) != nil else { return nil }
            let manifest = try await client.manifest(repository, latest)
            guard case .image(_, let layers) = manifest.content, layers.count == 1, let layer = layers.first else {
                throw CheckpointSinkFailure("what 'latest' names is no checkpoint")
            }
            let bytes = try await client.blob(repository, layer.digest, limit: 65_536)
            guard let note = String(validating: bytes, as: UTF8.self) else { throw CheckpointSinkFailure("what 'latest' names is no checkpoint") }
            return note
        } catch let failure as CheckpointSinkFailure { throw failure } catch { throw CheckpointSinkFailure("\(error)") }
    }

    /// The registry as the environments of the policy in force name it: no other host is spoken to.
    private func client() async throws -> RegistryClient {
        let definitions = try await policies.current().environments.flatMap(\.registries)
        guard let definition = definitions.first(where: { $0.name == registry }) else {
            throw CheckpointSinkFailure("no environment names a registry '\(registry)'; known: \(definitions.map(\.name).joined(separator: ", "))")
        }
        return try sites.client(definition)
    }
}
