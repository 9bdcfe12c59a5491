import Dispatch
import Glibc

/// The workspace's token: one line in a file that the platform may replace at any time.
struct TokenFile: Sendable {
    let path: String

    init(configDirectory: String) { path = "\(configDirectory)/.auth_token" }

    /// nil when the file is missing, unreadable or blank.
    func read() async -> String? { await onDisk { current() } }

    /// Keeps a token the platform issued at registration, readable by this user only. A directory that cannot be written keeps the old one.
    func save(_ token: String) async { await onDisk { replace(with: token) } }

    /// Disk calls block, so they run on a queue and not on the cooperative pool.
    private func onDisk<Value: Sendable>(_ work: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { continuation in DispatchQueue.global().async { continuation.resume(returning: work()) } }
    }

    private func current() -> String? {
        guard let bytes = SmallFile.read(path, limit: 4096) else { return nil }
        let token = String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace }
        return token.isEmpty ? nil : token
    }

    private func replace(with token: String) {
        guard current() != token else { return }
        let draft = path + ".new"
        unlink(draft)
        let descriptor = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return }
        let bytes = Array(token.utf8)
        let count = write(descriptor, bytes, bytes.count)
        close(descriptor)
        if count != bytes.count || rename(draft, path) != 0 { unlink(draft) }
    }
}

/// Files that fit in memory many times over.
enum SmallFile {
    /// nil when the file cannot be read or holds more than `limit` bytes.
    static func read(_ path: String, limit: Int) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16 * 1024)
        while bytes.count <= limit {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return nil }
            if count == 0 { return bytes }
            bytes.append(contentsOf: buffer[..<count])
        }
        return nil
    }
}
