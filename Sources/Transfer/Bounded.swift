/// Runs `body` for each item, at most `width` at once, and answers in the items' order. The first error cancels the rest.
func bounded<Item: Sendable, Result: Sendable>(
    _ items: [Item], width: Int, _ body: @escaping @Sendable (Item) async throws(TransferError) -> Result
) async throws(TransferError) -> [Result] {
    do {
        return try await withThrowingTaskGroup(of: (Int, Result).self) { group in
            var results: [Int: Result] = [:]
            var next = 0
            func start() {
                guard next < items.count else { return }
                let index = next
                let item = items[index]
                next += 1
                group.addTask { (index, try await body(item)) }
            }
            for _ in 0..<max(1, width) { start() }
            while let (index, result) = try await group.next() {
                results[index] = result
                start()
            }
            return items.indices.compactMap { results[$0] }
        }
    } catch let error as TransferError { throw error } catch { throw .cancelled }
}
