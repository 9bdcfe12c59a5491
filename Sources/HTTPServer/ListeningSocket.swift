import Glibc
import HTTP

/// The socket a server accepts from. We open it ourselves: that is where port 0, stale socket files and clear errors are decided.
struct ListeningSocket: Sendable {
    let descriptor: Int32
    /// With the real port.
    let address: BoundAddress
    /// Which file the socket is, so that only our own is removed at the end.
    private let file: FileIdentity?

    private struct FileIdentity: Equatable {
        let device: dev_t
        let inode: ino_t

        init?(path: String) {
            var status = stat()
            guard lstat(path, &status) == 0 else { return nil }
            device = status.st_dev
            inode = status.st_ino
        }
    }

    static func open(_ address: BoundAddress) throws(ListenError) -> ListeningSocket {
        switch address {
        case .tcp(let host, let port): try openTCP(host: host, port: port)
        case .unix(let path): try openUnix(path: path)
        }
    }

    /// After the descriptor is closed.
    func removeFile() {
        if case .unix(let path) = address, let file, FileIdentity(path: path) == file { unlink(path) }
    }

    // MARK: TCP

    private static func openTCP(host: String, port: Int) throws(ListenError) -> ListeningSocket {
        let wanted = BoundAddress.tcp(host: host, port: port)
        guard (0...65535).contains(port) else {
            throw ListenError(reason: .other, address: wanted, detail: "the port is not between 0 and 65535")
        }
        var hints = addrinfo()
        hints.ai_flags = AI_PASSIVE
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, String(port), &hints, &found) == 0, let first = found else {
            throw ListenError(reason: .addressNotAvailable, address: wanted, detail: "the host is no address of this machine")
        }
        defer { freeaddrinfo(first) }
        let descriptor = try makeSocket(first.pointee.ai_family, for: wanted)
        var yes: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        guard bind(descriptor, first.pointee.ai_addr, first.pointee.ai_addrlen) == 0, listen(descriptor, 1024) == 0 else {
            throw failure(errno, closing: descriptor, wanted)
        }
        return ListeningSocket(descriptor: descriptor, address: .tcp(host: host, port: boundPort(descriptor) ?? port), file: nil)
    }

    private static func boundPort(_ descriptor: Int32) -> Int? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutableBytes(of: &storage) { bytes in
            guard let base = bytes.baseAddress, getsockname(descriptor, base.assumingMemoryBound(to: sockaddr.self), &length) == 0 else {
                return nil
            }
            // The port stands at the same place in both families.
            return Int(UInt16(bigEndian: base.load(fromByteOffset: 2, as: UInt16.self)))
        }
    }

    // MARK: Unix

    private static func openUnix(path: String) throws(ListenError) -> ListeningSocket {
        let wanted = BoundAddress.unix(path: path)
        guard var address = unixAddress(path) else {
            throw ListenError(reason: .other, address: wanted, detail: "the socket path is empty or longer than 107 bytes")
        }
        try removeStaleSocket(at: path, wanted)
        let descriptor = try makeSocket(AF_UNIX, for: wanted)
        let bound = withSocketAddress(&address) { bind(descriptor, $0, $1) }
        // Nobody can connect before listen, so the file is never reachable with a wider mode.
        guard bound == 0, chmod(path, 0o600) == 0, listen(descriptor, 1024) == 0 else { throw failure(errno, closing: descriptor, wanted) }
        return ListeningSocket(descriptor: descriptor, address: wanted, file: FileIdentity(path: path))
    }

    /// A socket file that nobody answers on is left over; anything else is not ours to remove.
    private static func removeStaleSocket(at path: String, _ wanted: BoundAddress) throws(ListenError) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw ListenError(reason: .addressInUse, address: wanted, detail: "a file that is no socket stands there")
        }
        guard var address = unixAddress(path) else { return }
        let probe = try makeSocket(AF_UNIX, for: wanted)
        defer { close(probe) }
        let connected = withSocketAddress(&address) { connect(probe, $0, $1) }
        // EAGAIN: somebody listens there and its queue is full.
        guard connected != 0, errno == ECONNREFUSED else {
            throw ListenError(reason: .addressInUse, address: wanted, detail: "another process answers there")
        }
        unlink(path)
    }

    private static func unixAddress(_ path: String) -> sockaddr_un? {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard !bytes.isEmpty, bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return nil }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        return address
    }

    private static func withSocketAddress(_ address: inout sockaddr_un, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
    }

    // MARK: Both

    private static func makeSocket(_ family: Int32, for address: BoundAddress) throws(ListenError) -> Int32 {
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let descriptor = socket(family, kind, 0)
        guard descriptor >= 0 else { throw failure(errno, closing: nil, address) }
        return descriptor
    }

    private static func failure(_ code: Int32, closing descriptor: Int32?, _ address: BoundAddress) -> ListenError {
        if let descriptor { close(descriptor) }
        let reason: ListenError.Reason =
            switch code {
            case EADDRINUSE: .addressInUse
            case EACCES, EPERM: .permissionDenied
            case EADDRNOTAVAIL, ENOENT, ENOTDIR: .addressNotAvailable
            default: .other
            }
        return ListenError(reason: reason, address: address, detail: String(cString: strerror(code)))
    }
}
