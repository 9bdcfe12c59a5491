import HTTP
import Testing

@Suite("Server-sent events")
struct ServerSentEventsTests {
    @Test("what is written is read back, wherever the bytes are cut")
    func everySplit() {
        let events = [
            ServerSentEvent(id: "1", data: "one"), ServerSentEvent(id: "2", data: "two\nlines"), ServerSentEvent(id: "2", data: ""),
            ServerSentEvent(id: "3", data: "é: \u{301}combined"),
        ]
        let bytes = ServerSentEvent.keepAlive + events.flatMap(\.bytes)
        for cut in 0...bytes.count {
            var parser = ServerSentEventParser()
            #expect(parser.feed(Array(bytes[..<cut])) + parser.feed(Array(bytes[cut...])) == events)
        }
    }

    @Test(
        "lines end in three ways, comments and unknown fields are dropped, one space after the colon is",
        arguments: [
            ("data: a\n\n", "a"), ("data: a\r\n\r\n", "a"), ("data: a\r\rdata", "a"), ("data:a\n\n", "a"), ("data:  a\n\n", " a"),
            (": c\nevent: x\nretry: 1\ndata: a\n\n", "a"), ("data\n\n", ""), ("data: a\ndata: b\n\n", "a\nb"),
        ])
    func forms(_ text: String, _ data: String) {
        var parser = ServerSentEventParser()
        #expect(parser.feed(Array(text.utf8)) == [ServerSentEvent(data: data)])
    }

    @Test("an event without its empty line, or without data, is none")
    func incomplete() {
        var parser = ServerSentEventParser()
        #expect(parser.feed(Array("data: a\n".utf8)).isEmpty)
        #expect(parser.feed(Array("\n".utf8)) == [ServerSentEvent(data: "a")])
        #expect(parser.feed(Array("id: 5\n\n".utf8)).isEmpty)
        #expect(parser.feed(Array("data: b\n\n".utf8)) == [ServerSentEvent(id: "5", data: "b")])
    }

    @Test("no text can break out of its event", arguments: ["a\r\nid: 9\r\n\r\ndata: b", "a\rid: 9", "a\n\nid: 9\n\n", "\r\n", "\n"])
    func noEscape(_ data: String) {
        var parser = ServerSentEventParser()
        let read = parser.feed(ServerSentEvent(id: "1\ndata: x", data: data).bytes)
        #expect(read.count == 1)
        #expect(read.first?.id == nil)
        let normalised = data.replacing("\r\n", with: "\n").replacing("\r", with: "\n")
        #expect(read.first?.data == normalised)
    }
}
