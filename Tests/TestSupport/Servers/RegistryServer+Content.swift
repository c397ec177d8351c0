import Foundation
public import OCI

extension RegistryServer {
    /// Puts an image: blobs, children before parents, and the root under `tag`.
    public func push(_ image: ImageFixture, to repository: String, tag: String? = nil) async throws {
        try await onOwnThread { [self] in
            for blob in image.blobs { try upload(blob, to: repository) }
            for manifest in image.manifests { try put(manifest, as: manifest.digest.description, in: repository) }
            if let tag { try put(image.root, as: tag, in: repository) }
        }
    }

    /// Puts one blob, streamed.
    public func push(_ blob: BlobFixture, to repository: String) async throws {
        try await onOwnThread { [self] in try upload(blob, to: repository) }
    }

    /// Points a tag at a manifest that the repository holds.
    public func push(_ manifest: ManifestFixture, to repository: String, as reference: String) async throws {
        try await onOwnThread { [self] in try put(manifest, as: reference, in: repository) }
    }

    /// What a tag names; `nil` where there is no such tag.
    public func digest(of tag: String, in repository: String) async throws -> OCI.Digest? {
        guard let manifest = try await manifest(tag, in: repository) else { return nil }
        return OCI.Digest(hashing: manifest.bytes)
    }

    /// A manifest by tag or digest, with its media type; `nil` where there is none.
    public func manifest(_ reference: String, in repository: String) async throws -> ManifestFixture? {
        try await onOwnThread { [self] in
            let answer = try LoopbackHTTP.blocking(
                "GET", "/v2/\(repository)/manifests/\(reference)", port: try sideDoor(), fields: [HeaderField("Accept", accepted)])
            if answer.status == 404 { return nil }
            guard answer.status == 200 else { throw unexpected("GET manifest \(reference)", answer) }
            return ManifestFixture(mediaType: answer.value("Content-Type") ?? "", bytes: Data(answer.body))
        }
    }

    /// Whether the repository itself holds the blob.
    public func holds(_ blob: OCI.Digest, in repository: String) async throws -> Bool {
        try await onOwnThread { [self] in
            try LoopbackHTTP.blocking("HEAD", "/v2/\(repository)/blobs/\(blob)", port: try sideDoor()).status == 200
        }
    }

    /// The tags of a repository, sorted; none where the repository does not exist.
    public func tags(of repository: String) async throws -> [String] {
        struct Page: Decodable { let tags: [String]? }
        let answer = try await onOwnThread { [self] in
            try LoopbackHTTP.blocking("GET", "/v2/\(repository)/tags/list", port: try sideDoor())
        }
        guard answer.status == 200 else { return [] }
        return (try JSONDecoder().decode(Page.self, from: Data(answer.body)).tags ?? []).sorted()
    }

    /// Whether all that a manifest needs is there, down to the last blob.
    public func isComplete(_ image: ImageFixture, in repository: String) async throws -> Bool {
        for blob in image.blobs where try await !holds(blob.digest, in: repository) { return false }
        for manifest in image.manifests {
            guard try await self.manifest(manifest.digest.description, in: repository)?.bytes == manifest.bytes else { return false }
        }
        return true
    }

    /// Deletes a manifest, and with it the tags that name it, as a person with the registry's own tools would.
    public func delete(_ manifest: OCI.Digest, in repository: String) async throws {
        try await onOwnThread { [self] in
            let answer = try LoopbackHTTP.blocking("DELETE", "/v2/\(repository)/manifests/\(manifest)", port: try sideDoor())
            guard answer.status == 202 else { throw unexpected("DELETE manifest \(manifest)", answer) }
        }
    }

    /// Takes a blob out of one repository, as a garbage collector would.
    public func forget(_ blob: OCI.Digest, in repository: String) throws {
        try FileManager.default.removeItem(
            at: storage.appending(path: "docker/registry/v2/repositories/\(repository)/_layers/\(blob.algorithm.rawValue)/\(blob.hex)"))
    }

    private func upload(_ blob: BlobFixture, to repository: String) throws {
        let port = try sideDoor()
        let begun = try LoopbackHTTP.blocking("POST", "/v2/\(repository)/blobs/uploads/", port: port)
        guard begun.status == 202, let location = begun.value("Location"), let path = location.range(of: "/v2/") else {
            throw unexpected("POST \(repository)/blobs/uploads/", begun)
        }
        let target = "\(location[path.lowerBound...])&digest=\(blob.digest)"
        let stored = try LoopbackHTTP.blocking("PUT", target, port: port, content: .blob(blob))
        guard stored.status == 201 else { throw unexpected("PUT blob \(blob.digest)", stored) }
    }

    private func put(_ manifest: ManifestFixture, as reference: String, in repository: String) throws {
        let answer = try LoopbackHTTP.blocking(
            "PUT", "/v2/\(repository)/manifests/\(reference)", port: try sideDoor(),
            fields: [HeaderField("Content-Type", manifest.mediaType)], content: .bytes(Array(manifest.bytes)))
        guard answer.status == 201 else { throw unexpected("PUT manifest \(reference)", answer) }
    }

    private func unexpected(_ request: String, _ answer: HTTPAnswer) -> HarnessError {
        .unexpectedAnswer(request: request, status: answer.status, body: answer.text)
    }
}

private let accepted = MediaType.acceptedManifests.map(\.description).joined(separator: ", ")
