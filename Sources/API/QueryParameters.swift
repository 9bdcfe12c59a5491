import HTTP
import Model

extension Query {
    /// Whether `name` is given as true. Absent and empty are false; anything but true, false, 1 and 0 is refused.
    func flag(_ name: String) throws -> Bool {
        switch self[name] {
        case nil, "", "false", "0": false
        case "true", "1": true
        default: throw Self.refused(name, "true or false")
        }
    }

    static func refused(_ name: String, _ expected: String) -> Failure {
        Failure(
            .invalidRequest, "invalid query parameter '\(name)'", next: "'\(name)' must be \(expected).", details: ["field": .string(name)])
    }
}
