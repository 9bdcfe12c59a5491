import Glibc
import Model

/// Small files that only their owner may read.
enum PrivateFile {
    /// The trimmed text of the file; nil when there is none or it is blank. Throws when it cannot be read.
    static func text(_ path: String) throws -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw unusable(path, "read")
        }
        defer { close(descriptor) }
        var collected: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            guard count >= 0 else { throw unusable(path, "read") }
            if count == 0 { break }
            collected.append(contentsOf: buffer[..<count])
            guard collected.count <= 65_536 else { throw unusable(path, "read") }
        }
        let text = String(decoding: collected, as: UTF8.self).trimmed
        return text.isEmpty ? nil : text
    }

    /// The file's text, or the text of `make` written to it first. Two processes that come at once agree: the file appears whole or not at all.
    static func text(_ path: String, orCreate make: () -> String) throws -> (text: String, created: Bool) {
        if let existing = try text(path) { return (existing, false) }
        let staged = "\(path).\(getpid())"
        try write(make(), to: staged)
        defer { unlink(staged) }
        if link(staged, path) != 0, errno != EEXIST { throw unusable(path, "write") }
        if let existing = try text(path) { return (existing, true) }
        // A blank file was there before: replace it.
        guard rename(staged, path) == 0, let written = try text(path) else { throw unusable(path, "write") }
        return (written, true)
    }

    static func write(_ text: String, to path: String) throws {
        unlink(path)
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw unusable(path, "write") }
        defer { close(descriptor) }
        let bytes = Array((text + "\n").utf8)
        guard Glibc.write(descriptor, bytes, bytes.count) == bytes.count, fsync(descriptor) == 0 else { throw unusable(path, "write") }
    }

    static func unusable(_ path: String, _ verb: String) -> Failure {
        Failure(
            .stateDirectoryUnusable, "cannot \(verb) \(path): \(String(cString: strerror(errno)))",
            next: "Make STATE_DIR a directory that this user may write, with free space, and start again.")
    }
}
