import CCurl
import Glibc
import HTTP

extension Exchange {
    /// What curl's result means. `errorNumber` is the errno of the last connect.
    func explain(_ result: CURLcode, errorNumber: Int32) -> TransportError {
        if let refusal = state.withLock({ $0.refusal }) { return refusal }
        if result == CURLE_COULDNT_CONNECT { return TransportError(connectErrno: errorNumber) }
        return TransportError(TransportError.reason(of: result), String(cString: curl_easy_strerror(result)))
    }
}

extension TransportError {
    init(connectErrno number: Int32) {
        let detail = number == 0 ? "could not connect" : String(cString: strerror(number))
        switch number {
        case ENOENT: self.init(.socketMissing, detail)
        case EACCES, EPERM: self.init(.permissionDenied, detail)
        case ECONNREFUSED: self.init(.connectionRefused, detail)
        case ETIMEDOUT: self.init(.connectTimeout, detail)
        case ECONNRESET: self.init(.connectionReset, detail)
        default: self.init(.other, detail)
        }
    }

    fileprivate static func reason(of result: CURLcode) -> Reason {
        switch result {
        case CURLE_URL_MALFORMAT, CURLE_LOGIN_DENIED: .invalidURL
        case CURLE_COULDNT_RESOLVE_HOST: .cannotResolve
        // No timeout of curl's but the one for connecting is set.
        case CURLE_OPERATION_TIMEDOUT: .connectTimeout
        case CURLE_GOT_NOTHING, CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_PARTIAL_FILE, CURLE_SEND_FAIL_REWIND: .connectionReset
        case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER, CURLE_SSL_CACERT_BADFILE,
            CURLE_SSL_ISSUER_ERROR, CURLE_SSL_PINNEDPUBKEYNOTMATCH, CURLE_SSL_INVALIDCERTSTATUS, CURLE_SSL_CLIENTCERT:
            .tls
        default: .other
        }
    }
}
