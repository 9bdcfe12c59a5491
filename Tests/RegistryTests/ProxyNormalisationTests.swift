import Model
import TestSupport
import Testing

@testable import Proxy

@Suite("The proxy: JSON-RPC normalisation")
struct ProxyNormalisationTests {
    private static let uuid = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"

    private func normalised(_ text: String) throws -> String {
        String(decoding: try A2AMessage(normalising: Array(text.utf8), random: SeededRandom(seed: 1)).bytes, as: UTF8.self)
    }

    /// `text` with every UUID replaced by `<id>`.
    private func masked(_ text: String) throws -> String { text.replacing(try Regex(Self.uuid), with: "<id>") }

    @Test(
        "what is complete goes on byte for byte",
        arguments: [
            #"{"jsonrpc":"2.0","id":5,"method":"m"}"#,
            #" { "id" : 9007199254740993 , "jsonrpc":"2.0", "method":"message/send","params":{"message":{"messageId":""}} } "#,
            #"{"jsonrpc":"2.0","method":"SendMessage","params":{"message":{"parts":[{"text":"<&>\u00e9é\/"}],"messageId":"m"}},"x":1.10}"#,
            #"{"jsonrpc":null,"id":{"odd":[1e400]}}"#, #"{"jsonrpc":"2.0","params":{"message":"text"}}"#,
            #"{"jsonrpc":"2.0","params":[{"message":{}}]}"#,
            #"{"jsonrpc":"2.0","params":{}}"#, #"{"jsonrpc":"2.0","params":{"message":{"messageId":null}}}"#,
        ])
    func untouched(text: String) throws {
        #expect(try normalised(text) == text)
    }

    @Test(
        "what is missing is spliced in, and nothing else changes",
        arguments: [
            (#"{"method":"m","params":{}}"#, #"{"jsonrpc":"2.0","id":"<id>","method":"m","params":{}}"#),
            (#"{"id":5,"method":"m"}"#, #"{"jsonrpc":"2.0","id":"<id>","method":"m","params":null}"#),
            (#"{}"#, #"{"jsonrpc":"2.0","id":"<id>","method":null,"params":null}"#),
            (
                #"{"jsonrpc":"2.0","params":{"message":{"parts":[ 1.50 ]}}}"#,
                #"{"jsonrpc":"2.0","params":{"message":{"messageId":"<id>","parts":[ 1.50 ]}}}"#
            ),
            (#"{"jsonrpc":"2.0","params":{"message": { } } }"#, #"{"jsonrpc":"2.0","params":{"message": {"messageId":"<id>" } } }"#),
            (
                #"{"params":{"a":9007199254740993,"message":{"role":"user"}},"method":"message/send","extra":1}"#,
                #"{"jsonrpc":"2.0","id":"<id>","method":"message/send","params":{"a":9007199254740993,"message":{"messageId":"<id>","role":"user"}}}"#
            ),
            (
                #"{"jsonrpc":"2.0","params":{"message":1,"message":{}}}"#,
                #"{"jsonrpc":"2.0","params":{"message":1,"message":{"messageId":"<id>"}}}"#
            ),
        ])
    func spliced(text: String, expected: String) throws {
        #expect(try masked(normalised(text)) == expected)
        #expect(throws: Never.self) { try JSONValue(parsing: normalised(text)) }
    }

    @Test("what is no JSON object is refused", arguments: ["[]", "\"x\"", "null", "5", "{nope", "", "{} trailing", "{\"a\":1,}"])
    func refused(text: String) {
        #expect(throws: JSONSyntaxError.self) { try normalised(text) }
    }

    @Test(
        "the methods of both protocol versions that answer with a stream are known",
        arguments: [
            ("message/send", false), ("SendMessage", false), ("message/stream", true), ("SendStreamingMessage", true),
            ("tasks/resubscribe", true), ("SubscribeToTask", true),
            ("tasks/get", false),
        ])
    func streaming(method: String, isStreaming: Bool) throws {
        let body = Array(#"{"jsonrpc":"2.0","method":"\#(method)"}"#.utf8)
        #expect(try A2AMessage(normalising: body, random: SeededRandom(seed: 1)).isStreaming == isStreaming)
    }
}

@Suite("The proxy: small rules")
struct ProxyRuleTests {
    @Test(
        "the idle timeout is read from whole seconds above 0, and anything else is the default with a warning",
        arguments: [
            (nil, 300, false), ("", 300, false), ("600", 600, false), ("1", 1, false), ("0", 300, true), ("-30", 300, true),
            ("foo", 300, true),
            ("1.5", 300, true), ("30s", 300, true), (" 60", 300, true),
        ] as [(String?, Int, Bool)])
    func idleTimeout(text: String?, seconds: Int, warned: Bool) {
        let (timeout, warning) = ProxySettings.idleTimeout(parsing: text)
        #expect(timeout == .seconds(seconds))
        #expect((warning != nil) == warned)
    }

    /// 1 has the children 2 and 3; 2 has 4, 4 has 5; 6 is another root with the child 7; 8 and 9 are each other's parents.
    private static let tree = [(1, nil), (2, 1), (3, 1), (4, 2), (5, 4), (6, nil), (7, 6), (8, 9), (9, 8)] as [(Int, Int?)]

    @Test(
        "relatives in a straight line, siblings and roots may talk, others may not",
        arguments: [
            (1, 1, true), (1, 2, true), (2, 1, true), (2, 3, true), (1, 6, true), (1, 5, true), (5, 1, true), (2, 5, true), (4, 3, false),
            (3, 5, false), (7, 1, false), (2, 7, false), (6, 2, false), (8, 1, false), (8, 4, false),
        ])
    func communication(caller: Int, target: Int, allowed: Bool) {
        let rows = Self.tree.map { Sample.workspace($0.0, parent: $0.1) }
        let (from, to) = (rows[caller - 1], rows[target - 1])
        #expect((CommunicationRules.decide(from, to) ?? CommunicationRules.areRelated(from.id, to.id, among: rows)) == allowed)
    }

    @Test(
        "a comment may stand between two events only, wherever the chunks are cut",
        arguments: [
            ([], true), (["data: x\n\n"], true), (["data: x\n"], false), (["data: x"], false), (["data: x\r\n\r\n"], true),
            (["data: x\r\n\r", "\n"], true), (["data: x\r\r"], true), (["data: x\n", "\n"], true), (["data: x\n\nd"], false),
            ([": c\n\n\n"], true),
            (["data: x\r\n"], false), (["data: x\r", "\n"], false),
        ])
    func boundary(chunks: [String], between: Bool) {
        var boundary = EventBoundary()
        for chunk in chunks { boundary.feed(Array(chunk.utf8)) }
        #expect(boundary.isBetweenEvents == between)
    }
}
