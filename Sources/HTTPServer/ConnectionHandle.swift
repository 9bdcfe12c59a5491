import CMicroHTTPD

/// libmicrohttpd's connection as seen by one exchange. Valid until that exchange is completed; whoever keeps it must stop using it then.
struct ConnectionHandle: @unchecked Sendable {
    let pointer: OpaquePointer

    /// Takes the connection out of its event loop until `resume`. Only inside a callback of this connection.
    func suspend() { MHD_suspend_connection(pointer) }

    /// From any thread.
    func resume() { MHD_resume_connection(pointer) }
}
