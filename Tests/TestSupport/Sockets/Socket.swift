import Foundation
import Synchronization

/// A blocking stream socket. Whoever made it closes it.
struct Socket: Sendable, Hashable {
    let descriptor: Int32

    static func connect(to endpoint: Endpoint) throws -> Socket {
        switch endpoint {
        case .tcp(let port): try connect(port: port)
        case .unix(let path): try connect(path: path)
        }
    }

    /// Listens on the loopback address; port 0 takes a free one.
    static func listen(port: Int) throws -> Socket {
        let socket = try Socket(family: AF_INET)
        var yes: Int32 = 1
        setsockopt(socket.descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        var address = loopback(port)
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket.descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard bound == 0, Glibc.listen(socket.descriptor, 128) == 0 else {
            let code = errno
            socket.close()
            throw HarnessError.socket(operation: "listen on port \(port)", code: code)
        }
        return socket
    }

    /// The port that it is bound to.
    func port() throws -> Int {
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        guard result == 0 else { throw HarnessError.socket(operation: "getsockname", code: errno) }
        return Int(UInt16(bigEndian: address.sin_port))
    }

    /// The next connection; `nil` where none came within `milliseconds`.
    func accept(within milliseconds: Int32) -> Socket? {
        guard wait(for: POLLIN, milliseconds: milliseconds) else { return nil }
        let accepted = Launch.inheritance.withLock { _ in
            let accepted = Glibc.accept(descriptor, nil, nil)
            if accepted >= 0 { _ = fcntl(accepted, F_SETFD, FD_CLOEXEC) }
            return accepted
        }
        guard accepted >= 0 else { return nil }
        let socket = Socket(descriptor: accepted)
        socket.sendAtOnce()
        return socket
    }

    /// Reads what is there, at most `limit` bytes; empty at the end.
    func read(atMost limit: Int) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
            while true {
                let got = recv(descriptor, buffer.baseAddress, limit, 0)
                if got < 0, errno == EINTR { continue }
                guard got >= 0 else { throw HarnessError.socket(operation: "read", code: errno) }
                count = got
                return
            }
        }
    }

    func write(_ bytes: some Collection<UInt8>) throws {
        let done: Void? = try bytes.withContiguousStorageIfAvailable { try write(buffer: $0) }
        if done == nil { try Array(bytes).withUnsafeBufferPointer { try write(buffer: $0) } }
    }

    private func write(buffer: UnsafeBufferPointer<UInt8>) throws {
        guard let start = buffer.baseAddress else { return }
        var sent = 0
        while sent < buffer.count {
            let count = send(descriptor, start + sent, buffer.count - sent, Int32(MSG_NOSIGNAL))
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw HarnessError.socket(operation: "write", code: errno) }
            sent += count
        }
    }

    /// Waits until the other side goes away or we are shut down.
    func waitForHangUp() {
        let gone = Int16(POLLHUP | POLLERR) | 0x2000  // POLLRDHUP
        var poll = pollfd(fd: descriptor, events: 0x2000, revents: 0)
        while Glibc.poll(&poll, 1, -1) >= 0 || errno == EINTR {
            if poll.revents & gone != 0 { return }
        }
    }

    func wait(for events: Int32, milliseconds: Int32) -> Bool {
        var poll = pollfd(fd: descriptor, events: Int16(events), revents: 0)
        return Glibc.poll(&poll, 1, milliseconds) > 0
    }

    /// Both directions end; the descriptor stays valid.
    func shutDown() { Glibc.shutdown(descriptor, Int32(SHUT_RDWR)) }
    func shutDownWriting() { Glibc.shutdown(descriptor, Int32(SHUT_WR)) }

    func close() { Glibc.close(descriptor) }

    /// The next close sends a reset instead of an orderly end.
    func resetWhenClosed() {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    }

    /// Reads fail after that long without a byte.
    func limitReads(to seconds: Int) {
        var limit = timeval(tv_sec: seconds, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    private init(descriptor: Int32) { self.descriptor = descriptor }

    private init(family: Int32) throws {
        descriptor = socket(family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw HarnessError.socket(operation: "socket", code: errno) }
    }

    private func sendAtOnce() {
        var yes: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
    }

    private static func loopback(_ port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return address
    }

    private static func connect(port: Int) throws -> Socket {
        let socket = try Socket(family: AF_INET)
        var address = loopback(port)
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(socket.descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw socket.failed("connect to port \(port)") }
        socket.sendAtOnce()
        return socket
    }

    private static func connect(path: String) throws -> Socket {
        let socket = try Socket(family: AF_UNIX)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix(107)) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(socket.descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else { throw socket.failed("connect to \(path)") }
        return socket
    }

    private func failed(_ operation: String) -> HarnessError {
        let code = errno
        close()
        return .socket(operation: operation, code: code)
    }
}
