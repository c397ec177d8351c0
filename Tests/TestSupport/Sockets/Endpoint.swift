import Foundation
import Synchronization

/// Where a server listens on this machine.
public enum Endpoint: Sendable, Hashable {
    case tcp(port: Int)
    case unix(path: String)
}

/// Ports for servers that cannot take a free one by themselves.
public enum FreePort {
    private static let given = Mutex<Set<Int>>([])

    /// A port below those that the kernel gives to outgoing connections, so that a server can be restarted on it.
    public static func take() throws -> Int {
        for _ in 0..<500 {
            let port = Int.random(in: 15_000..<32_000)
            guard given.withLock({ $0.insert(port).inserted }) else { continue }
            if let socket = try? Socket.listen(port: port) {  // in use: try another one
                socket.close()
                return port
            }
        }
        throw HarnessError.deadline(waitingFor: "a free port")
    }
}
