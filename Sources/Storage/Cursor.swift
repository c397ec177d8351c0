import Crypto
import Foundation
import PromotionCore

/// Where a list goes on: opaque to callers, bound to the query that made it.
struct Cursor {
    let position: String

    init(position: String) { self.position = position }

    /// - Throws: `invalidCursor` where it is none of ours or of another query.
    init(parsing text: String, scope: String) throws(StoreError) {
        guard text.utf8.count <= 512, let data = Data(base64Encoded: text.replacing("-", with: "+").replacing("_", with: "/")),
            data.count > 8, let position = String(data: data.dropFirst(8), encoding: .utf8), Data(Self.mark(position, scope)) == data.prefix(8)
        else { throw .invalidCursor }
        self.position = position
    }

    func text(scope: String) -> String {
        (Data(Self.mark(position, scope)) + Data(position.utf8)).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_")
    }

    /// Ties the cursor to its query. Not a secret: a forged cursor only asks for another place of what its maker may read anyway.
    private static func mark(_ position: String, _ scope: String) -> [UInt8] {
        Array(SHA256.hash(data: Data("\(scope)\u{0}\(position)".utf8)).prefix(8))
    }
}

extension Page {
    /// A page of `limit` from a query that asked for one more.
    init(_ rows: [Element], limit: Int, scope: String, position: (Element) -> String) {
        let items = Array(rows.prefix(limit))
        let hasMore = rows.count > limit
        self.init(items: items, next: hasMore ? items.last.map { Cursor(position: position($0)).text(scope: scope) } : nil)
    }
}
