import CCurl
import Glibc
import HTTP

/// One curl easy handle with the lists it borrows. Used by the curl thread alone.
final class EasyHandle {
    let pointer: UnsafeMutableRawPointer
    private var headerList: UnsafeMutablePointer<curl_slist>?
    private var connectTo: UnsafeMutablePointer<curl_slist>?

    init?() {
        guard let pointer = curl_easy_init() else { return nil }
        self.pointer = pointer
    }

    deinit {
        curl_easy_cleanup(pointer)
        freeLists()
    }

    /// The errno of the last failed connect.
    var errorNumber: Int32 {
        var value = 0
        _ = ccurl_get_long(pointer, CURLINFO_OS_ERRNO, &value)
        return Int32(truncatingIfNeeded: value)
    }

    func pause(_ directions: Exchange.Directions) {
        let receive = directions.contains(.receive) ? CURLPAUSE_RECV : 0
        let send = directions.contains(.send) ? CURLPAUSE_SEND : 0
        // The whole state each time: 0 would let both directions go.
        curl_easy_pause(pointer, receive | send)
    }

    /// Forgets the exchange; connections stay in the multi handle.
    func reset() {
        curl_easy_reset(pointer)
        freeLists()
    }

    func configure(for exchange: Exchange) {
        let request = exchange.request
        set(CURLOPT_URL, request.url)
        set(CURLOPT_PROTOCOLS_STR, "http,https")
        set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
        set(CURLOPT_PATH_AS_IS, 1)
        set(CURLOPT_DISALLOW_USERNAME_IN_URL, 1)
        set(CURLOPT_NOSIGNAL, 1)
        // An empty proxy also switches off the ones named by the environment.
        set(CURLOPT_PROXY, "")
        set(CURLOPT_CONNECTTIMEOUT_MS, max(1, request.limits.connect.wholeMilliseconds))
        if let path = request.unixSocket { set(CURLOPT_UNIX_SOCKET_PATH, path) }
        if let address = request.pinnedAddress { pin(address) }
        setMethodAndBody(of: exchange)
        setHeaders(request.headers)
        setCallbacks(Unmanaged.passUnretained(exchange).toOpaque())
    }

    private func setMethodAndBody(of exchange: Exchange) {
        let method = exchange.request.method
        switch exchange.request.body {
        case .none:
            if method == .head { set(CURLOPT_NOBODY, 1) }
            if [.post, .put, .patch].contains(method) { upload(length: 0) }
        case .bytes(let bytes): upload(length: bytes.count)
        case .stream(let length, _): upload(length: length ?? -1)
        }
        if method != .head { set(CURLOPT_CUSTOMREQUEST, method.rawValue) }
    }

    /// Always through the read callback: unlike in-memory fields, such a body is not sent a second time behind our back.
    private func upload(length: Int) {
        set(CURLOPT_UPLOAD, 1)
        _ = ccurl_set_offset(pointer, CURLOPT_INFILESIZE_LARGE, length)
    }

    private func setHeaders(_ headers: Headers) {
        // `Expect` would cost a second against servers that ignore it; `Accept: */*` is the caller's to say.
        append("Expect:")
        if headers["Accept"] == nil { append("Accept:") }
        for field in headers.fields where !Self.framing.contains(field.name.lowercased()) {
            // curl's spelling of a header without a value.
            append(field.value.isEmpty ? "\(field.name);" : "\(field.name): \(field.value)")
        }
        _ = ccurl_set_list(pointer, CURLOPT_HTTPHEADER, headerList)
    }

    /// The body's type decides these.
    private static let framing: Set<String> = ["content-length", "transfer-encoding", "expect"]

    private func append(_ line: String) { headerList = curl_slist_append(headerList, line) }

    /// CONNECT_TO is part of the pool's key; RESOLVE is not, and would reuse a connection to another address.
    private func pin(_ address: String) {
        let host = address.contains(":") ? "[\(address)]" : address
        connectTo = curl_slist_append(nil, "::\(host):")
        _ = ccurl_set_list(pointer, CURLOPT_CONNECT_TO, connectTo)
    }

    private func setCallbacks(_ context: UnsafeMutableRawPointer) {
        _ = ccurl_set_data_callback(pointer, CURLOPT_WRITEFUNCTION, onBodyBytes)
        _ = ccurl_set_pointer(pointer, CURLOPT_WRITEDATA, context)
        _ = ccurl_set_data_callback(pointer, CURLOPT_HEADERFUNCTION, onHeaderLine)
        _ = ccurl_set_pointer(pointer, CURLOPT_HEADERDATA, context)
        _ = ccurl_set_data_callback(pointer, CURLOPT_READFUNCTION, onBodyWanted)
        _ = ccurl_set_pointer(pointer, CURLOPT_READDATA, context)
        _ = ccurl_set_open_socket(pointer, onOpenSocket)
        _ = ccurl_set_pointer(pointer, CURLOPT_OPENSOCKETDATA, context)
        _ = ccurl_set_before_request(pointer, onBeforeRequest)
        _ = ccurl_set_pointer(pointer, CURLOPT_PREREQDATA, context)
    }

    private func set(_ option: CURLoption, _ value: String) { _ = ccurl_set_string(pointer, option, value) }
    private func set(_ option: CURLoption, _ value: Int) { _ = ccurl_set_long(pointer, option, value) }

    private func freeLists() {
        curl_slist_free_all(headerList)
        curl_slist_free_all(connectTo)
        headerList = nil
        connectTo = nil
    }
}

// What curl calls, on its thread and only while the exchange is in the worker's table, which keeps it alive.

private func exchange(_ context: UnsafeMutableRawPointer?) -> Exchange? {
    context.map { Unmanaged<Exchange>.fromOpaque($0).takeUnretainedValue() }
}

private let onBodyBytes: ccurl_data_callback = { bytes, size, count, context in
    guard let exchange = exchange(context), let bytes else { return 0 }
    return exchange.receive(UnsafeRawBufferPointer(start: bytes, count: size * count)) ? size * count : ccurl_write_pause()
}

private let onHeaderLine: ccurl_data_callback = { bytes, size, count, context in
    guard let exchange = exchange(context), let bytes else { return 0 }
    return exchange.receiveHeaderLine(UnsafeRawBufferPointer(start: bytes, count: size * count)) ? size * count : 0
}

private let onBodyWanted: ccurl_data_callback = { room, size, count, context in
    guard let exchange = exchange(context), let room else { return ccurl_read_abort() }
    switch exchange.fill(UnsafeMutableRawBufferPointer(start: room, count: size * count)) {
    case .gave(let given): return given
    case .nothingYet: return ccurl_read_pause()
    case .abort: return ccurl_read_abort()
    }
}

private let onOpenSocket: curl_opensocket_callback = { context, _, address in
    guard let exchange = exchange(context), let address else { return ccurl_bad_socket() }
    var count: Int32 = 0
    let bytes = ccurl_address_bytes(address, &count)
    guard exchange.mayConnect(to: Array(UnsafeBufferPointer(start: bytes, count: Int(count)))) else { return ccurl_bad_socket() }
    // curl alone would let the socket leak into processes that are started meanwhile.
    let type = address.pointee.socktype | Int32(SOCK_CLOEXEC.rawValue)
    return socket(address.pointee.family, type, address.pointee.protocol)
}

private let onBeforeRequest: curl_prereq_callback = { context, peer, _, _, _ in
    guard let exchange = exchange(context), exchange.maySend(to: peer.map { String(cString: $0) } ?? "") else {
        return CURL_PREREQFUNC_ABORT
    }
    return CURL_PREREQFUNC_OK
}
