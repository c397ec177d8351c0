import Foundation
import HTTPTransport
public import OCI

/// A part of a repository's tags.
public struct TagPage: Sendable, Hashable {
    public let tags: [Tag]
    /// What to ask for next; `nil` on the last page.
    public let next: TagCursor?
}

/// Where a list of tags goes on.
public struct TagCursor: Sendable, Hashable {
    let url: HTTPURL
}

extension RegistryClient {
    private struct TagList: Decodable {
        let tags: [String]?
    }

    private static let maximumListBytes = 8 << 20

    /// Reads a page of a repository's tags (distribution-spec, "Listing Tags"). A repository that does not exist has none.
    ///
    /// Names that are no tags by the specification are left out: nothing can be asked by them.
    public func tags(_ repository: RepositoryName, after cursor: TagCursor? = nil, pageSize: Int = 200, meter: RequestMeter? = nil) async throws(RegistryError) -> TagPage {
        let place = place(repository)
        let address = if let cursor { cursor.url } else { try url("\(repository)/tags/list", query: [("n", String(pageSize))]) }
        let response = try await perform(
            Call(
                method: .get, url: address, scopes: [TokenScope(repository: repository, access: .pull)], place: place,
                maximumBytes: Self.maximumListBytes, meter: meter))
        guard response.status != 404 else { return TagPage(tags: [], next: nil) }
        let list: TagList
        do { list = try JSONDecoder().decode(TagList.self, from: Data(response.body)) } catch { throw .malformed(place, "the list of tags is not JSON") }
        let tags = (list.tags ?? []).compactMap { text -> Tag? in do { return try Tag(parsing: text) } catch { return nil } }
        return TagPage(tags: tags, next: try nextPage(of: response, from: address, place).map(TagCursor.init))
    }

    /// RFC 8288: `Link: </v2/…>; rel="next"`, to the registry itself only.
    func nextPage(of response: HTTPResponse, from url: HTTPURL, _ place: RegistryPlace) throws(RegistryError) -> HTTPURL? {
        for link in response.fields.all("Link").flatMap(Self.links) where link.relations.contains("next") {
            let target: HTTPURL
            do { target = try url.resolving(link.target) } catch { throw .malformed(place, "Link: \(error)") }
            guard target.origin == endpoint.url.origin else { throw .hostNotAllowed(place, host: target.origin.description, why: "the next page") }
            guard target != url else { throw .malformed(place, "the next page is the same one") }
            return target
        }
        return nil
    }

    /// The links of one field: `<TARGET>; rel="next"; …, <TARGET>; …`.
    private static func links(_ field: String) -> [(target: String, relations: [String])] {
        // Each piece begins behind a "<": the target up to ">", then its parameters.
        field.split(separator: "<").compactMap { piece in
            guard let close = piece.firstIndex(of: ">") else { return nil }
            let parameters = piece[close...].dropFirst().split(whereSeparator: { $0 == ";" || $0 == "," })
            let relation = parameters.lazy.map { $0.filter { $0 != "\"" }.lowercased().trimmingCharacters(in: .whitespaces) }
                .first { $0.hasPrefix("rel=") }
            return (String(piece[..<close]), (relation?.dropFirst(4) ?? "").split(separator: " ").map(String.init))
        }
    }
}
