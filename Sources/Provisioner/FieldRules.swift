import Model

/// What a field of a create request may hold. Each rule throws a `Failure` whose text clients know.
enum FieldRules {
    static let forbiddenInNames: Set<Character> = ["{", "}", "[", "]", "|", ">", "*", "&", "!"]

    static func invalidField(_ field: String, _ reason: String) -> Failure {
        Failure(
            .invalidField, "invalid workspace fields", next: "\(field): \(reason)",
            details: ["field": .string(field), "reason": .string(reason)])
    }

    /// Newlines first, then special characters, then lengths: the order in which clients expect the complaints.
    static func checkTexts(_ request: CreateWorkspace) throws {
        guard !request.name.allSatisfy(\.isWhitespace) else {
            throw Failure(.invalidRequest, "invalid workspace payload", next: "Give the workspace a name.", details: ["field": "name"])
        }
        let texts = [
            ("name", request.name, 255), ("role", request.role ?? "", 1000), ("model", request.model ?? "", 100),
            ("runtime", request.runtime ?? "", 100),
        ]
        for (field, text, _) in texts where text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) {
            throw invalidField(field, "must be one line without control characters")
        }
        for (field, text, _) in texts.prefix(2) where text.contains(where: forbiddenInNames.contains) {
            throw invalidField(field, "must not contain any of { } [ ] | > * & !")
        }
        for (field, text, limit) in texts where text.utf8.count > limit { throw invalidField(field, "must be at most \(limit) bytes") }
    }

    static func checkEnvironment(_ names: some Sequence<String>, source: String) throws {
        for name in names.sorted() {
            guard isEnvironmentName(name) else {
                throw invalidField(source, "\"\(name.prefix(64))\" is not a name for an environment variable")
            }
            guard !PlatformEnvironment.reserved.contains(name) else {
                throw Failure(
                    .envReserved, "\(name) is set by the platform and cannot be given",
                    next: "Choose another name for this entry of \(source).", details: ["name": .string(name)])
            }
        }
    }

    static func checkSecretFiles(_ files: [String: String]) throws {
        for name in files.keys.sorted() {
            let allowed = name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "._-".contains($0)) }
            guard allowed, (1...128).contains(name.utf8.count), !name.hasPrefix(".") else {
                throw invalidField("secret_files", "\"\(name.prefix(64))\" is not a plain file name")
            }
        }
    }

    static func checkValues(_ values: [String: String], source: String) throws {
        for (name, value) in values where value.utf8.contains(0) { throw invalidField(source, "the value of \"\(name)\" contains a NUL") }
    }

    static func checkImage(_ image: String) throws {
        guard ImageReference.isWellFormed(image) else {
            throw invalidField("image", "is not an image reference such as registry.example:5000/team/app:1")
        }
    }

    static func isEnvironmentName(_ name: String) -> Bool {
        guard let first = name.utf8.first, !(48...57).contains(first), name.utf8.count <= 255 else { return false }
        return name.utf8.allSatisfy { (65...90).contains($0) || (97...122).contains($0) || (48...57).contains($0) || $0 == 95 }
    }
}
