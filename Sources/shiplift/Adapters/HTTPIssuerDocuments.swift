import Foundation
import HTTPTransport
import PolicyEngine
import PromotionCore

/// Asks issuers by HTTP. The transport follows no redirect and connects to no link-local or metadata address.
struct HTTPIssuerDocuments: IssuerDocuments {
    let http: HTTPClient
    let proxy: OutgoingProxy

    func document(at url: String, of issuer: TrustedIssuer, limit: Int) async throws(IssuerDocumentError) -> Data {
        try await answer(.get, url, issuer, nil, limit) { $0 == 200 }
    }

    func exchange(_ form: [(name: String, value: String)], at url: String, of issuer: TrustedIssuer, limit: Int) async throws(IssuerDocumentError) -> Data {
        // RFC 6749 §5.2: a no is 400 or 401, with its reason in the body.
        try await answer(.post, url, issuer, FormEncoding.bytes(form), limit) { [200, 400, 401].contains($0) }
    }

    private func answer(
        _ method: HTTPMethod, _ url: String, _ issuer: TrustedIssuer, _ form: [UInt8]?, _ limit: Int, _ isGood: (Int) -> Bool
    ) async throws(IssuerDocumentError) -> Data {
        do {
            var fields = try HTTPFields(["Accept": "application/json", "User-Agent": "shiplift"])
            if form != nil { try fields.append("Content-Type", "application/x-www-form-urlencoded") }
            var settings = ConnectionSettings()
            settings.totalTimeout = .seconds(10)
            settings.stallTimeout = .seconds(10)
            settings.tls = TLSSettings(caFile: issuer.caFile)
            let address = try HTTPURL(parsing: url)
            settings.proxy = proxy.settings(for: address)
            let response = try await http.send(
                HTTPRequest(method, address, fields: fields, body: form ?? []), settings: settings, maximumBodyBytes: limit)
            guard isGood(response.status) else { throw IssuerDocumentError("\(try HTTPURL(parsing: url).redacted) answered \(response.status)") }
            return Data(response.body)
        } catch let error as IssuerDocumentError { throw error } catch { throw IssuerDocumentError("\(error)") }
    }
}

/// `application/x-www-form-urlencoded`.
enum FormEncoding {
    static func bytes(_ form: [(name: String, value: String)]) -> [UInt8] {
        Array(form.map { "\(encoded($0.name))=\(encoded($0.value))" }.joined(separator: "&").utf8)
    }

    /// Everything except RFC 3986's unreserved characters becomes `%XX`.
    private static func encoded(_ text: String) -> String {
        text.utf8.map { byte in
            let character = Character(Unicode.Scalar(byte))
            return character.isASCII && (character.isLetter || character.isNumber || "-._~".contains(character))
                ? String(character) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
        }.joined()
    }
}
