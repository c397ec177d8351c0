import PolicyEngine
import Registry
import Synchronization

/// What is known of each registry, for as long as the service runs: a changed definition of a registry keeps it.
final class ProfileShelf: Sendable {
    /// A registry as an environment names it, on its server.
    struct Key: Hashable, Sendable {
        let name: String
        let url: String
    }

    private let books = Mutex<[Key: ProfileBook]>([:])
    private static let limit = 10_000

    /// All that were ever asked for, and are still known.
    var all: [Key: ProfileBook] { books.withLock { $0 } }

    func book(_ key: Key) -> ProfileBook? { books.withLock { $0[key] } }

    /// The registry's book, with what its environment says now.
    func book(for definition: RegistryDefinition) -> ProfileBook {
        let configured = RegistryProfile(definition.profile)
        return books.withLock { books in
            let key = Key(name: definition.name, url: definition.url)
            if let book = books[key] {
                book.configure(configured)
                return book
            }
            if books.count >= Self.limit { books = [:] }
            let book = ProfileBook(configured: configured)
            books[key] = book
            return book
        }
    }
}

extension RegistryProfile {
    /// What an environment says of a registry.
    init(_ said: RegistryDefinition.Profile) {
        self.init()
        mount = said.mount.flatMap { Mount(rawValue: $0.rawValue) }
        origin = said.origin
        upload = said.upload.flatMap { Upload(rawValue: $0.rawValue) }
        chunkBytes = said.chunkSize
        resume = said.resume
        referrers = said.referrers.map { $0 == .api ? .api : .tagSchema }
        conditionalPut = said.conditionalPut
        movableTags = said.tags.map { $0 == .mutable }
    }

    /// What is known, by the names of environments.yaml.
    var traits: [(name: String, value: String)] {
        let all: [(String, String?)] = [
            ("mount", mount?.rawValue), ("origin", origin?.description), ("upload", upload?.rawValue), ("chunked", chunked?.description),
            ("chunkSize", chunkBytes?.description), ("resume", resume?.description), ("referrers", referrers.map { $0 == .api ? "api" : "tag" }),
            ("subjectOnly", subjectOnly?.description), ("fallbackTag", fallbackTag?.rawValue), ("conditionalPut", conditionalPut?.description),
            ("tags", movableTags.map { $0 ? "mutable" : "immutable" }),
        ]
        return all.compactMap { name, value in value.map { (name, $0) } }
    }
}
