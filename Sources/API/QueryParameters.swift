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

    /// A whole number within `range`; `standard` when it is not given.
    func number<Number: FixedWidthInteger>(_ name: String, in range: ClosedRange<Number>, standard: Number) throws -> Number {
        guard let text = self[name], !text.isEmpty else { return standard }
        guard let number = Number(text), range.contains(number) else {
            throw Self.refused(name, "a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    static func refused(_ name: String, _ expected: String) -> Failure {
        Failure(
            .invalidRequest, "invalid query parameter '\(name)'", next: "'\(name)' must be \(expected).", details: ["field": .string(name)])
    }
}
