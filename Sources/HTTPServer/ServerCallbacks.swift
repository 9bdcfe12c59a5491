import CMicroHTTPD

// What libmicrohttpd calls. The daemon's context is the `ExchangeService`, the socket's the `ClientConnection`, the request's the
// `Exchange`; each is retained where it is made and released in exactly one place.

let connectionChanged: MHD_NotifyConnectionCallback = { context, connection, slot, change in
    guard let context, let connection, let slot else { return }
    let service = Unmanaged<ExchangeService>.fromOpaque(context).takeUnretainedValue()
    if change == .CONNECTION_NOTIFY_STARTED {
        let client = ClientConnection(socket: cmhd_socket(connection), remoteAddress: remoteAddress(of: cmhd_peer(connection)))
        client.armDeadline(after: service.limits.requestDeadline)
        slot.pointee = Unmanaged.passRetained(client).toOpaque()
        service.watch.opened(client)
    } else if let pointer = slot.pointee {
        slot.pointee = nil
        service.watch.closed(Unmanaged<ClientConnection>.fromOpaque(pointer).takeRetainedValue())
    }
}

/// The request line is complete: the earliest moment at which a request is known, and the only one that shows its raw target.
let requestBegan: cmhd_target_callback = { context, target, connection in
    guard let context, let connection, let pointer = cmhd_socket_context(connection) else { return nil }
    let exchange = Exchange(
        service: Unmanaged<ExchangeService>.fromOpaque(context).takeUnretainedValue(),
        client: Unmanaged<ClientConnection>.fromOpaque(pointer).takeUnretainedValue(),
        connection: ConnectionHandle(pointer: connection), target: RequestTarget(target))
    return Unmanaged.passRetained(exchange).toOpaque()
}

let requestAdvanced: MHD_AccessHandlerCallback = { _, _, _, method, version, upload, size, slot in
    guard let method, let version, let size, let pointer = slot?.pointee else { return .NO }
    return Unmanaged<Exchange>.fromOpaque(pointer).takeUnretainedValue()
        .advance(method: method, version: version, upload: upload, size: &size.pointee)
}

let requestCompleted: MHD_RequestCompletedCallback = { _, _, slot, outcome in
    guard let slot, let pointer = slot.pointee else { return }
    slot.pointee = nil
    Unmanaged<Exchange>.fromOpaque(pointer).takeRetainedValue().completed(wasAnswered: outcome == .REQUEST_TERMINATED_COMPLETED_OK)
}
