import Model

/// Typed reading of one JSON object's members. Throws `Failure` with `invalid_request`.
struct PayloadFields {
    static let largestCardBytes = 256 * 1024

    private let object: JSONObject
    var members: [JSONObject.Member] { object.members }

    init(_ body: JSONValue) throws {
        guard let object = body.object else { throw Self.invalid("The body must be a JSON object.") }
        self.object = object
    }

    private init(object: JSONObject) { self.object = object }

    private subscript(key: String) -> JSONValue? {
        guard let value = object.value(ignoringCase: key), !value.isNull else { return nil }
        return value
    }

    func text(_ key: String) throws -> String? {
        try self[key].map { value in
            guard let text = value.string else { throw Self.wrongType(key, "a string") }
            return text
        }
    }

    func requiredText(_ key: String) throws -> String {
        guard let text = try text(key), !text.isEmpty else { throw Self.invalid("\(key) is required.", field: key) }
        return text
    }

    func integer(_ key: String) throws -> Int? {
        try self[key].map { value in
            guard let number = value.int else { throw Self.wrongType(key, "a whole number of 64 bits") }
            return number
        }
    }

    func number(_ key: String) throws -> Double? {
        try self[key].map { value in
            guard let number = value.double else { throw Self.wrongType(key, "a number") }
            return number
        }
    }

    func object(_ key: String) throws -> PayloadFields? {
        try self[key].map { value in
            guard let object = value.object else { throw Self.wrongType(key, "an object") }
            return PayloadFields(object: object)
        }
    }

    func workspaceID(_ key: String) throws -> WorkspaceID {
        guard let id = WorkspaceID(try requiredText(key)) else {
            throw Failure(.invalidWorkspaceID, "invalid workspace ID", next: "\(key) must be a UUID.", details: ["field": .string(key)])
        }
        return id
    }

    /// The card, whole: an object of bounded size without NUL, which PostgreSQL cannot store.
    func agentCard() throws -> JSONValue {
        let key = "agent_card"
        guard let card = self[key] else { throw Self.invalid("\(key) is required.", field: key) }
        guard card.object != nil else { throw Self.wrongType(key, "an object") }
        guard card.bytes.count <= Self.largestCardBytes else {
            throw Self.invalid("\(key) must not exceed \(Self.largestCardBytes) bytes.", field: key)
        }
        guard !card.holdsNUL else { throw Self.invalid("\(key) must not contain NUL.", field: key) }
        return card
    }

    static func wrongType(_ key: String, _ expected: String) -> Failure { invalid("\(key) must be \(expected).", field: key) }

    private static func invalid(_ next: String, field: String? = nil) -> Failure {
        Failure(.invalidRequest, "invalid request body", next: next, details: field.map { ["field": .string($0)] } ?? [:])
    }
}

extension JSONValue {
    fileprivate var holdsNUL: Bool {
        switch self {
        case .string(let text): text.utf8.contains(0)
        case .array(let elements): elements.contains { $0.holdsNUL }
        case .object(let object): object.members.contains { $0.key.utf8.contains(0) || $0.value.holdsNUL }
        case .null, .bool, .number: false
        }
    }
}

extension String {
    /// Without NUL, and cut to `limit` bytes between two scalars, so that what is left is still UTF-8.
    func storable(atMost limit: Int) -> String {
        let clean = utf8.contains(0) ? String(String.UnicodeScalarView(unicodeScalars.filter { $0 != "\0" })) : self
        guard clean.utf8.count > limit else { return clean }
        var bytes = Array(clean.utf8.prefix(limit + 1))
        while let last = bytes.popLast(), last & 0xC0 == 0x80 {}
        return String(decoding: bytes, as: UTF8.self)
    }
}
