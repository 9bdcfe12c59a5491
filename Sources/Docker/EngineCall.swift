internal import HTTP
internal import Model

/// One call of the Engine API, before version and socket are put to it.
struct EngineCall: Sendable {
    enum Body: Sendable {
        case none
        case json(JSONValue)
        case tar([UInt8])
    }

    /// Which deadline of `EngineSettings` holds.
    enum Patience: Sendable {
        case probing, ordinary, creating
        /// As long as a creation, after the time the container is given.
        case stopping(grace: Duration)
        /// No total: cut only by silence.
        case pulling
        /// No deadline but that of connecting.
        case endless
    }

    let method: Method
    /// Without version, percent-encoded.
    let path: String
    var query: [(String, String)] = []
    var headers = Headers()
    var body = Body.none
    var patience = Patience.ordinary

    /// One path component that came from outside.
    static func component(_ text: String) -> String { PercentCoding.encoded(text) }

    /// The `filters` parameter: every label must match.
    static func filters(labels: [String: String], _ more: JSONObject = JSONObject()) -> (String, String) {
        var filters = more
        filters["label"] = .array(labels.sorted { $0.key < $1.key }.map { .string("\($0.key)=\($0.value)") })
        return ("filters", JSONValue.object(filters).text)
    }
}

/// A whole answer.
struct EngineReply: Sendable {
    let status: Int
    let headers: Headers
    let body: [UInt8]

    func json(_ what: String) throws(EngineError) -> JSONValue {
        do {
            return try JSONValue(parsing: body)
        } catch {
            throw .unreadable(what, body: body)
        }
    }
}

/// A call with an answer of its own type. One endpoint per file in `Endpoints/`.
protocol EngineEndpoint: Sendable {
    associatedtype Answer: Sendable

    var call: EngineCall { get }
    /// Statuses that are an answer, not an error.
    var accepted: Set<Int> { get }
    func answer(_ reply: EngineReply) throws -> Answer
    /// What any other status means to a caller. By status only: the engine's wording changes between versions.
    func meaning(of status: Int) -> BackendError
    /// How often it is made while `mayRepeat` says yes.
    var mostAttempts: Int { get }
    func mayRepeat(after error: EngineError) -> Bool
}

extension EngineEndpoint {
    var mostAttempts: Int { 1 }
    func mayRepeat(after error: EngineError) -> Bool { false }
}

/// A call whose answer arrives over time; only 200 opens it.
protocol EngineStream: Sendable {
    var call: EngineCall { get }
    func meaning(of status: Int) -> BackendError
}

extension JSONValue {
    static func labels(_ labels: [String: String]) -> JSONValue {
        var object = JSONObject()
        for (key, value) in labels.sorted(by: { $0.key < $1.key }) { object[key] = .string(value) }
        return .object(object)
    }

    /// A JSON object of strings as a dictionary; engines write null for none.
    var strings: [String: String] {
        var result: [String: String] = [:]
        for member in object?.members ?? [] { result[member.key] = member.value.string }
        return result
    }
}

extension EngineEndpoint {
    var accepted: Set<Int> { [200, 201, 204] }
}
