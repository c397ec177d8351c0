import Foundation
import Synchronization

/// A proxy on a loopback port that stands before a registry or PostgreSQL and does harm on request.
///
/// It changes nothing it was not asked to change. The `Host` field passes as it is, so what a server makes of it
/// (docker-registry's `Location`) points at the proxy.
public final class FaultProxy: Sendable {
    /// What the proxy understands of the traffic.
    public enum Language: Sendable { case http, bytes }

    struct State {
        var rules: [FaultRule] = []
        var requests: [RecordedRequest] = []
        var connectionFault = ConnectionFault.none
        var refusing = false
        var releases = 0
        var holding = 0
        var accepted = 0
    }

    public let port: Int
    public var url: String { "http://127.0.0.1:\(port)" }
    public var host: String { "127.0.0.1:\(port)" }
    let target: Endpoint
    let connections = ConnectionSet()
    let state = Mutex(State())
    private let language: Language

    public init(to target: Endpoint, speaking language: Language = .http) throws {
        self.target = target
        self.language = language
        let listener = try Socket.listen(port: 0)
        port = try listener.port()
        Thread.detachNewThread { [self] in acceptConnections(listener) }
    }

    /// Later rules come first.
    public func add(_ rule: FaultRule) { state.withLock { $0.rules.insert(rule, at: 0) } }

    public func removeRules() { state.withLock { $0.rules = [] } }

    /// What happens to connections from now on.
    public func setConnectionFault(_ fault: ConnectionFault) { state.withLock { $0.connectionFault = fault } }

    /// Connections are refused from now on; those that are open end.
    public func goDown() async throws {
        state.withLock { $0.refusing = true }
        connections.shutDownAll()
        try await eventually("port \(port) to be closed") {
            guard let socket = try? Socket.connect(to: .tcp(port: port)) else { return true }  // refused: down
            socket.close()
            return false
        }
        connections.shutDownAll()
    }

    public func comeBack() async throws {
        state.withLock { $0.refusing = false }
        try await eventually("port \(port) to be open") {
            guard let socket = try? Socket.connect(to: .tcp(port: port)) else { return false }  // refused: not yet up
            socket.close()
            return true
        }
    }

    /// Ends all that is open.
    public func cutAll(reset: Bool = false) { connections.shutDownAll(reset: reset) }

    /// Lets go what `.hold` holds.
    public func release() { state.withLock { $0.releases += 1 } }

    /// How many requests `.hold` holds at the moment.
    public var held: Int { state.withLock { $0.holding } }

    /// All requests so far, in the order in which they came.
    public func requests() -> [RecordedRequest] { state.withLock { $0.requests } }

    public func requests(_ method: String, _ target: String = "") -> [RecordedRequest] {
        requests().filter {
            $0.method == method && (target.isEmpty || $0.target.range(of: target, options: .regularExpression) != nil)
        }
    }

    public func forgetRequests() { state.withLock { $0.requests = [] } }

    /// How many connections were accepted so far.
    public var connectionsAccepted: Int { state.withLock { $0.accepted } }

    public func stop() { connections.end() }

    /// Notes a request and finds what is to happen to it.
    func fault(for request: RecordedRequest) -> Fault {
        state.withLock { state in
            state.requests.append(request)
            for index in state.rules.indices where state.rules[index].left > 0 && state.rules[index].applies(request) {
                if state.rules[index].passesFirst > 0 {
                    state.rules[index].passesFirst -= 1
                    continue
                }
                state.rules[index].left -= 1
                return state.rules[index].fault
            }
            return .pass
        }
    }

    func holdUntilReleased() {
        let before = state.withLock {
            $0.holding += 1
            return $0.releases
        }
        while !connections.isEnded, state.withLock({ $0.releases == before }) { Thread.sleep(forTimeInterval: 0.005) }
        state.withLock { $0.holding -= 1 }
    }

    private func acceptConnections(_ first: Socket) {
        var listener: Socket? = first
        while !connections.isEnded {
            if state.withLock({ $0.refusing }) {
                listener?.close()
                listener = nil
                Thread.sleep(forTimeInterval: 0.005)
            } else if let open = listener {
                if let client = open.accept(within: 20), connections.add(client) { serve(client) }
            } else {
                listener = try? Socket.listen(port: port)  // the port is still busy: again in a moment
            }
        }
        listener?.close()
    }

    private func serve(_ client: Socket) {
        let fault = state.withLock {
            $0.accepted += 1
            return $0.connectionFault
        }
        Thread.detachNewThread { [self] in
            if fault == .reset {
                client.resetWhenClosed()
            } else if language == .http, fault == .none {
                HTTPProxying(proxy: self, client: client).run()
            } else {
                ByteProxying(proxy: self, client: client, fault: fault).run()
            }
            connections.close(client)
        }
    }
}
