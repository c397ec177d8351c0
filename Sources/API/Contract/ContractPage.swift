import Crypto
import Foundation
import HTTPTypes

/// The contract as a page for people: one HTML document without scripts and without anything from elsewhere.
struct ContractPage: Sendable {
    let html: String
    /// Nothing may be loaded, run or sent; the page's own style is known by its hash.
    let policy: String
    let eTag: String

    init(_ contract: APIContract) {
        let operations = contract.operations.map(Self.operation).joined()
        let links = contract.operations.map { "<li><a href=\"#\(Self.anchor($0))\"><code>\($0.method.rawValue) \(Self.escaped($0.path))</code></a></li>" }.joined()
        html = """
            <!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
            <title>\(Self.escaped(contract.title)): the API</title><style>\(Self.style)</style></head><body>
            <h1>\(Self.escaped(contract.title)): the API</h1>
            <p>The same as <a href="openapi.yaml">openapi.yaml</a>, to be read. Callers show a token: <code>Authorization: Bearer shp_…</code>.</p>
            <nav><ul>\(links)</ul></nav>
            <h2 id="problems">Problems</h2>
            <p>Errors are <code>application/problem+json</code> (RFC 9457). Each <code>type</code> begins with <code>\(Problem.typePrefix)</code>.</p>
            <table><tr><th>type</th><th>status</th><th>what it means</th></tr>\(contract.problemTypes.map(Self.problem).joined())</table>
            <h2>Operations</h2>\(operations)
            <h2>Schemas</h2>\(contract.schemas.map(Self.schema).joined())
            </body></html>

            """
        let hash = Data(SHA256.hash(data: Data(Self.style.utf8))).base64EncodedString()
        policy = "default-src 'none'; style-src 'sha256-\(hash)'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        eTag = EntityTag.of(Data(html.utf8))
    }

    private static let style = """
        body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}
        code,pre{font-family:ui-monospace,monospace;font-size:.9em}pre{background:#f4f5f7;padding:.8rem;overflow-x:auto}
        table{border-collapse:collapse;width:100%;margin:.5rem 0}td,th{border:1px solid #d5d9de;padding:.3rem .5rem;text-align:left;vertical-align:top}
        section{border-top:1px solid #d5d9de;margin-top:1.5rem}nav ul{columns:2;list-style:none;padding:0}
        @media(prefers-color-scheme:dark){body{color:#e6e8eb;background:#15181c}pre{background:#22262c}td,th,section{border-color:#3a4048}a{color:#7cb7ff}}
        """

    private static func problem(_ problem: APIContract.ProblemType) -> String {
        let name = escaped(String(problem.type.split(separator: "/").last ?? ""))
        return "<tr id=\"problem-\(name)\"><td><code>\(name)</code></td><td>\(escaped(problem.status))</td><td>\(escaped(problem.meaning))</td></tr>"
    }

    private static func operation(_ operation: APIContract.Operation) -> String {
        var parts = ["<section id=\"\(anchor(operation))\"><h3><code>\(operation.method.rawValue) \(escaped(operation.path))</code></h3><p>\(escaped(operation.summary))"]
        parts.append(operation.needsToken ? "</p>" : " Needs no token.</p>")
        if !operation.detail.isEmpty { parts.append("<p>\(escaped(operation.detail))</p>") }
        if !operation.parameters.isEmpty {
            let rows = operation.parameters.map {
                "<tr><td><code>\(escaped($0.name))</code></td><td>\($0.place)\($0.isRequired ? ", required" : "")</td><td>\(escaped($0.type))</td><td>\(escaped($0.detail))</td></tr>"
            }
            parts.append("<table><tr><th>parameter</th><th>where</th><th>type</th><th></th></tr>\(rows.joined())</table>")
        }
        if !operation.consumes.isEmpty {
            parts.append(
                "<p>Body: \(escaped(operation.consumes.joined(separator: ", "))), \(escaped(operation.bodySchema ?? "as it is")), at most \(operation.maximumBody) bytes.</p>")
        }
        if let example = operation.bodyExample { parts.append("<pre>\(escaped(example))</pre>") }
        let rows = operation.responses.map { "<tr><td>\(escaped($0.status))</td><td>\(escaped($0.description))</td></tr>" }
        parts.append("<table><tr><th>answer</th><th></th></tr>\(rows.joined())</table></section>")
        return parts.joined()
    }

    private static func schema(_ schema: APIContract.Schema) -> String {
        let rows = schema.properties.map {
            "<tr><td><code>\(escaped($0.name))</code>\($0.isRequired ? ", required" : "")</td><td>\(escaped($0.type))</td><td>\(escaped($0.detail))</td></tr>"
        }
        let table = rows.isEmpty ? "" : "<table><tr><th>field</th><th>type</th><th></th></tr>\(rows.joined())</table>"
        return "<section id=\"schema-\(escaped(schema.name))\"><h3>\(escaped(schema.name))</h3><p>\(escaped(schema.detail))</p>\(table)</section>"
    }

    private static func anchor(_ operation: APIContract.Operation) -> String {
        operation.method.rawValue.lowercased() + operation.path.map { $0.isLetter || $0.isNumber ? String($0) : "-" }.joined()
    }

    private static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;").replacing("\"", with: "&quot;")
    }
}
