internal import Model

/// Reads the regular files out of a tar archive as it arrives, wherever the chunks were split. Knows ustar prefixes, pax paths and sizes,
/// and GNU long names; directories, links and devices are skipped. The sizes of files are bounded by `limit` in total.
struct TarReader {
    private let limit: Int
    private var pending: [UInt8] = []
    private var position = 0
    private var read = 0
    private var nextPath: String?
    private var nextSize: Int?
    private(set) var ended = false

    init(limit: Int) { self.limit = limit }

    /// The files completed by `chunk`. Throws `EngineError.unreadable` for an archive that is broken or too large.
    mutating func append(_ chunk: [UInt8]) throws(EngineError) -> [ContainerFile] {
        pending.append(contentsOf: chunk)
        var files: [ContainerFile] = []
        while !ended, let entry = try takeEntry() {
            if let file = try keep(entry) { files.append(file) }
        }
        pending.removeFirst(position)
        position = 0
        return files
    }

    private struct Entry {
        let path: String
        let type: UInt8
        let mode: Int
        let body: [UInt8]
    }

    /// The next entry when all of it has arrived.
    private mutating func takeEntry() throws(EngineError) -> Entry? {
        let block = TarWriter.block
        guard pending.count - position >= block else { return nil }
        let header = Array(pending[position..<(position + block)])
        if header.allSatisfy({ $0 == 0 }) {
            ended = true
            position = pending.count
            return nil
        }
        let type = header[156]
        let describesNext = [UInt8(ascii: "x"), UInt8(ascii: "g"), UInt8(ascii: "L"), UInt8(ascii: "K")].contains(type)
        guard header.tarChecksumHolds, let written = header.tarNumber(124..<136), written >= 0, let mode = header.tarNumber(100..<108)
        else {
            throw .unreadable("the archive is broken", body: [])
        }
        let size = describesNext ? written : nextSize ?? written
        guard size <= limit - read else { throw .unreadable("the archive is larger than \(limit) bytes", body: []) }
        let padded = (size + block - 1) / block * block
        guard pending.count - position >= block + padded else { return nil }
        let start = position + block
        position = start + padded
        return Entry(path: header.tarPath, type: type, mode: mode, body: Array(pending[start..<(start + size)]))
    }

    private mutating func keep(_ entry: Entry) throws(EngineError) -> ContainerFile? {
        switch entry.type {
        case UInt8(ascii: "x"):
            for (key, value) in try Self.paxRecords(entry.body) {
                if key == "path" { nextPath = value }
                if key == "size" { nextSize = Int(value) }
            }
            return nil
        case UInt8(ascii: "L"):
            nextPath = String(decoding: entry.body.prefix { $0 != 0 }, as: UTF8.self)
            return nil
        case UInt8(ascii: "g"), UInt8(ascii: "K"): return nil
        case UInt8(ascii: "0"), 0:
            defer { forgetNext() }
            read += entry.body.count
            return ContainerFile(path: nextPath ?? entry.path, bytes: entry.body, mode: entry.mode & 0o7777)
        default:
            forgetNext()
            return nil
        }
    }

    private mutating func forgetNext() {
        nextPath = nil
        nextSize = nil
    }

    static func paxRecords(_ body: [UInt8]) throws(EngineError) -> [(String, String)] {
        var records: [(String, String)] = []
        var rest = body[...]
        while !rest.isEmpty {
            let digits = rest.prefix { $0 != UInt8(ascii: " ") }
            guard let length = Int(String(decoding: digits, as: UTF8.self)), length > digits.count + 2, length <= rest.count else {
                throw .unreadable("the archive is broken", body: [])
            }
            let text = String(decoding: rest.prefix(length - 1).dropFirst(digits.count + 1), as: UTF8.self)
            let halves = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard halves.count == 2 else { throw .unreadable("the archive is broken", body: []) }
            records.append((String(halves[0]), String(halves[1])))
            rest = rest.dropFirst(length)
        }
        return records
    }
}

extension [UInt8] {
    fileprivate func tarText(_ range: Range<Int>) -> String {
        String(decoding: self[range].prefix { $0 != 0 }, as: UTF8.self)
    }

    fileprivate var tarPath: String {
        let isPOSIX = tarText(257..<263) == "ustar"
        let prefix = isPOSIX ? tarText(345..<500) : ""
        return prefix.isEmpty ? tarText(0..<100) : prefix + "/" + tarText(0..<100)
    }

    /// Octal text, or base 256 when the first bit is set.
    fileprivate func tarNumber(_ range: Range<Int>) -> Int? {
        let field = self[range]
        if let first = field.first, first & 0x80 != 0 {
            let value = field.dropFirst(Swift.max(1, field.count - 7)).reduce(0) { $0 << 8 | Int($1) }
            return value
        }
        let digits = field.filter { (0x30...0x37).contains($0) }
        return digits.isEmpty ? 0 : Int(String(decoding: digits, as: UTF8.self), radix: 8)
    }

    /// The sum of the header's bytes with its own field read as blanks.
    fileprivate var tarChecksumHolds: Bool {
        let sum = enumerated().reduce(0) { $0 + ((148..<156).contains($1.offset) ? 0x20 : Int($1.element)) }
        return tarNumber(148..<156) == sum
    }
}
