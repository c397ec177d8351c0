import Foundation
import HTTPTransport
import PolicyEngine
import PromotionCore

/// Asks services outside by HTTP: the URL of the environments file and no other; a redirect is an answer like any other, and a wrong one.
struct HTTPExternalChecks: ExternalChecks {
    let http: HTTPClient
    var proxy = OutgoingProxy.none
    let now: @Sendable () -> Date

    func ask(_ question: CheckQuestion, of endpoint: CheckEndpoint) async -> CheckFact {
        func failed(_ reason: String) -> CheckFact {
            CheckFact(endpoint: endpoint.name, digest: question.digest, outcome: .failed, reason: reason, askedAt: question.askedAt)
        }
        let secret: CheckSecret
        do throws(CredentialError) { secret = try SecretReader.checkSecret(endpoint.secret) } catch { return failed("\(error)") }
        let response: HTTPResponse
        do {
            let message = try CheckExchange.message(question, to: endpoint, secret: secret)
            let fields = try HTTPFields([
                "Content-Type": "application/json", "Accept": "application/json", "User-Agent": "shiplift", "webhook-id": message.id,
                "webhook-timestamp": message.timestamp, "webhook-signature": message.signature,
            ])
            var settings = ConnectionSettings()
            settings.totalTimeout = .seconds(endpoint.timeout.seconds)
            settings.stallTimeout = .seconds(endpoint.timeout.seconds)
            settings.tls = TLSSettings(caFile: endpoint.caFile)
            let url = try HTTPURL(parsing: endpoint.url)
            settings.proxy = proxy.settings(for: url)
            let request = HTTPRequest(.post, url, fields: fields, body: Array(message.body))
            response = try await http.send(request, settings: settings, maximumBodyBytes: CheckExchange.maximumAnswerBytes)
        } catch { return failed("\(error)") }
        return CheckExchange.fact(
            question, of: endpoint, secret: secret, status: response.status, body: Data(response.body), at: now(), field: { response.fields[$0] })
    }
}

/// Reads secrets from where the policy files say that they are, each time they are needed.
enum SecretReader {
    static func checkSecret(_ reference: CheckEndpoint.SecretReference) throws(CredentialError) -> CheckSecret {
        let (text, place) = try line(reference)
        guard let secret = CheckSecret(parsing: text) else { throw .missing("\(place) holds no secret of at least \(CheckSecret.minimumBytes) bytes") }
        return secret
    }

    /// The first line of a file, or a variable; and what to call the place.
    static func line(_ reference: CheckEndpoint.SecretReference) throws(CredentialError) -> (text: String, place: String) {
        let (text, place): (String?, String)
        switch reference {
        case .file(let path):
            place = "the file \(path)"
            do { text = try String(contentsOfFile: path, encoding: .utf8) } catch { throw .missing("\(place) can't be read") }
        case .environment(let name):
            place = "environment variable \(name)"
            text = ProcessInfo.processInfo.environment[name]
        }
        return (text?.split(whereSeparator: \.isNewline).first.map { $0.trimmingCharacters(in: .whitespaces) } ?? "", place)
    }
}
