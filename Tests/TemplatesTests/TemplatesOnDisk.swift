import Glibc
import Model

/// A directory of templates that lives as long as the test that made it.
final class TemplatesOnDisk: Sendable {
    let path: String

    init() {
        var pattern = Array("/tmp/berth-templates-test-XXXXXX".utf8CString)
        precondition(mkdtemp(&pattern) != nil, "no temporary directory could be made")
        path = pattern.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    deinit { Self.remove(path) }

    private static func remove(_ path: String) {
        if let handle = opendir(path) {
            var names: [String] = []
            while let entry = readdir(handle) {
                names.append(
                    withUnsafePointer(to: &entry.pointee.d_name) {
                        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                    })
            }
            closedir(handle)
            for name in names where name != "." && name != ".." {
                var info = stat()
                guard lstat("\(path)/\(name)", &info) == 0 else { continue }
                if info.st_mode & S_IFMT == S_IFDIR { remove("\(path)/\(name)") } else { unlink("\(path)/\(name)") }
            }
        }
        rmdir(path)
    }

    func directory(_ relative: String) {
        var built = path
        for part in relative.split(separator: "/") {
            built += "/\(part)"
            mkdir(built, 0o755)
        }
    }

    func write(_ relative: String, _ text: String, mode: mode_t = 0o644) {
        let parts = relative.split(separator: "/")
        directory(parts.dropLast().joined(separator: "/"))
        let descriptor = open("\(path)/\(relative)", O_WRONLY | O_CREAT | O_TRUNC, mode)
        precondition(descriptor >= 0, "\(relative) could not be written")
        let bytes = Array(text.utf8)
        precondition(Glibc.write(descriptor, bytes, bytes.count) == bytes.count)
        close(descriptor)
        chmod("\(path)/\(relative)", mode)
    }

    func config(_ id: String, _ text: String) { write("\(id)/config.yaml", text) }

    func link(_ relative: String, to target: String) { precondition(symlink(target, "\(path)/\(relative)") == 0) }

    func remove(_ relative: String) { Self.remove("\(path)/\(relative)") }
}
