import Foundation
import HTTPTransport
public import OCI

/// What a HEAD says of a manifest.
public struct ManifestHead: Sendable, Hashable {
    public let digest: Digest
    public let mediaType: MediaType
}

/// What became of a manifest that was put.
public enum ManifestPut: Sendable, Hashable {
    /// - `subject`: the registry added it to the referrers of this manifest (`OCI-Subject`); a registry without the referrers API says nothing.
    case stored(subject: Digest? = nil)
    /// The registry misses blobs or child manifests: those it named, or none where it did not say which.
    case missingContent([Digest], message: String)
}

/// What must hold at the moment of a write, for registries that heed it (RFC 9110 §13.1).
public enum PutCondition: Sendable, Hashable {
    /// Nothing is there by that name.
    case absent
    /// What is there is this.
    case names(Digest)

    var field: (String, String) {
        switch self {
        case .absent: ("If-None-Match", "*")
        case .names(let digest): ("If-Match", "\"\(digest)\"")
        }
    }
}

extension RegistryClient {
    /// A registry may name every child of a manifest: some 150 bytes for each.
    private static let maximumMissingListBytes = 4 << 20
    private static let missingContentWords = ["unknown blob", "blob unknown", "unknown manifest", "failed to copy blob"]

    /// What a request for a manifest says that it takes.
    static var accept: [(String, String)] { MediaType.acceptedManifests.map { ("Accept", $0.description) } + [("Accept", "*/*")] }

    /// Looks a manifest up; `nil` where the registry has none of that name.
    public func headManifest(
        _ repository: RepositoryName, _ reference: ManifestReference, meter: RequestMeter? = nil, deadline: ContinuousClock.Instant? = nil
    ) async throws(RegistryError) -> ManifestHead? {
        let place = place(repository, reference.description)
        let response = try await perform(
            Call(
                method: .head, url: try url("\(repository)/manifests/\(reference)"), fields: Self.accept,
                scopes: [TokenScope(repository: repository, access: .pull)], place: place, deadline: deadline, meter: meter))
        guard response.status != 404 else { return nil }
        guard let text = response.fields["Docker-Content-Digest"] else {
            // The field is optional: without it only the bytes tell the digest.
            let manifest = try await manifest(repository, reference, meter: meter)
            return ManifestHead(digest: manifest.digest, mediaType: manifest.mediaType)
        }
        let digest: Digest
        do { digest = try Digest(parsing: text) } catch { throw .malformed(place, "Docker-Content-Digest: \(error)") }
        if case .digest(let asked) = reference, asked.algorithm == digest.algorithm, asked != digest {
            throw .contentMismatch(place, "the registry says it is \(digest)")
        }
        return ManifestHead(digest: digest, mediaType: MediaType(response.fields["Content-Type"] ?? ""))
    }

    /// Reads a manifest. By digest, its bytes are checked; by tag, the registry's own digest is checked against them.
    public func manifest(
        _ repository: RepositoryName, _ reference: ManifestReference, meter: RequestMeter? = nil
    ) async throws(RegistryError) -> Manifest {
        let place = place(repository, reference.description)
        let response: HTTPResponse
        do throws(RegistryError) {
            response = try await perform(
                Call(
                    method: .get, url: try url("\(repository)/manifests/\(reference)"), fields: Self.accept,
                    scopes: [TokenScope(repository: repository, access: .pull)], place: place, maximumBytes: ManifestLimits.bytes, meter: meter))
        } catch {
            if case .unreachable(_, .bodyTooLarge) = error { throw .malformed(place, "the manifest is larger than \(ManifestLimits.bytes) bytes") }
            throw error
        }
        guard response.status != 404 else { throw ErrorResponse.error(response, at: place) }
        var expected: Digest?
        if case .digest(let digest) = reference { expected = digest }
        let manifest: Manifest
        do throws(ManifestError) {
            manifest = try Manifest(bytes: Data(response.body), servedAs: response.fields["Content-Type"].map(MediaType.init), expected: expected)
        } catch {
            if case .digestMismatch = error { throw .contentMismatch(place, error.description) }
            throw .malformed(place, error.description)
        }
        if let said = response.fields["Docker-Content-Digest"], said.hasPrefix("\(manifest.digest.algorithm.rawValue):"), said != manifest.digest.description {
            throw .contentMismatch(place, "the registry says it is \(ErrorResponse.clean(said, 80)), its bytes are \(manifest.digest)")
        }
        return manifest
    }

    /// Puts a manifest's exact bytes.
    ///
    /// - Parameters:
    ///   - condition: what must hold for the write to be done; where it does not, that is `refused` with 412.
    ///   - deadline: the request is not under way after it.
    public func putManifest(
        _ manifest: Manifest, to repository: RepositoryName, as reference: ManifestReference, condition: PutCondition? = nil,
        meter: RequestMeter? = nil, deadline: ContinuousClock.Instant? = nil
    ) async throws(RegistryError) -> ManifestPut {
        let place = place(repository, reference.description)
        let response: HTTPResponse
        do throws(RegistryError) {
            response = try await perform(
                Call(
                    method: .put, url: try url("\(repository)/manifests/\(reference)"),
                    fields: [("Content-Type", manifest.mediaType.description)] + [condition?.field].compactMap(\.self),
                    body: Array(manifest.bytes), scopes: [TokenScope(repository: repository, access: .push)], place: place,
                    maximumBytes: Self.maximumMissingListBytes, deadline: deadline, meter: meter))
        } catch {
            guard case .refused(_, let answer) = error, let missing = Self.missingContent(answer) else { throw error }
            return missing
        }
        if response.status == 404 {
            let answer = ErrorResponse.answer(response)
            if let missing = Self.missingContent(answer) { return missing }
            throw ErrorResponse.error(response, at: place)
        }
        guard response.status == 201 || response.status == 200 || response.status == 202 else { throw ErrorResponse.error(response, at: place) }
        if let said = response.fields["Docker-Content-Digest"], said.hasPrefix("\(manifest.digest.algorithm.rawValue):"), said != manifest.digest.description {
            throw .contentMismatch(place, "the registry stored it as \(ErrorResponse.clean(said, 80)) instead of \(manifest.digest)")
        }
        return .stored(subject: response.fields["OCI-Subject"].flatMap(Self.digest))
    }

    private static func digest(_ text: String) -> Digest? { do { return try Digest(parsing: text) } catch { return nil } }

    /// The dialects of "I miss something that this manifest refers to" (research: distribution, zot, Quay, Artifactory).
    private static func missingContent(_ answer: RegistryAnswer) -> ManifestPut? {
        let message = answer.message.lowercased()
        switch answer.code {
        case "MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN": break
        case "MANIFEST_UNKNOWN" where answer.status == 400 || answer.status == 404: break
        case "MANIFEST_INVALID" where Self.missingContentWords.contains(where: message.contains): break
        case "MANIFEST_INVALID" where message.contains("unknown") && !answer.digests.isEmpty: break
        default: return nil
        }
        return .missingContent(answer.digests, message: answer.message)
    }

    /// Deletes a manifest by digest.
    public func deleteManifest(_ repository: RepositoryName, _ digest: Digest) async throws(RegistryError) {
        let place = place(repository, digest.description)
        let response = try await perform(
            Call(
                method: .delete, url: try url("\(repository)/manifests/\(digest)"), scopes: [TokenScope(repository: repository, access: .delete)],
                place: place))
        guard response.status == 202 || response.status == 404 else { throw ErrorResponse.error(response, at: place) }
    }
}
