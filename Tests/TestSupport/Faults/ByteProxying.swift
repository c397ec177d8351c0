import Foundation

/// One connection whose bytes are passed on as they are.
struct ByteProxying: Sendable {
    let proxy: FaultProxy
    let client: Socket
    let fault: ConnectionFault

    /// Returns when both directions have ended; the caller closes the client's socket.
    func run() {
        guard let server = try? Socket.connect(to: proxy.target), proxy.connections.add(server) else { return }  // down: we are, too
        let done = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            pass(from: client, to: server, limit: .max, stalls: false)
            done.signal()
        }
        switch fault {
        case .cut(let limit): pass(from: server, to: client, limit: limit, stalls: false)
        case .stall(let limit): pass(from: server, to: client, limit: limit, stalls: true)
        case .none, .reset: pass(from: server, to: client, limit: .max, stalls: false)
        }
        client.shutDown()
        done.wait()
        proxy.connections.close(server)
    }

    private func pass(from source: Socket, to target: Socket, limit: Int, stalls: Bool) {
        var left = limit
        do {
            while left > 0 {
                let piece = try source.read(atMost: min(left, 65_536))
                if piece.isEmpty { return target.shutDownWriting() }
                try target.write(piece)
                left -= piece.count
            }
            if stalls { client.waitForHangUp() }
        } catch {
            // One side is gone: so is the other, at once.
            target.shutDown()
        }
    }
}
