import Foundation
import HTTPTransport
import OCI

/// Reads what a registry says in an error response.
enum ErrorResponse {
    private struct Document: Decodable {
        struct Item: Decodable {
            let code: String?
            let message: String?
        }
        let errors: [Item]?
        // Token services write `details`; GitLab and others a single `error` or `message`.
        let details: String?
        let message: String?
    }

    static func answer(_ response: HTTPResponse) -> RegistryAnswer {
        let document: Document?
        do { document = try JSONDecoder().decode(Document.self, from: Data(response.body)) } catch { document = nil }
        let first = document?.errors?.first
        return RegistryAnswer(
            status: response.status, code: clean(first?.code ?? "", 64),
            message: clean(first?.message ?? document?.details ?? document?.message ?? "", 1024), digests: digests(in: response.body))
    }

    /// Every digest that stands in the body: distribution names all missing ones, each in an error's detail.
    private static func digests(in body: [UInt8]) -> [Digest] {
        let text = String(decoding: body, as: UTF8.self)
        var found: [Digest] = []
        var seen: Set<Digest> = []
        for algorithm in DigestAlgorithm.allCases {
            var rest = text[...]
            while let range = rest.firstRange(of: "\(algorithm.rawValue):"), found.count < ManifestLimits.children {
                let candidate = rest[range.lowerBound...].prefix(algorithm.rawValue.count + 1 + algorithm.hexLength)
                do throws(DigestError) {
                    let digest = try Digest(parsing: String(candidate))
                    if seen.insert(digest).inserted { found.append(digest) }
                } catch {}
                rest = rest[range.upperBound...]
            }
        }
        return found
    }

    static func error(_ response: HTTPResponse, at place: RegistryPlace) -> RegistryError {
        let answer = answer(response)
        switch response.status {
        case 401: return .unauthorized(place, answer)
        case 403: return .forbidden(place, answer)
        case 404: return .notFound(place, answer)
        case 429: return .rateLimited(place, answer, retryAfter: retryAfter(response))
        case 408: return .timedOut(place)
        case 503:
            guard let seconds = retryAfter(response) else { return .serverError(place, answer) }
            return .rateLimited(place, answer, retryAfter: seconds)
        // "Not implemented" stays so, however often it is asked.
        case 501: return .refused(place, answer)
        case 500...599: return .serverError(place, answer)
        default: return .refused(place, answer)
        }
    }

    /// `Retry-After` in seconds, from either of its forms; never negative, at most an hour.
    static func retryAfter(_ response: HTTPResponse, now: Date = Date()) -> Double? {
        guard let text = response.fields["Retry-After"]?.trimmingCharacters(in: .whitespaces) else { return nil }
        if let seconds = Double(text), seconds.isFinite { return min(max(seconds, 0), 3600) }
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.timeZone = TimeZone(identifier: "GMT")
        formatter.dateFormat = "EEE, dd MMM yyyy HH:mm:ss zzz"
        return formatter.date(from: text).map { min(max($0.timeIntervalSince(now), 0), 3600) }
    }

    static func clean(_ text: String, _ limit: Int) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.filter { $0.value >= 0x20 && $0.value != 0x7F }.prefix(limit)))
    }
}
