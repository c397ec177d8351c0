public import HTTPTransport
public import OCI

/// What a registry said in an error response (distribution-spec, "Error Codes").
public struct RegistryAnswer: Sendable, Hashable {
    public let status: Int
    /// `MANIFEST_UNKNOWN`, `DENIED`, …; empty where the body had none.
    public let code: String
    /// The registry's own words: at most 1 KiB, without control characters.
    public let message: String
    /// The digests that the error's details name.
    public let digests: [Digest]

    init(status: Int, code: String = "", message: String, digests: [Digest] = []) {
        self.status = status
        self.code = code
        self.message = message
        self.digests = digests
    }
}

/// Where something failed.
public struct RegistryPlace: Sendable, Hashable, CustomStringConvertible {
    public let registry: String
    public let repository: RepositoryName?
    /// A tag, a digest or nothing.
    public let reference: String?

    public init(registry: String, repository: RepositoryName? = nil, reference: String? = nil) {
        self.registry = registry
        self.repository = repository
        self.reference = reference
    }

    public var description: String {
        let path = [repository?.description, reference].compactMap(\.self).joined(separator: reference?.contains(":") == true ? "@" : ":")
        return path.isEmpty ? "registry \(registry)" : "\(path) in registry \(registry)"
    }
}

/// Why a registry did not do what was asked. Safe to show: no credential, no URL query.
public enum RegistryError: Error, Sendable, Hashable {
    case unauthorized(RegistryPlace, RegistryAnswer)
    case forbidden(RegistryPlace, RegistryAnswer)
    case notFound(RegistryPlace, RegistryAnswer)
    /// 429, or a 503 that says how long: seconds to wait, where the registry said so.
    case rateLimited(RegistryPlace, RegistryAnswer, retryAfter: Double?)
    case serverError(RegistryPlace, RegistryAnswer)
    /// Another refusal: immutable tags, policies of the registry, a body it does not like.
    case refused(RegistryPlace, RegistryAnswer)
    case unreachable(RegistryPlace, HTTPTransportError)
    /// The content that arrived is not what its digest or size says.
    case contentMismatch(RegistryPlace, String)
    case malformed(RegistryPlace, String)
    case hostNotAllowed(RegistryPlace, host: String, why: String)
    /// The upload session is gone.
    case uploadLost(RegistryPlace)
    case timedOut(RegistryPlace)
    case credentials(RegistryPlace, String)
    case cancelled(RegistryPlace)

    public var place: RegistryPlace {
        switch self {
        case .unauthorized(let place, _), .forbidden(let place, _), .notFound(let place, _), .rateLimited(let place, _, _),
            .serverError(let place, _), .refused(let place, _), .unreachable(let place, _), .contentMismatch(let place, _),
            .malformed(let place, _), .hostNotAllowed(let place, _, _), .uploadLost(let place), .timedOut(let place),
            .credentials(let place, _), .cancelled(let place):
            place
        }
    }

    public var answer: RegistryAnswer? {
        switch self {
        case .unauthorized(_, let answer), .forbidden(_, let answer), .notFound(_, let answer), .rateLimited(_, let answer, _),
            .serverError(_, let answer), .refused(_, let answer):
            answer
        case .unreachable, .contentMismatch, .malformed, .hostNotAllowed, .uploadLost, .timedOut, .credentials, .cancelled: nil
        }
    }

    /// Whether the same request may succeed later without anybody changing anything.
    public var isTransient: Bool {
        switch self {
        case .rateLimited, .serverError, .timedOut, .uploadLost: true
        case .unreachable(_, let error): error.isRetryable
        // A body that was cut or flipped on the way may arrive whole the next time.
        case .contentMismatch: true
        case .unauthorized, .forbidden, .notFound, .refused, .malformed, .hostNotAllowed, .credentials, .cancelled: false
        }
    }
}

extension RegistryError: CustomStringConvertible {
    public var description: String {
        let what =
            switch self {
            case .unauthorized: "the credentials were not accepted"
            case .forbidden: "the credentials do not allow this"
            case .notFound: "not found"
            case .rateLimited(_, let answer, let seconds): (answer.status == 503 ? "overloaded" : "too many requests") + (seconds.map { "; asked to wait \(Int($0)) s" } ?? "")
            case .serverError: "the registry failed"
            case .refused: "the registry refused"
            case .unreachable(_, let error): "no answer: \(error)"
            case .contentMismatch(_, let reason): "wrong content: \(reason)"
            case .malformed(_, let reason): "malformed: \(reason)"
            case .hostNotAllowed(_, let host, let why): "\(why) points to \(host), which the environment does not name"
            case .uploadLost: "the upload session was lost"
            case .timedOut: "the time ran out"
            case .credentials(_, let reason): "the credentials can't be read: \(reason)"
            case .cancelled: "cancelled"
            }
        guard let answer else { return "\(place): \(what)" }
        let words = [answer.code, answer.message].filter { !$0.isEmpty }.joined(separator: " ")
        return "\(place): \(what) (\(answer.status)\(words.isEmpty ? "" : " " + words))"
    }
}
