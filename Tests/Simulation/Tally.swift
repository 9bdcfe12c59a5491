/// How often each thing happened: a fault or an action that never happens proves nothing.
struct Tally {
    private(set) var counts: [String: [String: Int]] = [:]

    mutating func count(_ kind: String, _ name: String) { counts[kind, default: [:]][name, default: 0] += 1 }

    func count(of kind: String, _ name: String) -> Int { counts[kind]?[name] ?? 0 }

    /// `kind: name n, name n, ...`, one line for each kind, both in alphabetical order.
    var lines: [String] {
        counts.sorted { $0.key < $1.key }.map { kind, names in
            "\(kind): " + names.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
        }
    }
}
