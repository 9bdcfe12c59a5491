import Model

/// A JSON-RPC request for an agent. Only what the platform must add is spliced in; every other byte goes on as it came, so that numbers,
/// key order and escapes survive. The table is in `docs/wire/a2a.md`.
struct A2AMessage: Sendable, Hashable {
    let bytes: [UInt8]
    /// Empty when the body names none; the agent answers that.
    let method: String

    /// Methods whose answer is a stream: when their caller hangs up, nobody is left to read it.
    private static let streaming: Set = ["message/stream", "SendStreamingMessage", "tasks/resubscribe", "SubscribeToTask"]

    var isStreaming: Bool { Self.streaming.contains(method) }

    /// Wraps a bare `{method, params}` into JSON-RPC 2.0 and gives a message without `messageId` one. Throws `JSONSyntaxError` unless the
    /// body is one JSON object.
    init(normalising body: [UInt8], random: some RandomSource) throws(JSONSyntaxError) {
        let members = try Members(body)
        let methodText = members["method"].map { Array(body[$0]) } ?? Array("null".utf8)
        method = (try? JSONValue(parsing: methodText))?.string ?? ""
        if members["jsonrpc"] != nil {
            bytes = try Self.withMessageID(body, params: members["params"], random)
            return
        }
        let head = "{\"jsonrpc\":\"2.0\",\"id\":\"\(UUIDText.random(random))\",\"method\":"
        var wrapped = Array(head.utf8) + methodText + Array(",\"params\":".utf8)
        let start = wrapped.count
        wrapped += members["params"].map { Array(body[$0]) } ?? Array("null".utf8)
        let params = start..<wrapped.count
        wrapped.append(UInt8(ascii: "}"))
        bytes = try Self.withMessageID(wrapped, params: params, random)
    }

    private static func withMessageID(_ body: [UInt8], params: Range<Int>?, _ random: some RandomSource) throws(JSONSyntaxError) -> [UInt8]
    {
        guard let params, body[params].first == UInt8(ascii: "{") else { return body }
        guard let inner = try Members(Array(body[params]))["message"] else { return body }
        let message = (inner.lowerBound + params.lowerBound)..<(inner.upperBound + params.lowerBound)
        guard body[message].first == UInt8(ascii: "{") else { return body }
        let fields = try Members(Array(body[message]))
        guard fields["messageId"] == nil else { return body }
        var spliced = body
        let member = "\"messageId\":\"\(UUIDText.random(random))\"" + (fields.isEmpty ? "" : ",")
        spliced.insert(contentsOf: member.utf8, at: message.lowerBound + 1)
        return spliced
    }

    /// Where the members of an object stand. Of a key that was written twice the last one counts.
    private struct Members {
        private let ranges: [(key: String, value: Range<Int>)]

        init(_ bytes: [UInt8]) throws(JSONSyntaxError) { ranges = try JSONParser.memberRanges(of: bytes) }

        var isEmpty: Bool { ranges.isEmpty }
        subscript(key: String) -> Range<Int>? { ranges.last { $0.key == key }?.value }
    }
}
