import HTTP
import Model

extension Request {
    /// The first JSON value of the body. The content type is ignored and so are bytes after the value: existing clients rely on both.
    /// `refusal` is the sentence those clients know for a body that cannot be read.
    func json(limit: Int, refusal: String = "invalid request body") async throws -> JSONValue {
        let bytes: [UInt8]
        do {
            bytes = try await body.collect(limit: limit)
        } catch let error as BodyTooLarge {
            throw Failure(
                .payloadTooLarge, "request body too large", next: "Send at most \(error.limit) bytes.",
                details: ["limit": .int(error.limit)])
        }
        do {
            return try JSONValue(parsing: bytes, allowTrailing: true)
        } catch {
            throw Failure(.invalidRequest, refusal, next: "The body is not JSON: \(error.reason) at byte \(error.offset).")
        }
    }

    /// As `json`, for a body that may be left out: what cannot be read as an object is an empty one, as existing clients rely on.
    func optionalJSON(limit: Int) async throws -> JSONValue {
        do {
            let value = try await json(limit: limit)
            return value.object == nil ? [:] : value
        } catch let error as Failure where error.code == .invalidRequest {
            return [:]
        }
    }
}

/// The members of a JSON body as a route asks for them: keys match without regard to case, unknown ones are ignored, null is absent,
/// and a wrong type is refused by name.
struct BodyFields {
    private let object: JSONObject
    private let refusal: String

    init(_ value: JSONValue, refusal: String) throws {
        guard let object = value.object else { throw Failure(.invalidRequest, refusal, next: "Send a JSON object.") }
        self.object = object
        self.refusal = refusal
    }

    /// Refuses a key it does not know: where a field left out means all of them, a slip must not.
    func allowOnly(_ keys: String...) throws {
        guard let unknown = object.members.map(\.key).first(where: { !keys.contains($0.lowercased()) }) else { return }
        throw Failure(
            .invalidRequest, refusal, next: "'\(unknown.prefix(64))' is not known here; the fields are \(keys.joined(separator: ", ")).",
            details: ["field": .string(String(unknown.prefix(64)))])
    }

    func string(_ key: String) throws -> String? { try read(key, "a string", \.string) }
    func bool(_ key: String) throws -> Bool? { try read(key, "true or false", \.bool) }
    func int(_ key: String) throws -> Int? { try read(key, "a whole number", \.int) }
    func double(_ key: String) throws -> Double? { try read(key, "a number", \.double) }

    /// For a field that null clears: an outer nil when the key is absent, an inner one for null.
    func clearableString(_ key: String) throws -> String?? { try clearable(key) { try string($0) } }
    func clearableInt(_ key: String) throws -> Int?? { try clearable(key) { try int($0) } }

    /// nil when the key is absent.
    func array(_ key: String) throws -> [JSONValue]? { try read(key, "a list", \.array) }

    private func clearable<Value>(_ key: String, _ take: (String) throws -> Value?) throws -> Value?? {
        guard object.value(ignoringCase: key) != nil else { return nil }
        return .some(try take(key))
    }

    func object(_ key: String) throws -> BodyFields? {
        guard let value = try read(key, "an object", \.object) else { return nil }
        return try BodyFields(.object(value), refusal: refusal)
    }

    func strings(_ key: String) throws -> [String: String] {
        var result: [String: String] = [:]
        for member in try read(key, "an object of strings", \.object)?.members ?? [] {
            guard let text = member.value.string else { throw wrongType("\(key).\(member.key)", "a string") }
            result[member.key] = text
        }
        return result
    }

    private func read<Value>(_ key: String, _ expected: String, _ take: (JSONValue) -> Value?) throws -> Value? {
        guard let value = object.value(ignoringCase: key), !value.isNull else { return nil }
        guard let taken = take(value) else { throw wrongType(key, expected) }
        return taken
    }

    func wrongType(_ key: String, _ expected: String) -> Failure {
        Failure(.invalidRequest, refusal, next: "'\(key)' must be \(expected).", details: ["field": .string(key)])
    }
}
