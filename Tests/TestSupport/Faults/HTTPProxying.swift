import Foundation

/// One client's connection: its requests, one after the other, to a server's connection of their own.
struct HTTPProxying: Sendable {
    let proxy: FaultProxy
    let client: Socket

    /// Returns when the connection is to end; the caller closes the client's socket.
    func run() {
        let reader = SocketReader(client)
        var server: Socket?
        defer { if let server { proxy.connections.close(server) } }
        do {
            while let head = try reader.head() {
                guard try handle(head, reader, &server) else { return }
            }
        } catch {
            // The client or the server went away: the connection ends, as it would without us.
            return
        }
    }

    /// - Returns: whether the connection goes on.
    private func handle(_ head: MessageHead, _ reader: SocketReader, _ server: inout Socket?) throws -> Bool {
        let fault = proxy.fault(for: RecordedRequest(method: head.method, target: head.target, fields: head.fields))
        var head = head
        switch fault {
        case .reset:
            client.resetWhenClosed()
            return false
        case .answer(let answer): return try reply(answer, to: head, reader)
        case .delay(let duration): Thread.sleep(forTimeInterval: duration / .seconds(1))
        case .hold: proxy.holdUntilReleased()
        case .rewriteRequestField(let name, let value): head.set(name, to: value)
        default: break
        }
        let upstream: Socket
        if let server {
            upstream = server
        } else {
            upstream = try Socket.connect(to: proxy.target)
            guard proxy.connections.add(upstream) else { return false }
            server = upstream
        }
        return try forward(head, reader, to: upstream, fault)
    }

    private func forward(_ head: MessageHead, _ reader: SocketReader, to server: Socket, _ fault: Fault) throws -> Bool {
        try server.write(head.bytes)
        let goesOn = SharedValue(false)
        let answered = DispatchSemaphore(value: 0)
        let answer = AnswerForwarding(server: server, client: client, method: head.method, fault: fault)
        Thread.detachNewThread {
            goesOn.set(answer.run())
            answered.signal()
        }
        defer { answered.wait() }
        do {
            try forwardBody(of: head, reader, to: server, .ofRequest(fault))
        } catch ForwardingEnd.stalled {
            client.waitForHangUp()
            server.shutDown()
            return false
        } catch ForwardingEnd.cut {
            server.shutDown()
            client.shutDown()
            return false
        } catch {
            // The server stopped reading (it answered early), or the client left: its answer may still be on the way.
            server.shutDownWriting()
            return false
        }
        answered.wait()
        answered.signal()
        return goesOn.value && !head.asksToClose
    }

    private func forwardBody(of head: MessageHead, _ reader: SocketReader, to server: Socket, _ damage: BodyDamage) throws {
        var damage = damage
        if head.requestBody != .none { try damage.strikeBeforeFirstByte() }
        try reader.body(
            head.requestBody, data: { piece in try damage.pass(piece) { try server.write($0) } }, raw: { try server.write($0) })
    }

    /// Answers in the server's place. Where the request has a body, the connection ends after it.
    private func reply(_ answer: HTTPAnswer, to request: MessageHead, _ reader: SocketReader) throws -> Bool {
        var head = MessageHead(startLine: "HTTP/1.1 \(answer.status) Injected", fields: answer.fields)
        head.set("Content-Length", to: String(answer.body.count))
        let hasBody = request.requestBody != .none
        if hasBody { head.set("Connection", to: "close") }
        try client.write(head.bytes + (request.method == "HEAD" ? [] : answer.body))
        guard hasBody else { return !request.asksToClose }
        client.shutDownWriting()
        client.limitReads(to: 5)
        while try !client.read(atMost: 65_536).isEmpty {}
        return false
    }
}

/// The way back of one request.
struct AnswerForwarding: Sendable {
    let server: Socket
    let client: Socket
    let method: String
    let fault: Fault

    /// - Returns: whether the connection may carry another request.
    func run() -> Bool {
        do {
            let goesOn = try forward()
            if !goesOn { client.shutDownWriting() }
            return goesOn
        } catch ForwardingEnd.stalled {
            client.waitForHangUp()
        } catch {
            // Cut on purpose, or one side is gone: end both, so that the thread that forwards the request wakes up.
        }
        client.shutDown()
        server.shutDown()
        return false
    }

    private func forward() throws -> Bool {
        let reader = SocketReader(server)
        while var head = try reader.head() {
            let isInterim = head.status < 200
            if case .loseResponse = fault, !isInterim { throw ForwardingEnd.cut }
            let framing = head.answerBody(to: method)
            if !isInterim { rewrite(&head) }
            try client.write(head.bytes)
            if isInterim { continue }
            try forwardBody(framing, reader)
            if case .lieContentLength = fault { return false }
            return framing != .untilClose && !head.asksToClose
        }
        throw HarnessError.connectionClosed
    }

    private func forwardBody(_ framing: BodyFraming, _ reader: SocketReader) throws {
        var damage = BodyDamage.ofResponse(fault)
        if framing != .none { try damage.strikeBeforeFirstByte() }
        try reader.body(framing, data: { piece in try damage.pass(piece) { try client.write($0) } }, raw: { try client.write($0) })
    }

    private func rewrite(_ head: inout MessageHead) {
        switch fault {
        case .rewriteResponseField(let name, let value): head.set(name, to: value)
        case .lieContentLength(let length): head.set("Content-Length", to: String(length))
        default: break
        }
    }
}
