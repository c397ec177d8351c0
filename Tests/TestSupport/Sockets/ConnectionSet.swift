import Synchronization

/// The sockets of a server, so that another thread can end them without ever touching a descriptor that was closed.
final class ConnectionSet: Sendable {
    private struct State {
        var open: Set<Socket> = []
        var ended = false
    }
    private let state = Mutex(State())

    /// - Returns: whether the server still runs; else the socket was closed.
    func add(_ socket: Socket) -> Bool {
        state.withLock {
            if $0.ended { socket.close() } else { $0.open.insert(socket) }
            return !$0.ended
        }
    }

    func close(_ socket: Socket) {
        state.withLock { if $0.open.remove(socket) != nil { socket.close() } }
    }

    /// Ends what is open; each connection's own thread closes its sockets.
    func shutDownAll(reset: Bool = false) {
        state.withLock {
            for socket in $0.open {
                if reset { socket.resetWhenClosed() }
                socket.shutDown()
            }
        }
    }

    func end() {
        state.withLock { $0.ended = true }
        shutDownAll()
    }

    var isEnded: Bool { state.withLock { $0.ended } }
    var count: Int { state.withLock { $0.open.count } }
}
