internal import Model

/// Writes a tar archive (POSIX ustar, with a pax record where a name does not fit) for copying files into a container.
/// Everything belongs to 1000:1000. Times are the epoch: the same files give the same bytes.
struct TarWriter {
    private(set) var bytes: [UInt8] = []
    private var directories: Set<String> = []

    static let owner = 1000
    static let block = 512

    /// The archive of `files`, each after the directories it needs (0755).
    static func archive(of files: [ContainerFile]) -> [UInt8] {
        var writer = TarWriter()
        for file in files { writer.add(file) }
        return writer.finished()
    }

    mutating func add(_ file: ContainerFile) {
        let components = file.path.split(separator: "/")
        for depth in 1..<max(components.count, 1) {
            addDirectory(components[..<depth].joined(separator: "/") + "/")
        }
        entry(components.joined(separator: "/"), type: "0", mode: file.mode, body: file.bytes)
    }

    /// The archive so far, with its end mark.
    func finished() -> [UInt8] { bytes + [UInt8](repeating: 0, count: 2 * Self.block) }

    private mutating func addDirectory(_ path: String) {
        guard directories.insert(path).inserted else { return }
        entry(path, type: "5", mode: 0o755, body: [])
    }

    private mutating func entry(_ path: String, type: Character, mode: Int, body: [UInt8]) {
        let fits = path.utf8.count <= 100 && path.utf8.allSatisfy { $0 < 0x80 }
        if !fits { write(name: "pax", type: "x", mode: 0o644, body: Self.paxRecord("path", path)) }
        write(name: fits ? path : "long", type: type, mode: mode, body: body)
    }

    /// `<length> <key>=<value>\n`, where the length counts its own digits.
    static func paxRecord(_ key: String, _ value: String) -> [UInt8] {
        let rest = " \(key)=\(value)\n".utf8.count
        var length = rest + 1
        while rest + String(length).utf8.count != length { length = rest + String(length).utf8.count }
        return Array("\(length) \(key)=\(value)\n".utf8)
    }

    private mutating func write(name: String, type: Character, mode: Int, body: [UInt8]) {
        var header = [UInt8](repeating: 0, count: Self.block)
        header.put(name, at: 0)
        header.put(octal: mode & 0o7777, width: 7, at: 100)
        header.put(octal: Self.owner, width: 7, at: 108)
        header.put(octal: Self.owner, width: 7, at: 116)
        header.put(octal: body.count, width: 11, at: 124)
        header.put(octal: 0, width: 11, at: 136)
        header.put("        ", at: 148)
        header.put(String(type), at: 156)
        header.put("ustar\u{0}00", at: 257)
        header.put(octal: header.reduce(0) { $0 + Int($1) }, width: 6, at: 148)
        header[154] = 0
        bytes.append(contentsOf: header)
        bytes.append(contentsOf: body)
        bytes.append(contentsOf: repeatElement(0, count: (Self.block - body.count % Self.block) % Self.block))
    }
}

extension [UInt8] {
    fileprivate mutating func put(_ text: String, at offset: Int) {
        let source = Array(text.utf8)
        replaceSubrange(offset..<(offset + source.count), with: source)
    }

    fileprivate mutating func put(octal value: Int, width: Int, at offset: Int) {
        let digits = String(value, radix: 8)
        put(String(repeating: "0", count: Swift.max(0, width - digits.count)) + digits, at: offset)
    }
}
