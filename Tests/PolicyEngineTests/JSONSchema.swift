import Foundation
import Yams

@testable import PolicyEngine

/// As much of JSON Schema 2020-12 as the schemas of policy files use; anything else in them is an error.
struct JSONSchema {
    let root: [String: Any]

    init(_ name: String) throws {
        let file = Self.folder.appending(path: "\(name).schema.json")
        guard let root = try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any] else {
            throw SchemaError("\(name) is no object")
        }
        self.root = root
    }

    static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../Policies/schema").standardizedFileURL

    /// Whether a YAML text is valid, as an editor would see it.
    func accepts(yaml text: String) throws -> Bool {
        guard let node = try Yams.compose(yaml: text) else { return false }
        return try accepts(Self.value(of: node), root)
    }

    /// The schema at a path of definitions and properties, through references.
    func at(_ path: String) throws -> [String: Any] {
        var schema = root
        for part in path.split(separator: "/").map(String.init) {
            schema = try resolved(schema)
            let next = schema[part] ?? (schema["properties"] as? [String: Any])?[part] ?? (root["$defs"] as? [String: Any])?[part]
            guard let next = next as? [String: Any] else { throw SchemaError("no \(part) in \(path)") }
            schema = next
        }
        return try resolved(schema)
    }

    /// The object among the alternatives of a schema.
    func object(_ path: String) throws -> [String: Any] {
        try objects(in: at(path)).first.map { $0 } ?? { throw SchemaError("\(path) is no object") }()
    }

    private func objects(in schema: [String: Any]) throws -> [[String: Any]] {
        let schema = try resolved(schema)
        if schema["properties"] != nil { return [schema] }
        let alternatives = (schema["anyOf"] as? [[String: Any]] ?? []) + [schema["items"] as? [String: Any]].compactMap(\.self)
        return try alternatives.flatMap { try objects(in: $0) }
    }

    private func resolved(_ schema: [String: Any]) throws -> [String: Any] {
        guard let reference = schema["$ref"] as? String else { return schema }
        guard let found = (root["$defs"] as? [String: Any])?[String(reference.dropFirst("#/$defs/".count))] as? [String: Any] else {
            throw SchemaError("\(reference) leads nowhere")
        }
        return found
    }

    private static let known: Set<String> = [
        "$schema", "$defs", "$ref", "title", "description", "type", "enum", "const", "pattern", "minLength", "maxLength", "minimum", "maximum",
        "properties",
        "required", "additionalProperties", "minProperties", "maxProperties", "items", "minItems", "maxItems", "anyOf", "oneOf", "dependentRequired",
    ]

    private func accepts(_ value: Any, _ schema: [String: Any]) throws -> Bool {
        guard Set(schema.keys).isSubset(of: Self.known) else { throw SchemaError("unknown words: \(Set(schema.keys).subtracting(Self.known))") }
        if schema["$ref"] != nil, try !accepts(value, resolved(schema)) { return false }
        if let types = schema["type"] as? [String] ?? (schema["type"] as? String).map({ [$0] }), !types.contains(where: { Self.is(value, $0) }) {
            return false
        }
        if let allowed = schema["enum"] as? [String], !((value as? String).map { allowed.contains($0) } ?? false) { return false }
        if let constant = schema["const"], "\(constant)" != "\(value)" { return false }
        if let any = schema["anyOf"] as? [[String: Any]], try !any.contains(where: { try accepts(value, $0) }) { return false }
        if let one = schema["oneOf"] as? [[String: Any]], try one.count(where: { try accepts(value, $0) }) != 1 { return false }
        if let text = value as? String, try !acceptsText(text, schema) { return false }
        if let number = value as? Int {
            if let minimum = schema["minimum"] as? Int, number < minimum { return false }
            if let maximum = schema["maximum"] as? Int, number > maximum { return false }
        }
        if let items = value as? [Any], try !acceptsItems(items, schema) { return false }
        if let members = value as? [String: Any], try !acceptsMembers(members, schema) { return false }
        return true
    }

    private func acceptsText(_ text: String, _ schema: [String: Any]) throws -> Bool {
        if let minimum = schema["minLength"] as? Int, text.count < minimum { return false }
        if let maximum = schema["maxLength"] as? Int, text.count > maximum { return false }
        guard let pattern = schema["pattern"] as? String else { return true }
        return try Regex(pattern).firstMatch(in: text) != nil
    }

    private func acceptsItems(_ items: [Any], _ schema: [String: Any]) throws -> Bool {
        if let minimum = schema["minItems"] as? Int, items.count < minimum { return false }
        if let maximum = schema["maxItems"] as? Int, items.count > maximum { return false }
        guard let each = schema["items"] as? [String: Any] else { return true }
        return try items.allSatisfy { try accepts($0, each) }
    }

    private func acceptsMembers(_ members: [String: Any], _ schema: [String: Any]) throws -> Bool {
        if let minimum = schema["minProperties"] as? Int, members.count < minimum { return false }
        if let maximum = schema["maxProperties"] as? Int, members.count > maximum { return false }
        if let required = schema["required"] as? [String], !required.allSatisfy({ members[$0] != nil }) { return false }
        for (name, needed) in schema["dependentRequired"] as? [String: [String]] ?? [:] where members[name] != nil {
            if !needed.allSatisfy({ members[$0] != nil }) { return false }
        }
        let properties = schema["properties"] as? [String: Any] ?? [:]
        for (name, value) in members {
            if let property = properties[name] as? [String: Any] {
                if try !accepts(value, property) { return false }
            } else if let others = schema["additionalProperties"] as? [String: Any] {
                if try !accepts(value, others) { return false }
            } else if schema["additionalProperties"] as? Bool == false {
                return false
            }
        }
        return true
    }

    private static func `is`(_ value: Any, _ type: String) -> Bool {
        switch type {
        case "object": value is [String: Any]
        case "array": value is [Any]
        case "string": value is String
        case "boolean": value is Bool
        case "integer": value is Int && !(value is Bool)
        case "number": value is Int || value is Double
        case "null": value is NSNull
        default: false
        }
    }

    /// A node by YAML 1.2's core schema, which editors go by: dates are texts there.
    private static func value(of node: Node) -> Any {
        switch node {
        case .mapping(let mapping): return Dictionary(mapping.map { ($0.key.string ?? "", value(of: $0.value)) }) { $1 }
        case .sequence(let sequence): return sequence.map { value(of: $0) }
        default: break
        }
        let text = node.scalar?.string ?? ""
        guard node.scalar?.style == .plain else { return text }
        switch text {
        case "true", "false": return text == "true"
        case "", "~", "null": return NSNull()
        default: return Int(text) ?? Double(text).flatMap { text.contains(where: \.isNumber) ? $0 : nil } ?? text
        }
    }
}

struct SchemaError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
