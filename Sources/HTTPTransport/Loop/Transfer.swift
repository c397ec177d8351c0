import CCurl
import Glibc

/// What the callbacks of a transfer want to know. All are called from within libcurl: pause, abort and remember,
/// nothing else.
protocol TransferSink: AnyObject {
    /// Status and fields are known; to refuse the response set `abortReason`.
    func didReceiveHead(_ transfer: Transfer)
    /// Takes a piece of the body, all or nothing.
    func receive(_ bytes: UnsafeRawBufferPointer, _ transfer: Transfer) -> Transfer.Intake
    /// Gives a piece of the request's body.
    func fill(_ buffer: UnsafeMutableRawBufferPointer, _ transfer: Transfer) -> Transfer.Filling
}

/// One request and its response: owns an easy handle and all that libcurl points to. Loop thread only.
@safe final class Transfer {
    /// What became of received bytes.
    enum Intake {
        case taken
        /// Hand them over again after `resumeReceiving`.
        case hold
        /// End the transfer with `abortReason`.
        case abort
    }

    /// What there is to send.
    enum Filling {
        case bytes(Int)
        /// Ask again after `resumeSending`.
        case hold
        /// End the transfer with `abortReason`.
        case abort
    }

    /// The most bytes of header fields, all together.
    static let maximumHeadBytes = 64 * 1024

    let handle: UnsafeMutableRawPointer
    let url: HTTPURL
    let settings: ConnectionSettings
    /// Bytes of the request's body.
    let uploadBytes: Int64
    /// Whose transfer it is. An operation outlives its transfers' time in the loop; unowned because this is read for
    /// every piece.
    unowned let operation: any Operation
    private unowned let sink: any TransferSink

    /// The final response's head, once it is whole.
    private(set) var head: HTTPResponseHead?
    /// Why a callback ended the transfer.
    var abortReason: HTTPTransportError?
    /// Bytes of the request's body that libcurl has taken; unlike ``sentBytes`` it survives a new connection.
    private(set) var givenBytes: Int64 = 0
    private(set) var isReceivingHeld = false
    private(set) var isSendingHeld = false
    /// Held because the bandwidth is used up, whatever the sink says.
    private var isThrottled = false
    /// What it may move, together with others; set by the loop.
    var bucket: TokenBucket?
    /// Whether it may be held: on a connection that others use too, it would hold them.
    let mayBeThrottled: Bool
    /// The last address that it was not allowed to go to.
    private(set) var refusedAddress: PeerAddress?

    private var status = 0
    private var fields = HTTPFields()
    private var headBytes = 0
    private var lists: [UnsafeMutablePointer<curl_slist>] = unsafe []
    private let errorText: UnsafeMutablePointer<CChar>
    private let started = ContinuousClock.now
    private var lastMove = ContinuousClock.now
    private var lastCount: Int64 = -1
    private let deadline: ContinuousClock.Instant?

    /// A transfer of `request`; nil when libcurl is out of memory or refuses an option.
    ///
    /// - Parameters:
    ///   - uploadBytes: the length of the body that the sink will give.
    ///   - options: how the bytes are moved.
    init?(
        _ request: HTTPRequest, settings: ConnectionSettings, uploadBytes: Int64, options: TransferOptions,
        operation: any Operation, sink: any TransferSink
    ) {
        guard let handle = unsafe curl_easy_init() else { return nil }
        unsafe self.handle = handle
        self.url = request.url
        self.settings = settings
        self.uploadBytes = uploadBytes
        self.operation = operation
        self.sink = sink
        mayBeThrottled = options.ownConnection
        deadline = settings.totalTimeout.map { .now + $0 }
        unsafe errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
        unsafe errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        guard configure(request, options) else { return nil }
    }

    deinit {
        unsafe curl_easy_cleanup(handle)
        while let list = unsafe lists.popLast() { unsafe curl_slist_free_all(list) }
        unsafe errorText.deallocate()
    }

    // MARK: Holding and going on

    /// Lets a held response go on; it may deliver bytes before this returns.
    func resumeReceiving() {
        guard isReceivingHeld, !isThrottled else { return }
        isReceivingHeld = false
        restart()
    }

    /// Lets a held request body go on.
    func resumeSending() {
        guard isSendingHeld, !isThrottled else { return }
        isSendingHeld = false
        restart()
    }

    /// There is bandwidth again; what the sink holds it holds again.
    func endThrottle() {
        isThrottled = false
        isReceivingHeld = false
        isSendingHeld = false
        restart()
    }

    /// Whether the bandwidth is used up; the bucket then wakes the transfer in time.
    private func isOverBandwidth() -> Bool {
        guard mayBeThrottled, let bucket, !bucket.isOpen else { return false }
        isThrottled = true
        bucket.wait(self)
        return true
    }

    private func restart() {
        lastMove = .now
        let mask = (isReceivingHeld ? CURL_SHIM_PAUSE_RECV : 0) | (isSendingHeld ? CURL_SHIM_PAUSE_SEND : 0)
        unsafe curl_easy_pause(handle, Int32(mask))
    }

    // MARK: Figures

    /// Bytes of the request's body that have left.
    var sentBytes: Int64 { offset(CURLINFO_SIZE_UPLOAD_T) }
    /// Bytes of the response's body that have come.
    var receivedBytes: Int64 { offset(CURLINFO_SIZE_DOWNLOAD_T) }
    var isConnected: Bool { offset(CURLINFO_PRETRANSFER_TIME_T) > 0 }

    private func offset(_ info: CURLINFO) -> Int64 {
        var value: curl_off_t = 0
        return unsafe curl_shim_get_offset(handle, info, &value) == CURLE_OK ? Int64(value) : 0
    }

    /// Which deadline has passed, if any.
    func overdue(_ now: ContinuousClock.Instant) -> HTTPTransportError? {
        if let deadline, now >= deadline { return .timedOut(url: url.redacted, phase: .total) }
        guard isConnected else {
            // libcurl has the same limit; this one also covers the wait for somebody else's handshake.
            return now - started > settings.connectTimeout + .seconds(1)
                ? .timedOut(url: url.redacted, phase: .connect) : nil
        }
        let sent = sentBytes
        let count = sent + receivedBytes + Int64(headBytes)
        if count != lastCount || isReceivingHeld || isSendingHeld {
            lastCount = count
            lastMove = now
            return nil
        }
        if uploadBytes > 0, sent >= uploadBytes, head == nil {
            return now - lastMove > settings.commitTimeout ? .timedOut(url: url.redacted, phase: .commit) : nil
        }
        return now - lastMove > settings.stallTimeout ? .stalled(url: url.redacted, after: settings.stallTimeout) : nil
    }

    // MARK: What libcurl calls

    func receiveHeader(_ line: UnsafeRawBufferPointer) -> Bool {
        // Trailers come the same way, after the body; nobody reads them.
        headBytes += line.count
        guard headBytes <= Self.maximumHeadBytes else {
            abortReason = .headersTooLarge(url: url.redacted, limit: Self.maximumHeadBytes)
            return false
        }
        guard head == nil else { return true }
        let text = unsafe String(decoding: line, as: UTF8.self)
        if text.hasPrefix("HTTP/") {
            fields = HTTPFields()
            status = text.split(separator: " ").dropFirst().first.flatMap { Int($0.prefix(3)) } ?? 0
        } else if text == "\r\n" || text == "\n" {
            return finishHead()
        } else {
            addField(text)
        }
        return abortReason == nil
    }

    private func finishHead() -> Bool {
        guard status >= 200 else { return true }
        head = HTTPResponseHead(status: status, fields: fields, url: url)
        sink.didReceiveHead(self)
        return abortReason == nil
    }

    private func addField(_ line: String) {
        let whole = line.utf8.last == UInt8(ascii: "\n") ? line.dropLast() : line[...]
        guard let colon = whole.firstIndex(of: ":") else { return }
        let value = whole[whole.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
        var end = value.endIndex
        while end > value.startIndex, value[value.index(before: end)].isWhitespace { end = value.index(before: end) }
        do {
            try fields.append(String(whole[..<colon]), String(value[..<end]))
        } catch {
            abortReason = .invalidResponse(url: url.redacted, reason: error.description)
        }
    }

    func receiveBody(_ bytes: UnsafeRawBufferPointer) -> Intake {
        if unsafe !bytes.isEmpty, isOverBandwidth() {
            isReceivingHeld = true
            return .hold
        }
        let intake = unsafe sink.receive(bytes, self)
        switch intake {
        case .taken: bucket?.take(bytes.count)
        case .hold: isReceivingHeld = true
        case .abort: break
        }
        return intake
    }

    func fillBody(_ buffer: UnsafeMutableRawBufferPointer) -> Filling {
        // libcurl asks when all it has is sent. If it counts from zero again it has begun a second request, which would
        // miss the beginning of the body.
        guard sentBytes >= givenBytes else {
            abortReason = .sendFailed(url: url.redacted, sent: givenBytes)
            return .abort
        }
        if givenBytes < uploadBytes, isOverBandwidth() {
            isSendingHeld = true
            return .hold
        }
        let filling = unsafe sink.fill(buffer, self)
        switch filling {
        case .bytes(let count):
            givenBytes += Int64(count)
            bucket?.take(count)
        case .hold: isSendingHeld = true
        case .abort: break
        }
        return filling
    }

    /// Makes the socket for a connection; nil where none may go.
    func openSocket(_ address: UnsafePointer<curl_sockaddr>) -> Int32? {
        let offered = unsafe address.pointee
        let bytes = unsafe UnsafeRawBufferPointer(start: curl_shim_address(address), count: Int(offered.addrlen))
        guard let peer = unsafe PeerAddress(family: offered.family, bytes) else { return nil }
        // An address that is named as such is meant.
        let named = [url.origin.host, settings.proxy?.host].compactMap(\.self).compactMap(PeerAddress.init(literal:))
        guard !peer.isOffLimits || named.contains(peer) else {
            refusedAddress = peer
            return nil
        }
        let descriptor = socket(offered.family, offered.socktype | Int32(SOCK_CLOEXEC.rawValue), offered.protocol)
        return descriptor < 0 ? nil : descriptor
    }

    // MARK: Memory that libcurl points to

    /// Keeps a list until the handle is gone.
    func keep(_ list: UnsafeMutablePointer<curl_slist>) {
        unsafe lists.append(list)
    }

    var errorBuffer: UnsafeMutablePointer<CChar> { unsafe errorText }
}
