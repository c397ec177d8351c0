import HTTPTransport
import OCI

/// The requests that send a blob into an upload: one with all of it, or one for each part and a last one that ends it.
struct UploadStep: Sendable {
    private let blob: Descriptor
    private let upload: BlobUpload
    private let place: RegistryPlace
    /// The bytes of each part; `nil` where one body takes all and ends the upload.
    private let partBytes: Int64?
    let first: RegistryClient.Call

    init(_ blob: Descriptor, _ upload: BlobUpload) throws(RegistryError) {
        let session = upload.session
        let place = upload.client.place(session.repository, blob.digest.description)
        self.blob = blob
        self.upload = upload
        self.place = place
        partBytes = Self.partBytes(blob.size, session, upload.client.profile)
        let rest = blob.size - session.offset
        var call = RegistryClient.Call(
            method: session.isDirect ? .post : .put, url: session.url, fields: [("Content-Type", "application/octet-stream")],
            scopes: [TokenScope(repository: session.repository, access: .push)], place: place, meter: upload.meter)
        if let partBytes, rest > 0 {
            call.method = .patch
            call.fields += Self.contentRange(from: session.offset, min(rest, partBytes), of: blob.size)
        } else {
            call.url = try upload.client.finishingURL(session, blob.digest, place)
        }
        first = call
    }

    static func partBytes(_ size: Int64, _ session: UploadSession, _ profile: RegistryProfile) -> Int64? {
        if session.isDirect || size == 0 { return nil }
        if let chunk = profile.chunkBytes, size > chunk { return max(chunk, session.smallestPart) }
        return session.offset > 0 || profile.upload == .patch ? size : nil
    }

    /// A body that is the whole blob says nothing: to some registries the field alone means a part, of which they take less (GHCR).
    private static func contentRange(from offset: Int64, _ bytes: Int64, of size: Int64) -> [(String, String)] {
        bytes == size ? [] : [("Content-Range", "\(offset)-\(offset + bytes - 1)")]
    }

    func target(_ id: Int, _ request: HTTPRequest) -> RelayTarget {
        let parts = partBytes.map { bytes in RelayParts(size: bytes) { answer, offset, count in next(answer, offset, count, request) } }
        return RelayTarget(
            id: id, request: request, settings: upload.client.endpoint.connection, offset: upload.session.offset, parts: parts)
    }

    /// What follows a part that was taken; `nil` where the answer leads nowhere that we may go.
    private func next(_ answer: HTTPResponse, _ offset: Int64, _ bytes: Int64, _ first: HTTPRequest) -> HTTPRequest? {
        do {
            let client = upload.client
            let url = answer.fields["Location"] == nil ? answer.url : try client.target(of: answer, from: answer.url, place, why: "an upload session")
            var request = HTTPRequest(bytes > 0 ? .patch : .put, url)
            try request.fields.append("User-Agent", "shiplift")
            try request.fields.append("Content-Type", "application/octet-stream")
            if bytes > 0 {
                for (name, value) in Self.contentRange(from: offset, bytes, of: blob.size) { try request.fields.append(name, value) }
            } else {
                request.url = try url.appendingQueryItem("digest", blob.digest.description)
            }
            if url.origin == client.endpoint.url.origin, first.url.origin == url.origin, let authorization = first.fields["Authorization"] {
                try request.fields.append("Authorization", authorization)
            }
            upload.meter?.count(request.method.rawValue.lowercased())
            return request
        } catch { return nil }
    }
}
