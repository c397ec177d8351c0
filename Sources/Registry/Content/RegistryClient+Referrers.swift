import Foundation
import HTTPTransport
public import OCI

/// What a registry says when it is asked who refers to a manifest.
public enum ReferrersAnswer: Sendable, Hashable {
    /// It has the referrers API and lists these, each once.
    ///
    /// - `isComplete`: whether these are all, or only as many as were asked for.
    case listed([Descriptor], isComplete: Bool)
    /// It has no such API: a client keeps the lists itself, under tags.
    case noAPI
    /// It answers, but not about the API: it does not know the repository or the subject, or does not like the digest.
    case unclear(RegistryAnswer)
}

extension RegistryClient {
    /// Most pages of one list: a registry may end its pages as it likes, also empty ones, but not for ever.
    private static let maximumReferrerPages = 100

    /// Asks who refers to `subject` (distribution-spec, "Listing Referrers").
    ///
    /// - Parameters:
    ///   - artifactType: only referrers of this type; where the registry does not filter, it is done here.
    ///   - limit: the list is not read much further than so many referrers.
    public func referrers(
        _ repository: RepositoryName, of subject: Digest, artifactType: String? = nil, limit: Int, meter: RequestMeter? = nil
    ) async throws(RegistryError) -> ReferrersAnswer {
        let place = place(repository, subject.description)
        var found: [Descriptor] = []
        var seen: Set<Digest> = []
        var address = try url("\(repository)/referrers/\(subject)", query: artifactType.map { [("artifactType", $0)] } ?? [])
        for page in 0..<Self.maximumReferrerPages {
            let response: HTTPResponse
            do throws(RegistryError) {
                response = try await perform(
                    Call(
                        method: .get, url: address, fields: [("Accept", MediaType.ociIndex.description)],
                        scopes: [TokenScope(repository: repository, access: .pull)], place: place, maximumBytes: ManifestLimits.bytes, meter: meter))
            } catch { if page == 0, let answer = Self.answerWithoutList(to: error) { return answer } else { throw error } }
            guard let listed = try Self.list(of: response, isFirst: page == 0, place) else { return Self.answerWithoutList(response) }
            let isFiltered = artifactType == nil || Self.isFiltered(response)
            for entry in listed where seen.insert(entry.digest).inserted && (isFiltered || entry.artifactType == artifactType) { found.append(entry) }
            guard let next = try nextPage(of: response, from: address, place) else { return .listed(found, isComplete: true) }
            guard found.count < limit else { break }
            address = next
        }
        return .listed(found, isComplete: false)
    }

    private struct Page: Decodable {
        let schemaVersion: Int?
        let mediaType: MediaType?
        let manifests: [Descriptor]?
    }

    /// A page's entries; `nil` where the answer is none of this API.
    ///
    /// Anything answers 200 to an address that it does not know: pages for people, catch-all proxies. Who says that it is an index must
    /// then give one; Harbor said for a while that its index was plain JSON.
    private static func list(of response: HTTPResponse, isFirst: Bool, _ place: RegistryPlace) throws(RegistryError) -> [Descriptor]? {
        let served = MediaType(response.fields["Content-Type"] ?? "")
        let isPlain = served.description.isEmpty || served == MediaType("application/json")
        guard response.status == 200, served == .ociIndex || isPlain else {
            if isFirst { return nil }
            throw response.status == 404 ? ErrorResponse.error(response, at: place) : .malformed(place, "a page of referrers is no index")
        }
        let page: Page?
        do { page = try JSONDecoder().decode(Page.self, from: Data(response.body)) } catch { page = nil }
        if let page, page.schemaVersion == 2, (page.mediaType ?? .ociIndex) == .ociIndex { return page.manifests ?? [] }
        if isFirst, isPlain { return nil }
        throw .malformed(place, "the list of referrers is no index")
    }

    private static func isFiltered(_ response: HTTPResponse) -> Bool {
        response.fields.all("OCI-Filters-Applied").contains { field in
            field.split(separator: ",").contains { $0.trimmingCharacters(in: .whitespaces) == "artifactType" }
        }
    }

    /// "A registry that has the API must not answer 404", unless it does not know the repository; and some don't know the subject.
    private static func answerWithoutList(_ response: HTTPResponse) -> ReferrersAnswer {
        let answer = ErrorResponse.answer(response)
        return response.status == 404 && (answer.code == "NAME_UNKNOWN" || answer.code == "MANIFEST_UNKNOWN") ? .unclear(answer) : .noAPI
    }

    private static func answerWithoutList(to error: RegistryError) -> ReferrersAnswer? {
        guard case .refused(_, let answer) = error else { return nil }
        switch answer.status {
        case 405, 501: return .noAPI
        case 400, 406: return .unclear(answer)
        default: return nil
        }
    }
}
