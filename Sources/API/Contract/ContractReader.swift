import Foundation
import HTTPTypes
import Yams

/// Reads the parts of openapi.yaml that the service uses. References are followed once: to the document's own components.
struct ContractReader {
    let components: Node.Mapping?

    func operation(_ path: String, _ method: HTTPRequest.Method, _ node: Node.Mapping) -> APIContract.Operation {
        let parameters = (node["parameters"]?.sequence ?? []).compactMap { resolved($0) }.map(parameter)
        let body = node["requestBody"].flatMap { resolved($0) }
        let content = body?["content"]?.mapping
        let json = content?.first { $0.key.string?.hasSuffix("json") == true }?.value.mapping
        var produces: [String] = []
        var responses: [(String, String)] = []
        for (status, response) in node["responses"]?.mapping ?? [:] {
            let response = resolved(response)
            responses.append((status.string ?? "", response?["description"]?.string ?? ""))
            guard status.string?.hasPrefix("2") == true else { continue }
            produces += (response?["content"]?.mapping ?? [:]).compactMap { $0.key.string.map(Self.mediaType) }
        }
        return APIContract.Operation(
            path: path, method: method, summary: node["summary"]?.string ?? "", detail: node["description"]?.string ?? "", parameters: parameters,
            query: Set(parameters.filter { $0.place == "query" }.map(\.name)),
            repeatable: Set(parameters.filter { $0.place == "query" && $0.type.hasPrefix("list of ") }.map(\.name)),
            consumes: (content ?? [:]).compactMap { $0.key.string?.lowercased() }, bodySchema: json?["schema"].map(typeName),
            bodyExample: example(json), produces: produces,
            maximumBody: node["x-max-body-bytes"]?.int ?? APIContract.usualBodyLimit, needsToken: node["security"]?.sequence?.isEmpty != true,
            responses: responses)
    }

    func problemTypes(_ list: Node.Sequence?) -> [APIContract.ProblemType] {
        (list ?? []).compactMap(\.mapping).map {
            APIContract.ProblemType(type: $0["type"]?.string ?? "", status: $0["status"]?.string ?? "", meaning: $0["description"]?.string ?? "")
        }
    }

    func schemas() -> [APIContract.Schema] {
        (components?["schemas"]?.mapping ?? [:]).map { name, node in
            let schema = node.mapping
            let required = Set((schema?["required"]?.sequence ?? []).compactMap(\.string))
            return APIContract.Schema(
                name: name.string ?? "", detail: schema?["description"]?.string ?? "",
                properties: (schema?["properties"]?.mapping ?? [:]).map { key, value in
                    (key.string ?? "", typeName(value), required.contains(key.string ?? ""), value.mapping?["description"]?.string ?? "")
                })
        }
    }

    private func parameter(_ node: Node.Mapping) -> APIContract.Parameter {
        APIContract.Parameter(
            name: node["name"]?.string ?? "", place: node["in"]?.string ?? "", isRequired: node["required"]?.bool ?? false,
            type: node["schema"].map(typeName) ?? "", detail: node["description"]?.string ?? "")
    }

    /// What a schema is, in a few words.
    private func typeName(_ node: Node) -> String {
        guard let schema = node.mapping else { return "" }
        if let reference = schema["$ref"]?.string { return String(reference.split(separator: "/").last ?? "") }
        for word in ["oneOf", "anyOf", "allOf"] {
            if let choices = schema[word]?.sequence { return choices.map(typeName).joined(separator: word == "allOf" ? " and " : " or ") }
        }
        if let values = schema["enum"]?.sequence { return values.compactMap(\.string).joined(separator: ", ") }
        let type = schema["type"]?.string ?? (schema["type"]?.sequence ?? []).compactMap(\.string).joined(separator: " or ")
        if type == "array", let items = schema["items"] { return "list of \(typeName(items))" }
        if let format = schema["format"]?.string { return "\(type) (\(format))" }
        return type
    }

    private func example(_ json: Node.Mapping?) -> String? {
        let named = json?["examples"]?.mapping?.first?.value.mapping?["value"]
        guard let node = json?["example"] ?? named else { return nil }
        do { return try Yams.serialize(node: node).trimmingCharacters(in: .whitespacesAndNewlines) } catch { return nil }
    }

    private func resolved(_ node: Node) -> Node.Mapping? {
        guard let reference = node.mapping?["$ref"]?.string else { return node.mapping }
        let parts = reference.split(separator: "/").map(String.init)
        guard parts.count == 4, parts[0] == "#", parts[1] == "components" else { return nil }
        return components?[parts[2]]?.mapping?[parts[3]]?.mapping
    }

    /// Without parameters such as a charset.
    static func mediaType(_ text: String) -> String {
        String(text.prefix { $0 != ";" }).trimmingCharacters(in: .whitespaces).lowercased()
    }
}
