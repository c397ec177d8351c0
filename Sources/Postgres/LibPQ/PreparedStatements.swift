/// Which statements a connection has prepared: bookkeeping only. The least recently used one makes room.
struct PreparedStatements {
    /// The same text with parameters of other types is another statement.
    struct Key: Hashable {
        let text: String
        let types: [UInt32]
    }

    private struct Entry {
        let name: String
        var lastUse: Int
    }

    private let limit: Int
    private var entries: [Key: Entry] = [:]
    private var uses = 0
    private var names = 0
    /// Names that the server still holds, but nobody asks for.
    private(set) var abandoned: [String] = []

    init(limit: Int) { self.limit = limit }

    /// The name under which a statement was prepared.
    mutating func name(of key: Key) -> String? {
        uses += 1
        entries[key]?.lastUse = uses
        return entries[key]?.name
    }

    /// A name that was never used on this connection.
    mutating func newName() -> String {
        names += 1
        return "s\(names)"
    }

    /// The server holds the statement now.
    mutating func insert(_ key: Key, name: String) {
        if entries.count >= limit, let oldest = entries.min(by: { $0.value.lastUse < $1.value.lastUse })?.key {
            forget(oldest, serverKnowsIt: true)
        }
        uses += 1
        entries[key] = Entry(name: name, lastUse: uses)
    }

    /// The statement must be prepared anew before it runs again.
    mutating func forget(_ key: Key, serverKnowsIt: Bool) {
        guard let entry = entries.removeValue(forKey: key), serverKnowsIt else { return }
        abandoned.append(entry.name)
    }

    /// Hands out the names to deallocate, once.
    mutating func takeAbandoned() -> [String] {
        defer { abandoned = [] }
        return abandoned
    }
}
