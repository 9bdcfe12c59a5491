import Glibc
import Model

/// Where a command writes. Results go to standard output, progress and errors to standard error.
struct Output: Sendable {
    /// Whether progress can be redrawn in place.
    let isTerminal: Bool
    /// Whether somebody can be asked.
    let canAsk: Bool
    private let writeOut: @Sendable (String) -> Void
    private let writeError: @Sendable (String) -> Void

    init(
        isTerminal: Bool, canAsk: Bool, out: @escaping @Sendable (String) -> Void, error: @escaping @Sendable (String) -> Void
    ) {
        self.isTerminal = isTerminal
        self.canAsk = canAsk
        writeOut = out
        writeError = error
    }

    static let standard = Output(
        isTerminal: isatty(2) == 1, canAsk: isatty(0) == 1 && isatty(2) == 1, out: { write($0, to: 1) }, error: { write($0, to: 2) })

    func line(_ text: String) { writeOut(text + "\n") }
    func text(_ text: String) { writeOut(text) }
    func bytes(_ bytes: [UInt8]) { writeOut(String(decoding: bytes, as: UTF8.self)) }
    func json(_ value: JSONValue) { writeOut(value.text + "\n") }
    func progress(_ text: String) { writeError(text) }

    /// Waits for a line from the terminal; true for y or yes.
    func ask(_ question: String) -> Bool {
        writeError("\(question) [y/N] ")
        return ["y", "yes"].contains((readLine() ?? "").lowercased())
    }

    func report(_ error: CommandError, json: Bool) {
        if json {
            var object: JSONObject = ["error": .string(error.message), "code": .string(error.code)]
            if let next = error.next { object["next"] = .string(next) }
            self.json(.object(object))
        }
        writeError("error: \(error.message) (\(error.code))\n")
        if let next = error.next { writeError("next: \(next)\n") }
    }

    private static func write(_ text: String, to descriptor: Int32) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return }
            bytes = bytes.dropFirst(count)
        }
    }
}
