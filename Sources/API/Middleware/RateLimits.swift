import APIModel
import HTTPTypes
import Hummingbird
import PromotionCore
import Synchronization

/// So many requests in so many seconds, for each caller.
public struct RateLimit: Sendable, Hashable {
    public let requests: Int
    public let seconds: Int

    /// - Returns: `nil` for anything but positive numbers.
    public init?(requests: Int, seconds: Int) {
        guard requests > 0, seconds > 0 else { return nil }
        self.requests = requests
        self.seconds = seconds
    }
}

/// Token buckets, one for each caller, in this process. Their number is bounded: who has not come for the longest time is forgotten first.
final class RateLimiter: Sendable {
    struct Verdict: Sendable {
        let isAllowed: Bool
        /// Whole requests left.
        let remaining: Int
        /// Seconds until one more is allowed, or until the bucket is full again.
        let reset: Int
    }

    private struct Bucket {
        var level: Double
        var at: ContinuousClock.Instant
    }

    private struct State {
        /// Two generations: when the younger is full the older is dropped.
        var young: [String: Bucket] = [:]
        var old: [String: Bucket] = [:]
    }

    let limit: RateLimit
    private let mostCallers: Int
    private let state = Mutex(State())

    init(_ limit: RateLimit, mostCallers: Int = 20_000) {
        self.limit = limit
        self.mostCallers = mostCallers
    }

    /// How many callers are remembered.
    var callers: Int { state.withLock { $0.young.count + $0.old.count } }

    /// Takes one request out of the caller's bucket, if there is one.
    func take(_ caller: String, at now: ContinuousClock.Instant = .now) -> Verdict {
        let rate = Double(limit.requests) / Double(limit.seconds)
        return state.withLock { state in
            var bucket = state.young[caller] ?? state.old.removeValue(forKey: caller) ?? Bucket(level: Double(limit.requests), at: now)
            bucket.level = min(Double(limit.requests), bucket.level + max(0, bucket.at.duration(to: now) / .seconds(1)) * rate)
            bucket.at = now
            let isAllowed = bucket.level >= 1
            if isAllowed { bucket.level -= 1 }
            if state.young[caller] == nil, state.young.count >= mostCallers / 2 {
                state.old = state.young
                state.young = [:]
            }
            state.young[caller] = bucket
            let wait = isAllowed ? (Double(limit.requests) - bucket.level) / rate : (1 - bucket.level) / rate
            return Verdict(isAllowed: isAllowed, remaining: Int(bucket.level), reset: max(1, Int(wait.rounded(.up))))
        }
    }
}

/// Keeps each caller within the limit and says how much is left (draft-ietf-httpapi-ratelimit-headers-10).
struct CallerLimitMiddleware: RouterMiddleware {
    typealias Context = ShipliftRequestContext

    private let limiter: RateLimiter
    private let policy: String

    init(limiter: RateLimiter) {
        self.limiter = limiter
        policy = "\"caller\";q=\(limiter.limit.requests);w=\(limiter.limit.seconds)"
    }

    private static let policyField = HTTPField.Name("RateLimit-Policy")
    private static let limitField = HTTPField.Name("RateLimit")

    @concurrent
    func handle(
        _ request: Request, context: Context, next: @concurrent (Request, Context) async throws -> Response
    ) async throws -> Response {
        guard let principal = context.principal else { return try await next(request, context) }
        let verdict = limiter.take(principal.subject.description)
        var response: Response
        if verdict.isAllowed {
            do { response = try await next(request, context) } catch {
                response = try Problem.of(error, context).at(request.uri.path, requestID: context.requestID).response(from: request, context: context)
            }
        } else {
            let problem = Problem.tooMany("this caller has used its \(limiter.limit.requests) requests in \(limiter.limit.seconds) s", retryAfter: verdict.reset)
            response = try problem.at(request.uri.path, requestID: context.requestID).response(from: request, context: context)
        }
        if let field = Self.policyField { response.headers[field] = policy }
        if let field = Self.limitField { response.headers[field] = "\"caller\";r=\(verdict.remaining);t=\(verdict.reset)" }
        return response
    }
}

/// Slows down who guesses: refused credentials are counted for each address, and beyond the limit the answer is 429 in place of 401.
///
/// Valid credentials always pass: callers behind one proxy or router can't lock each other out.
struct GuessLimitMiddleware: RouterMiddleware {
    typealias Context = ShipliftRequestContext

    let limiter: RateLimiter

    @concurrent
    func handle(
        _ request: Request, context: Context, next: @concurrent (Request, Context) async throws -> Response
    ) async throws -> Response {
        do {
            let response = try await next(request, context)
            return response.status == .unauthorized ? try refused(context).response(from: request, context: context) : response
        } catch let problem as Problem where problem.resource.status == 401 {
            throw refused(context, problem)
        }
    }

    private func refused(_ context: Context, _ problem: Problem = .unauthorized("the token is not valid")) -> Problem {
        let verdict = limiter.take(context.client.address.map { Self.network($0.description) } ?? "")
        return verdict.isAllowed ? problem : .tooMany("too many requests from this address were refused", retryAfter: verdict.reset)
    }

    /// An IPv6 customer has 2⁶⁴ addresses: the network counts.
    static func network(_ address: String) -> String {
        guard address.contains(":"), !address.contains(".") else { return address }
        let parts = address.split(separator: ":", omittingEmptySubsequences: false)
        return parts.prefix(4).prefix { !$0.isEmpty }.joined(separator: ":") + "::/64"
    }
}
