import Crypto
import Foundation
import HTTPTypes
import Yams

/// What openapi.yaml lacks to be a contract.
public struct ContractError: Error, Sendable, CustomStringConvertible {
    public let description: String
}

/// openapi.yaml as the service lives by it: it says which routes, methods, parameters and media types there are, and what is not in it is refused.
public struct APIContract: Sendable {
    /// The document, as it is served.
    public let yaml: String
    /// Its entity tag.
    let eTag: String
    let title: String
    /// In the document's order.
    let operations: [Operation]
    let problemTypes: [ProblemType]
    let schemas: [Schema]
    private let byPath: [String: [HTTPRequest.Method: Operation]]
    private let templates: [(segments: [Substring], path: String)]

    /// One method of one path.
    struct Operation: Sendable {
        let path: String
        let method: HTTPRequest.Method
        let summary: String
        let detail: String
        let parameters: [Parameter]
        /// The names of the parameters in the query.
        let query: Set<String>
        /// Those of them that may be given several times: lists.
        let repeatable: Set<String>
        /// Media types of its body; empty where it takes none.
        let consumes: [String]
        let bodySchema: String?
        let bodyExample: String?
        /// Media types of its answers, errors aside.
        let produces: [String]
        /// Largest body in bytes: `x-max-body-bytes`.
        let maximumBody: Int
        let needsToken: Bool
        let responses: [(status: String, description: String)]

        /// Whether its route is in a group whose middleware authenticates.
        var isBehindAuthentication: Bool { path.hasPrefix("/v1/") || path.hasPrefix("/api/") }
    }

    struct Parameter: Sendable {
        let name: String
        let place: String
        let isRequired: Bool
        let type: String
        let detail: String
    }

    /// An entry of `x-problem-types`.
    struct ProblemType: Sendable {
        let type: String
        let status: String
        let meaning: String
    }

    struct Schema: Sendable {
        let name: String
        let detail: String
        let properties: [(name: String, type: String, isRequired: Bool, detail: String)]
    }

    static let usualBodyLimit = 1 << 20

    /// - Throws: `ContractError` where the text is no OpenAPI document.
    public init(yaml: String) throws(ContractError) {
        let root: Node?
        do { root = try Yams.compose(yaml: yaml) } catch { throw ContractError(description: "openapi.yaml can't be read: \(error)") }
        guard let document = root?.mapping, let paths = document["paths"]?.mapping else { throw ContractError(description: "openapi.yaml has no paths") }
        let reader = ContractReader(components: document["components"]?.mapping)
        var operations: [Operation] = []
        for (path, item) in paths {
            guard let path = path.string, let item = item.mapping else { throw ContractError(description: "a path of openapi.yaml is no mapping") }
            for (method, node) in item {
                guard let method = HTTPRequest.Method(rawValue: (method.string ?? "").uppercased()), let node = node.mapping else {
                    throw ContractError(description: "\(path) of openapi.yaml has something that is no operation")
                }
                operations.append(reader.operation(path, method, node))
            }
        }
        self.yaml = yaml
        self.operations = operations
        eTag = EntityTag.of(Data(yaml.utf8))
        title = document["info"]?.mapping?["title"]?.string ?? "API"
        problemTypes = reader.problemTypes(document["x-problem-types"]?.sequence)
        schemas = reader.schemas()
        byPath = Dictionary(grouping: operations, by: \.path).mapValues { Dictionary($0.map { ($0.method, $0) }) { first, _ in first } }
        templates = byPath.keys.sorted().map { ($0.split(separator: "/"), $0) }
    }

    /// The operation of a route; a HEAD is a GET without its body.
    func operation(_ path: String, _ method: HTTPRequest.Method) -> Operation? {
        guard let methods = byPath[path] else { return nil }
        return methods[method] ?? (method == .head ? methods[.get] : nil)
    }

    /// The methods of a path that nobody serves in another way; `nil` where there is no such path.
    func methods(of path: String) -> [String]? {
        let segments = path.split(separator: "/", omittingEmptySubsequences: true)
        let fitting = templates.first { template in
            template.segments.count == segments.count
                && zip(template.segments, segments).allSatisfy { $0.hasPrefix("{") ? !$1.isEmpty : $0 == $1 }
        }
        guard let fitting, let methods = byPath[fitting.path] else { return nil }
        var names = Set(methods.keys.map(\.rawValue)).union(["OPTIONS"])
        if names.contains("GET") { names.insert("HEAD") }
        return names.sorted()
    }
}

/// Entity tags from content (RFC 9110 §8.8.3).
enum EntityTag {
    /// A strong tag: half of the content's SHA-256.
    static func of(_ content: Data) -> String {
        let hex = Array("0123456789abcdef")
        return "\"" + String(SHA256.hash(data: content).prefix(16).flatMap { [hex[Int($0 >> 4)], hex[Int($0 & 15)]] }) + "\""
    }

    /// Whether a list such as `If-None-Match`'s names `tag`; weak tags are equal to strong ones where a look is saved, `weakly`, and to none where something changes.
    static func list(_ text: String, names tag: String, weakly: Bool) -> Bool {
        for entry in text.split(separator: ",") {
            let candidate = entry.trimmingCharacters(in: .whitespaces)
            if candidate == "*" || candidate == tag || (weakly && candidate == "W/" + tag) { return true }
        }
        return false
    }
}
