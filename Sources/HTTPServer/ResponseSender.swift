import CMicroHTTPD
import HTTP

/// Hands a response to libmicrohttpd. No lock may be held: the library may call back at once.
func send(_ response: Response, sink: ResponseSink?, on connection: ConnectionHandle, closing: Bool) -> MHD_Result {
    guard let made = make(response, sink: sink) else { return .NO }
    defer { MHD_destroy_response(made) }
    for field in response.headers.fields where !isSetByServer(field.name) {
        MHD_add_response_header(made, field.name, field.value)
    }
    if closing { MHD_add_response_header(made, "Connection", "close") }
    return MHD_queue_response(connection.pointer, UInt32(clamping: response.status), made)
}

private func make(_ response: Response, sink: ResponseSink?) -> OpaquePointer? {
    switch response.body {
    case .bytes(let bytes):
        return bytes.withUnsafeBytes { buffer in
            MHD_create_response_from_buffer(buffer.count, UnsafeMutableRawPointer(mutating: buffer.baseAddress), .RESPMEM_MUST_COPY)
        }
    case .stream(let length, _):
        guard let sink else { return nil }
        let size = length.map { UInt64(clamping: $0) } ?? .max
        let owned = Unmanaged.passRetained(sink)
        let made = MHD_create_response_from_callback(size, blockSize(of: response), readSink, owned.toOpaque(), releaseSink)
        if made == nil { owned.release() }
        return made
    }
}

/// A quiet event stream must not cost a large block for its whole life; a download wants one.
private func blockSize(of response: Response) -> Int {
    response.headers["Content-Type"]?.hasPrefix("text/event-stream") == true ? 2 * 1024 : 32 * 1024
}

/// Framing is decided by the body, and the connection by the server.
private func isSetByServer(_ name: String) -> Bool {
    // Most names are told apart by their length, without making a string.
    switch name.utf8.count {
    case 10: ["connection", "keep-alive"].contains(name.lowercased())
    case 14: name.lowercased() == "content-length"
    case 17: name.lowercased() == "transfer-encoding"
    default: false
    }
}

private let readSink: MHD_ContentReaderCallback = { context, _, buffer, size in
    guard let context, let buffer else { return ResponseSink.cutConnection }
    return Unmanaged<ResponseSink>.fromOpaque(context).takeUnretainedValue()
        .read(into: UnsafeMutableRawBufferPointer(start: buffer, count: size))
}

private let releaseSink: MHD_ContentReaderFreeCallback = { context in
    if let context { Unmanaged<ResponseSink>.fromOpaque(context).release() }
}
