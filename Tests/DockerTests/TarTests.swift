import Model
import Testing

@testable import Docker

@Suite("Tar archives")
struct TarTests {
    private let files = [
        ContainerFile(path: "config.yaml", bytes: Array("a: 1\n".utf8)),
        ContainerFile(path: ".auth_token", bytes: Array("secret".utf8), mode: 0o600),
        ContainerFile(path: "sub/dir/empty", bytes: [], mode: 0o755),
        ContainerFile(path: "sub/dir/block", bytes: [UInt8](repeating: 7, count: 512)),
        ContainerFile(path: "sub/" + String(repeating: "long-name/", count: 20) + "file", bytes: [UInt8](repeating: 9, count: 513)),
        ContainerFile(path: "sub/größe", bytes: [1]),
    ]

    @Test("what is written is read back, wherever the archive was split")
    func roundTrip() throws {
        let archive = TarWriter.archive(of: files)
        #expect(archive.count % 512 == 0)
        for split in stride(from: 0, through: archive.count, by: 655) {
            var reader = TarReader(limit: 1 << 20)
            let read = try reader.append(Array(archive[..<split])) + reader.append(Array(archive[split...]))
            #expect(read == files)
            #expect(reader.ended)
        }
        let short = TarWriter.archive(of: Array(files.prefix(2)))
        var reader = TarReader(limit: 1 << 20)
        #expect(try short.flatMap { try reader.append([$0]) } == Array(files.prefix(2)))
    }

    @Test("directories come once, before their files, with 0755 and our owner")
    func directories() {
        let archive = TarWriter.archive(of: [ContainerFile(path: "a/b/c", bytes: []), ContainerFile(path: "a/b/d", bytes: [])])
        let headers = stride(from: 0, to: archive.count, by: 512).map { Array(archive[$0..<($0 + 512)]) }
        #expect(headers.map { text($0, 0..<100) } == ["a/", "a/b/", "a/b/c", "a/b/d", "", ""])
        #expect(text(headers[0], 100..<108) == "0000755")
        #expect(text(headers[0], 108..<116) == "0001750" && text(headers[0], 116..<124) == "0001750")
        #expect(text(headers[2], 100..<108) == "0000644")
    }

    @Test("a pax record counts its own digits", arguments: [1, 5, 85, 86, 87, 88, 89, 90, 91, 92, 985, 990, 995, 1000])
    func paxLength(length: Int) throws {
        let value = String(repeating: "x", count: length)
        let record = TarWriter.paxRecord("path", value)
        #expect(try TarReader.paxRecords(record).map(\.1) == [value])
        #expect(String(decoding: record.prefix { $0 != 0x20 }, as: UTF8.self) == String(record.count))
    }

    @Test("links, devices and directories are skipped; GNU long names are read")
    func foreignEntries() throws {
        var archive = TarWriter.archive(of: [ContainerFile(path: "x", bytes: [1])])
        var link = Array(archive[..<512])
        rewrite(&link, type: "2", size: 0)
        var long = Array(archive[..<512])
        rewrite(&long, type: "L", size: 4)
        archive = link + long + Array("name".utf8) + [UInt8](repeating: 0, count: 508) + archive
        var reader = TarReader(limit: 100)
        #expect(try reader.append(archive) == [ContainerFile(path: "name", bytes: [1])])
    }

    @Test("a broken header and an archive over the limit are refused")
    func refused() {
        var archive = TarWriter.archive(of: [ContainerFile(path: "x", bytes: [1, 2, 3])])
        #expect(throws: EngineError.self) {
            var reader = TarReader(limit: 2)
            _ = try reader.append(archive)
        }
        archive[0] = UInt8(ascii: "y")
        #expect(throws: EngineError.self) {
            var reader = TarReader(limit: 100)
            _ = try reader.append(archive)
        }
    }

    private func text(_ header: [UInt8], _ range: Range<Int>) -> String {
        String(decoding: header[range].prefix { $0 != 0 }, as: UTF8.self)
    }

    private func rewrite(_ header: inout [UInt8], type: Character, size: UInt8) {
        header[156] = type.asciiValue ?? 0
        header[134] = 0x30 + size
        header.replaceSubrange(148..<156, with: [UInt8](repeating: 0x20, count: 8))
        let sum = String(header.reduce(0) { $0 + Int($1) }, radix: 8)
        header.replaceSubrange(148..<155, with: Array((String(repeating: "0", count: 6 - sum.count) + sum).utf8) + [0])
    }
}
