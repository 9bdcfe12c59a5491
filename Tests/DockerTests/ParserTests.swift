import Model
import Testing

@testable import Docker

@Suite("Streams of the engine survive every split")
struct ParserTests {
    private func atEverySplit(of bytes: [UInt8], _ check: ([[UInt8]]) throws -> Void) rethrows {
        for split in 0...bytes.count { try check([Array(bytes[..<split]), Array(bytes[split...])]) }
        try check(bytes.map { [$0] })
    }

    @Test("JSON lines come out whole, with LF, CRLF, blank lines and no newline at the end")
    func jsonLines() throws {
        let bytes = Array("{\"a\":\"é\\n\"}\r\n\n  \n[1,2]\n{\"b\":{}}".utf8)
        try atEverySplit(of: bytes) { chunks in
            var lines = JSONLines()
            var values: [JSONValue] = []
            for chunk in chunks { values += try lines.append(chunk) }
            if let last = try lines.finish() { values.append(last) }
            #expect(values == [["a": "é\n"], [1, 2], ["b": [:]]])
        }
    }

    @Test("a line that is not JSON is an error, and so is one that never ends")
    func brokenLines() {
        #expect(throws: EngineError.self) {
            var lines = JSONLines()
            _ = try lines.append(Array("{\"a\":\n".utf8))
        }
        #expect(throws: EngineError.self) {
            var lines = JSONLines()
            for _ in 0...4 { _ = try lines.append([UInt8](repeating: 0x20, count: 1 << 20)) }
        }
    }

    @Test("log frames keep their stream and their bytes, empty frames included")
    func logFrames() {
        let bytes = frame(1, "hello") + frame(2, "oops") + frame(1, "") + frame(1, " world")
        atEverySplit(of: bytes) { chunks in
            var frames = LogFrames()
            let all = chunks.flatMap { frames.append($0) }
            let output = all.filter { $0.stream == .output }.flatMap(\.bytes)
            let errors = all.filter { $0.stream == .error }.flatMap(\.bytes)
            #expect(String(decoding: output, as: UTF8.self) == "hello world")
            #expect(String(decoding: errors, as: UTF8.self) == "oops")
        }
    }

    @Test("a long frame is handed on as it arrives")
    func longFrame() {
        var frames = LogFrames()
        #expect(frames.append([1, 0, 0, 0, 0x10, 0, 0, 0] + [7]).map(\.bytes) == [[7]])
        #expect(frames.append([8, 9]).map(\.bytes) == [[8, 9]])
    }

    @Test("the output of a terminal is passed on as it is")
    func rawLog() {
        var parser = LogParser.raw
        #expect(parser.append([1, 0, 0]) == [LogChunk(stream: .output, bytes: [1, 0, 0])])
    }

    @Test("events are read by what every version sends, and only ours")
    func events() throws {
        let ours =
            #"{"Type":"container","Action":"die","Actor":{"ID":"c1","Attributes":{"i":"me","exitCode":"3"}},"#
            + #""timeNano":1700000000123456789}"#
        let foreign = #"{"Type":"container","Action":"die","Actor":{"ID":"c2","Attributes":{"i":"you"}},"timeNano":1}"#
        let network = #"{"Type":"network","Action":"connect","Actor":{"ID":"n","Attributes":{"i":"me"}},"timeNano":1}"#
        let podman = #"{"Type":"container","Action":"remove","Actor":{"ID":"c1","Attributes":{"i":"me"}},"time":5}"#
        let exec = #"{"Type":"container","Action":"exec_create: sh","Actor":{"ID":"c1","Attributes":{"i":"me"}},"time":5}"#
        let bytes = Array([ours, foreign, network, exec, podman].joined(separator: "\n").utf8) + [0x0A]
        try atEverySplit(of: bytes) { chunks in
            var parser = EventParser(labels: ["i": "me"])
            let seen = try chunks.flatMap { try parser.append($0) }
            #expect(seen.map(\.action) == [.die, .destroy])
            #expect(seen.first?.exitCode == 3)
            #expect(seen.first?.at == Timestamp(microseconds: 1_700_000_000_123_456))
            #expect(seen.last?.at == Timestamp(seconds: 5))
        }
    }

    @Test("a pull counts each layer's download once, and never backwards")
    func tally() {
        var tally = PullTally()
        let lines: [JSONValue] = [
            ["status": "Pulling from x", "id": "latest"], ["status": "Pulling fs layer", "id": "a"],
            ["status": "Downloading", "id": "a", "progressDetail": ["current": 10, "total": 100]],
            ["status": "Downloading", "id": "b", "progressDetail": ["current": 5, "total": 50]], ["status": "Already exists", "id": "c"],
            ["status": "Download complete", "id": "a"],
            ["status": "Extracting", "id": "a", "progressDetail": ["current": 1, "total": 100]], ["status": "Pull complete", "id": "b"],
        ]
        let progress = lines.map { tally.add($0) }
        #expect(progress.map(\.doneBytes) == [0, 0, 10, 15, 15, 105, 105, 150])
        #expect(progress.map(\.totalBytes) == [0, 0, 100, 150, 150, 150, 150, 150])
    }

    private func frame(_ stream: UInt8, _ text: String) -> [UInt8] {
        [stream, 0, 0, 0, 0, 0, 0, UInt8(text.utf8.count)] + Array(text.utf8)
    }
}
