import Model
import Testing

@Suite("The JSON writer")
struct JSONWriterTests {
    @Test("JSON is compact, slashes stay plain, members keep their order and nulls are written")
    func compact() throws {
        let value: JSONValue = ["status": "ok", "url": "http://localhost:8001", "agent_card": .null, "list": [], "a": ["b": [1, true]]]
        #expect(value.text == #"{"status":"ok","url":"http://localhost:8001","agent_card":null,"list":[],"a":{"b":[1,true]}}"#)
    }

    @Test(
        "doubles are written as the shortest text that reads back",
        arguments: [
            (0.8, "0.8"), (0, "0"), (100, "100"), (1.5, "1.5"), (-0.25, "-0.25"), (0.1 + 0.2, "0.30000000000000004"), (1e21, "1e+21"),
            (.nan, "0"), (.infinity, "0"),
        ])
    func doubles(value: Double, text: String) {
        #expect(JSONValue.double(value).text == text)
    }

    @Test(
        "numbers that are only passed on keep their text", arguments: ["9007199254740993", "1.10", "1E400", "-0", "0.30000000000000000001"])
    func numbersKeepTheirText(text: String) throws {
        #expect(try JSONValue(parsing: text).text == text)
    }

    @Test("control characters are escaped and everything else is written as it is")
    func strings() {
        #expect(JSONValue.string("\"\\\n\r\t\u{0}\u{1F}\u{7F}é😀</script>").text == "\"\\\"\\\\\\n\\r\\t\\u0000\\u001f\u{7F}é😀</script>\"")
    }
}
