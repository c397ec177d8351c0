import Foundation
import HTTPTransport
public import OCI

/// A part of a registry's repositories.
public struct CatalogPage: Sendable, Hashable {
    public let repositories: [RepositoryName]
    /// What to ask for next; `nil` on the last page.
    public let next: CatalogCursor?
}

/// Where a catalog goes on.
public struct CatalogCursor: Sendable, Hashable {
    let url: HTTPURL
}

extension RegistryClient {
    private struct Catalog: Decodable {
        let repositories: [String]?
    }

    private static let maximumCatalogBytes = 8 << 20

    /// Reads a page of the registry's repositories (Docker's `/v2/_catalog`, which no specification asks for).
    ///
    /// Names that are no repository's by the specification are left out: nothing can be asked by them.
    ///
    /// - Returns: `nil` where the registry has no catalog, or none for us.
    public func catalog(after cursor: CatalogCursor? = nil, pageSize: Int = 1_000, meter: RequestMeter? = nil) async throws(RegistryError) -> CatalogPage? {
        let place = RegistryPlace(registry: endpoint.name)
        let address = if let cursor { cursor.url } else { try url("_catalog", query: [("n", String(pageSize))]) }
        let response: HTTPResponse
        do throws(RegistryError) {
            response = try await perform(
                Call(method: .get, url: address, scopes: [.catalog], place: place, maximumBytes: Self.maximumCatalogBytes, meter: meter))
        } catch {
            switch error {
            case .unauthorized, .forbidden, .refused: return nil
            default: throw error
            }
        }
        guard response.status == 200 else { return nil }
        let list: Catalog
        do { list = try JSONDecoder().decode(Catalog.self, from: Data(response.body)) } catch { throw .malformed(place, "the catalog is not JSON") }
        let names = (list.repositories ?? []).compactMap { text -> RepositoryName? in do { return try RepositoryName(parsing: text) } catch { return nil } }
        return CatalogPage(repositories: names, next: try nextPage(of: response, from: address, place).map(CatalogCursor.init))
    }
}
