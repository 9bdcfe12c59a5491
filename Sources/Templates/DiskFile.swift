import Glibc

/// What the file system says about one path, and the few calls templates need. All of them block: callers are on a thread of their own.
struct DiskFile {
    enum Kind { case file, directory, link, other }

    let kind: Kind
    /// POSIX permission bits.
    let mode: Int
    let size: Int
    let modified: Moment
    let inode: UInt

    /// A file's time stamp, to the nanosecond.
    struct Moment: Hashable {
        let seconds: Int
        let nanoseconds: Int
    }

    /// nil when there is nothing, or nothing that may be looked at. With `followingLinks` a link stands for what it points to.
    init?(_ path: String, followingLinks: Bool = false) {
        var info = stat()
        guard (followingLinks ? stat(path, &info) : lstat(path, &info)) == 0 else { return nil }
        switch info.st_mode & S_IFMT {
        case S_IFREG: kind = .file
        case S_IFDIR: kind = .directory
        case S_IFLNK: kind = .link
        default: kind = .other
        }
        mode = Int(info.st_mode & 0o777)
        size = Int(info.st_size)
        modified = Moment(seconds: info.st_mtim.tv_sec, nanoseconds: info.st_mtim.tv_nsec)
        inode = UInt(info.st_ino)
    }

    /// Names in a directory, sorted, without `.` and `..`; nil when it cannot be read.
    static func names(in path: String) -> [String]? {
        guard let handle = opendir(path) else { return nil }
        defer { closedir(handle) }
        var names: [String] = []
        while let entry = readdir(handle) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// The bytes of a regular file; nil when it cannot be read or holds more than `limit`.
    static func read(_ path: String, limit: Int) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 * 1024)
        while bytes.count <= limit {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return nil }
            if count == 0 { return bytes }
            bytes.append(contentsOf: buffer[..<count])
        }
        return nil
    }

    /// The path with every link and `..` resolved; nil when it leads nowhere.
    static func resolved(_ path: String) -> String? {
        guard let text = realpath(path, nil) else { return nil }
        defer { free(text) }
        return String(cString: text)
    }
}
