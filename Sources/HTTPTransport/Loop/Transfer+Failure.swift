import CCurl

extension Transfer {
    /// What libcurl's result means; nil when all went well.
    func failure(of code: CURLcode) -> HTTPTransportError? {
        guard code != CURLE_OK else {
            return head == nil ? .invalidResponse(url: url.redacted, reason: "no status line") : nil
        }
        if let abortReason { return abortReason }
        let url = url.redacted
        if let refusedAddress, code == CURLE_COULDNT_CONNECT { return .addressNotAllowed(url: url, address: refusedAddress.description) }
        if let failure = proxyFailure(code) { return failure }
        // In TLS 1.3 a refused client certificate is told after the handshake.
        if head == nil, message(of: code).contains(" alert ") { return .tls(url: url, message: message(of: code)) }
        switch code {
        case CURLE_COULDNT_RESOLVE_HOST: return .resolve(url: url)
        case CURLE_COULDNT_CONNECT: return .connect(url: url)
        case CURLE_OPERATION_TIMEDOUT: return .timedOut(url: url, phase: isConnected ? .total : .connect)
        case CURLE_SEND_ERROR: return .sendFailed(url: url, sent: sentBytes)
        // libcurl wanted to send the body again on a new connection, and was refused it.
        case CURLE_SEND_FAIL_REWIND: return .sendFailed(url: url, sent: givenBytes)
        case CURLE_RECV_ERROR, CURLE_GOT_NOTHING, CURLE_PARTIAL_FILE, CURLE_HTTP2, CURLE_HTTP2_STREAM:
            if head == nil, sentBytes < uploadBytes { return .sendFailed(url: url, sent: sentBytes) }
            return .receiveFailed(url: url, received: receivedBytes, expected: head?.contentLength)
        case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CONNECT_ERROR, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER,
            CURLE_SSL_CACERT_BADFILE, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_CLIENTCERT, CURLE_SSL_ENGINE_NOTFOUND,
            CURLE_SSL_ENGINE_SETFAILED, CURLE_SSL_CRL_BADFILE, CURLE_SSL_PINNEDPUBKEYNOTMATCH,
            CURLE_SSL_INVALIDCERTSTATUS:
            return .tls(url: url, message: message(of: code))
        case CURLE_WEIRD_SERVER_REPLY, CURLE_UNSUPPORTED_PROTOCOL, CURLE_BAD_CONTENT_ENCODING:
            return .invalidResponse(url: url, reason: unsafe String(cString: curl_easy_strerror(code)))
        default:
            return .other(url: url, code: Int(code.rawValue), message: unsafe String(cString: curl_easy_strerror(code)))
        }
    }

    private func proxyFailure(_ code: CURLcode) -> HTTPTransportError? {
        guard settings.proxy != nil else { return nil }
        var answer: Int = 0
        unsafe curl_shim_get_long(handle, CURLINFO_HTTP_CONNECTCODE, &answer)
        if answer >= 300 { return .proxy(url: url.redacted, message: "it answered \(answer)") }
        switch code {
        case CURLE_COULDNT_RESOLVE_PROXY: return .proxy(url: url.redacted, message: "its name could not be resolved")
        case CURLE_PROXY: return .proxy(url: url.redacted, message: "it refused the connection")
        case CURLE_COULDNT_CONNECT: return .proxy(url: url.redacted, message: "no connection through it could be made")
        default: return nil
        }
    }

    /// libcurl's own words on a handshake: they name hosts, certificates and files, nothing of the request.
    private func message(of code: CURLcode) -> String {
        let detail = unsafe String(cString: errorBuffer)
        return detail.isEmpty ? unsafe String(cString: curl_easy_strerror(code)) : detail
    }
}
