import Logging
public import Foundation
import HTTPTransport
public import OCI

/// A place to send a blob to, opened by the registry. Its URL is used as it was given, to the byte.
public struct UploadSession: Sendable, Hashable {
    var url: HTTPURL
    public let repository: RepositoryName
    /// Bytes at the blob's beginning that the registry has.
    public internal(set) var offset: Int64 = 0
    /// Nothing is open: the POST that would open the upload takes the blob as well.
    var isDirect = false
    /// The fewest bytes of a part that is not the last (`OCI-Chunk-Min-Length`); 0 where the registry does not say.
    var smallestPart: Int64 = 0
}

/// What a registry made of a request to mount a blob (distribution-spec, "Mounting a blob from another repository").
public enum MountOutcome: Sendable {
    case mounted
    /// 202: not mounted; the upload session it opened is ours to use.
    case notMounted(UploadSession)
    /// The registry will not mount from there: another source may do.
    case refused(RegistryAnswer)
}

extension RegistryClient {
    /// Looks a blob up; its size in bytes, or `nil` where the repository does not hold it.
    public func headBlob(_ repository: RepositoryName, _ digest: Digest, meter: RequestMeter? = nil) async throws(RegistryError) -> Int64? {
        let response = try await perform(
            Call(
                method: .head, url: try url("\(repository)/blobs/\(digest)"), scopes: [TokenScope(repository: repository, access: .pull)],
                place: place(repository, digest.description), meter: meter))
        return response.status == 404 ? nil : (response.fields["Content-Length"].flatMap { Int64($0) } ?? 0)
    }

    /// Reads a small blob whole and checks it.
    ///
    /// - Parameter limit: bytes; a larger one is `malformed`.
    public func blob(_ repository: RepositoryName, _ digest: Digest, limit: Int, meter: RequestMeter? = nil) async throws(RegistryError) -> Data {
        let place = place(repository, digest.description)
        let response: HTTPResponse
        do throws(RegistryError) {
            response = try await perform(
                Call(
                    method: .get, url: try url("\(repository)/blobs/\(digest)"), scopes: [TokenScope(repository: repository, access: .pull)],
                    place: place, maximumBytes: max(limit, Self.maximumErrorBytes), meter: meter))
        } catch {
            if case .unreachable(_, .bodyTooLarge) = error { throw .malformed(place, "the blob is larger than \(limit) bytes") }
            throw error
        }
        guard response.status != 404 else { throw ErrorResponse.error(response, at: place) }
        guard response.body.count <= limit else { throw .malformed(place, "the blob is larger than \(limit) bytes") }
        let bytes = Data(response.body)
        guard digest.matches(bytes) else { throw .contentMismatch(place, "the bytes received are \(Digest(hashing: bytes, with: digest.algorithm))") }
        return bytes
    }

    /// Asks the registry to make a blob of one repository available in another.
    ///
    /// - Parameter origin: the registry that the repository is in, where it is another one: only some understand that.
    public func mountBlob(
        _ digest: Digest, to repository: RepositoryName, from source: RepositoryName, origin: String? = nil, meter: RequestMeter? = nil
    ) async throws(RegistryError) -> MountOutcome {
        let place = place(repository, digest.description)
        let call = Call(
            method: .post,
            url: try url(
                "\(repository)/blobs/uploads/",
                query: [("mount", digest.description), ("from", source.description)] + (origin.map { [("origin", $0)] } ?? [])), body: [],
            scopes: [TokenScope(repository: repository, access: .push)] + (origin == nil ? [TokenScope(repository: source, access: .pull)] : []),
            place: place, meter: meter)
        let response: HTTPResponse
        do throws(RegistryError) { response = try await perform(call) } catch {
            switch error {
            case .unauthorized(_, let answer), .forbidden(_, let answer), .refused(_, let answer):
                // "No such method here" holds for every blob.
                if origin == nil, answer.status == 405 || answer.status == 501 { endpoint.book.learn { $0.mount = .never } }
                return .refused(answer)
            default: throw error
            }
        }
        switch response.status {
        case 201:
            if let said = response.fields["Docker-Content-Digest"], said.hasPrefix("\(digest.algorithm.rawValue):"), said != digest.description {
                // Whatever it mounted, it is not what we need: the blob goes another way.
                return .refused(RegistryAnswer(status: 201, message: "the registry mounted \(ErrorResponse.clean(said, 80)) instead"))
            }
            return .mounted
        case 202: return .notMounted(try session(response, call.url, repository, place))
        default: return .refused(ErrorResponse.answer(response))
        }
    }

    /// Opens an upload session.
    public func startUpload(_ repository: RepositoryName, meter: RequestMeter? = nil) async throws(RegistryError) -> UploadSession {
        let place = place(repository)
        let call = Call(
            method: .post, url: try url("\(repository)/blobs/uploads/"), body: [], scopes: [TokenScope(repository: repository, access: .push)],
            place: place, meter: meter)
        let response = try await perform(call)
        guard response.status == 202 else { throw ErrorResponse.error(response, at: place) }
        return try session(response, call.url, repository, place)
    }

    /// A place to send a blob of so many bytes to: without a request where the registry takes it in a single POST.
    public func upload(_ repository: RepositoryName, bytes: Int64, meter: RequestMeter? = nil) async throws(RegistryError) -> UploadSession {
        guard profile.takesSinglePost(bytes) else { return try await startUpload(repository, meter: meter) }
        return UploadSession(url: try url("\(repository)/blobs/uploads/"), repository: repository, isDirect: true)
    }

    /// Sends a small blob as the whole of an upload.
    public func finishUpload(_ session: UploadSession, bytes: Data, digest: Digest, meter: RequestMeter? = nil) async throws(RegistryError) {
        let place = place(session.repository, digest.description)
        let response: HTTPResponse
        do throws(RegistryError) {
            response = try await perform(
                Call(
                    method: session.isDirect ? .post : .put, url: try finishingURL(session, digest, place), fields: [("Content-Type", "application/octet-stream")],
                    body: Array(bytes), scopes: [TokenScope(repository: session.repository, access: .push)], place: place,
                    isRepeatable: false, meter: meter))
        } catch { throw Self.saysSessionLost(error) ? .uploadLost(place) : error }
        if let failure = uploadFailure(response, session, digest, place) { throw failure }
    }

    /// Gives an upload session up; the registry would drop it by itself in time.
    public func cancelUpload(_ session: UploadSession, meter: RequestMeter? = nil) async {
        if session.isDirect { return }
        let place = place(session.repository)
        do throws(RegistryError) {
            _ = try await perform(
                Call(
                    method: .delete, url: session.url, scopes: [TokenScope(repository: session.repository, access: .push)], place: place,
                    isRepeatable: false, meter: meter))
        } catch {
            logger.debug("an upload session could not be given up", metadata: ["place": "\(place)", "error": "\(error)"])
        }
    }

    private func session(_ response: HTTPResponse, _ url: HTTPURL, _ repository: RepositoryName, _ place: RegistryPlace) throws(RegistryError) -> UploadSession {
        let smallest = response.fields["OCI-Chunk-Min-Length"].flatMap { Int64($0) } ?? 0
        return UploadSession(
            url: try target(of: response, from: url, place, why: "an upload session"), repository: repository, smallestPart: max(0, smallest))
    }

    /// The session's URL with the digest that ends it (distribution-spec, "POST then PUT").
    func finishingURL(_ session: UploadSession, _ digest: Digest, _ place: RegistryPlace) throws(RegistryError) -> HTTPURL {
        do { return try session.url.appendingQueryItem("digest", digest.description) } catch { throw .malformed(place, "\(error)") }
    }

    /// Why an upload's last answer is no success; `nil` where it is one.
    func uploadFailure(_ response: HTTPResponse, _ session: UploadSession, _ digest: Digest, _ place: RegistryPlace) -> RegistryError? {
        switch response.status {
        case 202 where session.isDirect:
            // It opened a session instead: it does not know the single POST, or no longer.
            endpoint.book.learn { $0.upload = .put }
            return .uploadLost(place)
        case 202: return .malformed(place, "the registry took a part of the blob and did not say where the next one goes")
        case 201, 204:
            guard let said = response.fields["Docker-Content-Digest"], said.hasPrefix("\(digest.algorithm.rawValue):"), said != digest.description else { return nil }
            return .contentMismatch(place, "the registry stored it as \(ErrorResponse.clean(said, 80))")
        default:
            let error = ErrorResponse.error(response, at: place)
            return Self.saysSessionLost(error) ? .uploadLost(place) : error
        }
    }

    /// 404: no such session; 416: it stands elsewhere than we do, so it is of no use either.
    static func saysSessionLost(_ error: RegistryError) -> Bool {
        guard let answer = error.answer else { return false }
        return answer.status == 404 || answer.status == 416 || answer.code == "BLOB_UPLOAD_UNKNOWN"
    }
}
