import CCurl

/// How the bytes of a transfer are moved.
struct TransferOptions {
    /// Bytes libcurl reads from a socket at once.
    var receiveBuffer = 64 * 1024
    /// Bytes libcurl asks of the sink at once.
    var sendBuffer = 64 * 1024
    /// A transfer that may be held must not share a connection: libcurl 7.88 holds all its streams with it.
    var ownConnection = false
}

extension Transfer {
    /// Sets every option; false at the first that libcurl refuses.
    func configure(_ request: HTTPRequest, _ options: TransferOptions) -> Bool {
        setBehaviour(options) && setConnection(options) && setProxy() && setTLS() && setMethod(request)
            && setFields(request)
            && setCallbacks() && set(CURLOPT_URL, request.url.description)
    }

    private func setBehaviour(_ options: TransferOptions) -> Bool {
        // Signals belong to the process, redirects and credentials to the caller; nothing is read from the environment.
        set(CURLOPT_NOSIGNAL, 1) && set(CURLOPT_PROTOCOLS_STR, "http,https") && set(CURLOPT_FOLLOWLOCATION, 0)
            && set(CURLOPT_NETRC, 0) && set(CURLOPT_PATH_AS_IS, 1) && set(CURLOPT_HTTP_CONTENT_DECODING, 0)
            && set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
            // A cancelled look-up must not make the loop wait for its thread.
            && set(CURLOPT_QUICK_EXIT, 1)
            && set(CURLOPT_BUFFERSIZE, pieceBytes(options.receiveBuffer)) && set(CURLOPT_UPLOAD_BUFFERSIZE, pieceBytes(options.sendBuffer))
    }

    /// A slow transfer moves in small pieces, so that it never stands still for long.
    private func pieceBytes(_ wanted: Int) -> Int {
        guard let limit = settings.bandwidth else { return wanted }
        return min(wanted, max(16 * 1024, limit.bytesPerSecond / 8))
    }

    private func setConnection(_ options: TransferOptions) -> Bool {
        let multiplexes = settings.allowsHTTP2 && !options.ownConnection
        let version = multiplexes ? Int(CURL_HTTP_VERSION_2TLS) : Int(CURL_HTTP_VERSION_1_1)
        let limit = settings.bytesPerSecond.map { max(1, $0) } ?? 0
        return set(CURLOPT_HTTP_VERSION, version)
            && set(CURLOPT_PIPEWAIT, multiplexes && url.origin.scheme == .https ? 1 : 0)
            && set(CURLOPT_CONNECTTIMEOUT_MS, settings.connectTimeout.milliseconds)
            && set(CURLOPT_TCP_KEEPALIVE, 1)
            // Shorter than the idle time of common servers, so that a reused connection is rarely one just closed.
            && set(CURLOPT_MAXAGE_CONN, 30)
            && setOffset(CURLOPT_MAX_RECV_SPEED_LARGE, Int64(limit))
            && setOffset(CURLOPT_MAX_SEND_SPEED_LARGE, Int64(limit))
    }

    private func setProxy() -> Bool {
        // An empty text keeps libcurl from looking into the environment.
        guard let proxy = settings.proxy else { return set(CURLOPT_PROXY, "") && set(CURLOPT_NOPROXY, "") }
        guard set(CURLOPT_PROXY, "\(proxy.scheme.rawValue)://\(proxy.host):\(proxy.port)"),
            set(CURLOPT_NOPROXY, proxy.noProxy.joined(separator: ","))
        else { return false }
        if let name = proxy.userName, !set(CURLOPT_PROXYUSERNAME, name) { return false }
        if let password = proxy.password, !set(CURLOPT_PROXYPASSWORD, password.reveal()) { return false }
        return true
    }

    private func setTLS() -> Bool {
        guard set(CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2)) else { return false }
        if let file = settings.tls.caFile, !set(CURLOPT_CAINFO, file) { return false }
        if let file = settings.tls.clientCertificateFile, !set(CURLOPT_SSLCERT, file) { return false }
        if let file = settings.tls.clientKeyFile, !set(CURLOPT_SSLKEY, file) { return false }
        return true
    }

    private func setMethod(_ request: HTTPRequest) -> Bool {
        switch request.method {
        case .get: return set(CURLOPT_HTTPGET, 1)
        case .head: return set(CURLOPT_NOBODY, 1)
        case .delete: return set(CURLOPT_HTTPGET, 1) && set(CURLOPT_CUSTOMREQUEST, request.method.rawValue)
        case .post, .put, .patch:
            // Always an "upload": libcurl then has no form type of its own and, without a seek callback, never sends a
            // body twice.
            return set(CURLOPT_UPLOAD, 1) && set(CURLOPT_CUSTOMREQUEST, request.method.rawValue)
                && setOffset(CURLOPT_INFILESIZE_LARGE, uploadBytes)
        }
    }

    private func setFields(_ request: HTTPRequest) -> Bool {
        var lines = ["Expect:"]
        if request.method.hasBody, request.fields["Content-Type"] == nil {
            lines.append("Content-Type: application/octet-stream")
        }
        let ours: Set = ["content-length", "transfer-encoding", "host", "expect", "connection"]
        for field in request.fields.lines where !ours.contains(field.name.lowercased()) {
            // To libcurl "Name:" means "leave it out" and "Name;" means an empty value.
            lines.append(field.value.isEmpty ? "\(field.name);" : "\(field.name): \(field.value)")
        }
        var list: UnsafeMutablePointer<curl_slist>?
        for line in lines {
            guard let longer = unsafe curl_slist_append(list, line) else {
                unsafe curl_slist_free_all(list)
                return false
            }
            unsafe list = longer
        }
        guard let list = unsafe list else { return false }
        unsafe keep(list)
        return unsafe curl_shim_set_list(handle, CURLOPT_HTTPHEADER, list) == CURLE_OK
    }

    private func setCallbacks() -> Bool {
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        return unsafe curl_shim_set_pointer(handle, CURLOPT_HEADERDATA, context) == CURLE_OK
            && curl_shim_set_pointer(handle, CURLOPT_WRITEDATA, context) == CURLE_OK
            && curl_shim_set_pointer(handle, CURLOPT_READDATA, context) == CURLE_OK
            && curl_shim_set_pointer(handle, CURLOPT_OPENSOCKETDATA, context) == CURLE_OK
            && curl_shim_set_socket_callback(handle, CURLOPT_OPENSOCKETFUNCTION, socketCallback) == CURLE_OK
            && curl_shim_set_callback(handle, CURLOPT_HEADERFUNCTION, headerCallback) == CURLE_OK
            && curl_shim_set_callback(handle, CURLOPT_WRITEFUNCTION, bodyCallback) == CURLE_OK
            && curl_shim_set_callback(handle, CURLOPT_READFUNCTION, fillCallback) == CURLE_OK
            && curl_shim_set_pointer(handle, CURLOPT_ERRORBUFFER, errorBuffer) == CURLE_OK
    }

    private func set(_ option: CURLoption, _ value: Int) -> Bool {
        unsafe curl_shim_set_long(handle, option, value) == CURLE_OK
    }

    private func setOffset(_ option: CURLoption, _ value: Int64) -> Bool {
        unsafe curl_shim_set_offset(handle, option, curl_off_t(value)) == CURLE_OK
    }

    /// libcurl copies the text.
    private func set(_ option: CURLoption, _ value: String) -> Bool {
        unsafe curl_shim_set_string(handle, option, value) == CURLE_OK
    }
}

// libcurl hands back the pointer to the transfer; the loop keeps the transfer alive while its handle is in use.

private func headerCallback(
    _ buffer: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?
) -> Int {
    guard let buffer = unsafe buffer, let context = unsafe context else { return 0 }
    let transfer = unsafe Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
    return unsafe transfer.receiveHeader(UnsafeRawBufferPointer(start: buffer, count: size * count)) ? size * count : 0
}

private func bodyCallback(
    _ buffer: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?
) -> Int {
    guard let buffer = unsafe buffer, let context = unsafe context else { return 0 }
    let transfer = unsafe Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
    return switch unsafe transfer.receiveBody(UnsafeRawBufferPointer(start: buffer, count: size * count)) {
    case .taken: size * count
    case .hold: Int(CURL_SHIM_WRITE_PAUSE)
    // Any other number than that of the bytes given is an error; an empty piece needs one that is not 0.
    case .abort: size * count == 0 ? 1 : 0
    }
}

private func fillCallback(
    _ buffer: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?
) -> Int {
    guard let buffer = unsafe buffer, let context = unsafe context else { return Int(CURL_SHIM_READ_ABORT) }
    let transfer = unsafe Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
    return switch unsafe transfer.fillBody(UnsafeMutableRawBufferPointer(start: buffer, count: size * count)) {
    case .bytes(let bytes): bytes
    case .hold: Int(CURL_SHIM_READ_PAUSE)
    case .abort: Int(CURL_SHIM_READ_ABORT)
    }
}

private func socketCallback(
    _ context: UnsafeMutableRawPointer?, _ purpose: curlsocktype, _ address: UnsafeMutablePointer<curl_sockaddr>?
) -> curl_socket_t {
    guard let context = unsafe context, let address = unsafe address else { return CURL_SHIM_SOCKET_BAD }
    let transfer = unsafe Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
    return unsafe transfer.openSocket(address) ?? CURL_SHIM_SOCKET_BAD
}

extension Duration {
    /// Whole milliseconds, at least 1.
    var milliseconds: Int {
        max(1, Int(components.seconds) * 1000 + Int(components.attoseconds / 1_000_000_000_000_000))
    }
}
