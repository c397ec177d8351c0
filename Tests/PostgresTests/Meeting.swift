import Postgres
import Synchronization
import Testing

final class Counter: Sendable {
    private let count = Mutex(0)
    var value: Int { count.withLock(\.self) }

    @discardableResult func increment() -> Int {
        count.withLock { count in
            count += 1
            return count
        }
    }
}

/// Holds back those who arrive until all have; a failure of one, which cancels the others, sets them free.
final class Meeting: Sendable {
    private let size: Int
    private let arrived = Counter()

    init(of size: Int) { self.size = size }

    func arrive() async throws {
        arrived.increment()
        while arrived.value < size { try await Task.sleep(for: .milliseconds(1)) }
    }
}

/// Uses `size` connections at the same time.
func fill(_ pool: PostgresPool, _ size: Int) async throws {
    let meeting = Meeting(of: size)
    try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<size {
            group.addTask {
                try await pool.withConnection { connection in
                    try await meeting.arrive()
                    let rows = try await connection.query("SELECT 1 AS one")
                    #expect(rows.count == 1)
                }
            }
        }
        try await group.waitForAll()
    }
}
