import HTTPTransport
import OCI

extension RegistryClient {
    /// Asks an upload's session how far it is, after the connection broke (distribution-spec, "Checking upload status").
    ///
    /// - Parameter sent: bytes of the blob that have left; a registry that claims to have more is not believed.
    /// - Returns: the session to go on in; `nil` where the registry can't, or says nothing that one could go by.
    public func resumable(_ session: UploadSession, sent: Int64, meter: RequestMeter? = nil) async throws(RegistryError) -> UploadSession? {
        guard !session.isDirect, sent > 0, profile.resume != false else { return nil }
        let place = place(session.repository)
        let response: HTTPResponse
        do throws(RegistryError) {
            response = try await sendAuthorized(
                Call(
                    method: .get, url: session.url, scopes: [TokenScope(repository: session.repository, access: .push)], place: place,
                    isRepeatable: false, meter: meter))
        } catch {
            if case .cancelled = error { throw error }
            // Whatever it means, one can't go on.
            return nil
        }
        // 416 says that it stands elsewhere than our address has it, and where.
        guard [200, 202, 204, 416].contains(response.status) else { return nil }
        return try continued(session, response, sent: sent, place)
    }

    /// Takes in that a registry, or a proxy before it, did not like the size of a body or the way it came. Answers whether another way is
    /// left: each is tried once, smaller and smaller.
    func learnFromRefusal(_ response: HTTPResponse, _ session: UploadSession, _ target: RelayTarget, _ blob: Descriptor) -> Bool {
        // As it was sent: meanwhile, others may have learned.
        let part = target.parts?.size
        // To some registries 416 says that a part is too large (GHCR); they know of no other place where the upload could stand.
        let isLargePart = response.status == 416 && part != nil && session.offset == 0 && response.fields["Range"] == nil
        switch response.status {
        case _ where response.status == 413 || isLargePart:
            // Where parts are known not to be taken, they are no way.
            guard profile.chunked != false else { return false }
            guard let chunk = RegistryProfile.chunk(below: min(part ?? blob.size, blob.size - session.offset)), chunk >= session.smallestPart else { return false }
            endpoint.book.learn { $0.chunkBytes = min($0.chunkBytes ?? .max, chunk) }
            return profile.chunkBytes.map { $0 <= chunk } ?? false
        case _ where session.isDirect && [404, 405, 415].contains(response.status):
            endpoint.book.learn { $0.upload = .put }
            return profile.upload != .post
        case 405, 415:
            guard part == nil else { return false }
            endpoint.book.learn { $0.upload = .patch }
            return profile.upload == .patch
        default: return false
        }
    }

    /// The session as an answer about it says: where it goes on, and from which byte.
    func continued(_ session: UploadSession, _ response: HTTPResponse, sent: Int64, _ place: RegistryPlace) throws(RegistryError) -> UploadSession? {
        guard let held = Self.bytesHeld(response), held > session.offset, held <= sent else { return nil }
        var next = session
        if response.fields["Location"] != nil {
            let url = try target(of: response, from: session.url, place, why: "an upload session")
            next = UploadSession(url: url, repository: session.repository, smallestPart: session.smallestPart)
        }
        next.offset = held
        return next
    }

    /// `Range: 0-N` in its dialects: with and without `bytes=`. An empty session says `0-0` like one of a single byte, so that is 0.
    static func bytesHeld(_ response: HTTPResponse) -> Int64? {
        guard var text = response.fields["Range"].map({ $0[...] }) else { return nil }
        if text.hasPrefix("bytes=") { text = text.dropFirst(6) }
        let ends = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        guard ends.count == 2, ends[0] == "0", let last = Int64(ends[1]), last >= 0, last < .max, !ends[1].hasPrefix("+") else { return nil }
        return last == 0 ? 0 : last + 1
    }
}
