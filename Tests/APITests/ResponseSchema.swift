import APIModel
import Foundation

/// As much of JSON Schema 2020-12 as openapi.yaml uses for answers; a word that is not known is a finding, so that none is passed over.
struct ResponseSchema {
    /// The whole document.
    let document: [String: Any]

    private static let known: Set<String> = [
        "$ref", "type", "description", "enum", "pattern", "format", "minLength", "maxLength", "minimum", "maximum", "properties", "required",
        "additionalProperties", "items", "minItems", "maxItems", "oneOf", "anyOf", "example", "examples", "default", "contentMediaType", "const",
    ]

    /// What of `value` is not as `schema` says: a place and a sentence each.
    func findings(_ value: JSONNode, _ schema: [String: Any], at place: String = "$") -> [String] {
        if let reference = schema["$ref"] as? String {
            guard let target = resolve(reference) else { return ["\(place): \(reference) leads nowhere"] }
            return findings(value, target, at: place)
        }
        var found = Set(schema.keys).subtracting(Self.known).map { "\(place): the schema's word '\($0)' is not known" }
        let types = schema["type"] as? [String] ?? (schema["type"] as? String).map { [$0] } ?? []
        if !types.isEmpty, !types.contains(where: { Self.is(value, $0) }) { found.append("\(place): is no \(types.joined(separator: " or "))") }
        if let one = schema["oneOf"] as? [[String: Any]], one.count(where: { findings(value, $0, at: place).isEmpty }) != 1 {
            found.append("\(place): fits not exactly one of the alternatives")
        }
        if let any = schema["anyOf"] as? [[String: Any]], !any.contains(where: { findings(value, $0, at: place).isEmpty }) {
            found.append("\(place): fits none of the alternatives")
        }
        switch value {
        case .string(let text): found += self.text(text, schema, place)
        case .integer(let number):
            if let least = schema["minimum"] as? Int, number < least { found.append("\(place): below \(least)") }
            if let most = schema["maximum"] as? Int, number > most { found.append("\(place): above \(most)") }
        case .array(let items):
            if let least = schema["minItems"] as? Int, items.count < least { found.append("\(place): fewer than \(least)") }
            if let most = schema["maxItems"] as? Int, items.count > most { found.append("\(place): more than \(most)") }
            if let each = schema["items"] as? [String: Any] {
                for (index, item) in items.enumerated() { found += findings(item, each, at: "\(place)[\(index)]") }
            }
        case .object(let members): found += self.members(members, schema, place)
        default: break
        }
        return found
    }

    func resolve(_ reference: String) -> [String: Any]? {
        reference.split(separator: "/").dropFirst().reduce(document as [String: Any]?) { $0?[String($1)] as? [String: Any] }
    }

    private func text(_ text: String, _ schema: [String: Any], _ place: String) -> [String] {
        var found: [String] = []
        if let allowed = schema["enum"] as? [String], !allowed.contains(text) { found.append("\(place): '\(text)' is none of \(allowed)") }
        if let least = schema["minLength"] as? Int, text.count < least { found.append("\(place): too short") }
        if let most = schema["maxLength"] as? Int, text.count > most { found.append("\(place): too long") }
        if let pattern = schema["pattern"] as? String {
            do { if try Regex(pattern).firstMatch(in: text) == nil { found.append("\(place): '\(text.prefix(80))' does not match \(pattern)") } } catch {
                found.append("\(place): \(pattern) is no pattern")
            }
        }
        switch schema["format"] as? String {
        case "date-time": if APIJSON.date(text) == nil { found.append("\(place): '\(text)' is no time") }
        case "uuid": if UUID(uuidString: text) == nil { found.append("\(place): '\(text)' is no UUID") }
        default: break
        }
        return found
    }

    private func members(_ members: [String: JSONNode], _ schema: [String: Any], _ place: String) -> [String] {
        let properties = schema["properties"] as? [String: Any] ?? [:]
        var found = (schema["required"] as? [String] ?? []).filter { members[$0] == nil }.map { "\(place): '\($0)' is missing" }
        for (name, value) in members {
            if let property = properties[name] as? [String: Any] {
                found += findings(value, property, at: "\(place).\(name)")
            } else if let others = schema["additionalProperties"] as? [String: Any] {
                found += findings(value, others, at: "\(place).\(name)")
            } else if schema["additionalProperties"] as? Bool == false {
                found.append("\(place): '\(name)' is not described")
            }
        }
        return found
    }

    private static func `is`(_ value: JSONNode, _ type: String) -> Bool {
        switch (value, type) {
        case (.object, "object"), (.array, "array"), (.string, "string"), (.bool, "boolean"), (.integer, "integer"), (.integer, "number"), (.number, "number"),
            (.null, "null"):
            true
        default: false
        }
    }
}
