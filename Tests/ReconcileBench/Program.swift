import Model

/// Prints, as JSON, how long a full reconcile pass takes at two sizes: `berth-bench-reconcile DIRECTORY`, which takes two databases.
@main
struct Program {
    static func main() async throws {
        guard CommandLine.arguments.count == 2 else { fatalError("usage: berth-bench-reconcile DIRECTORY") }
        let directory = CommandLine.arguments[1]
        let small = try await Measurement(rows: 10_000, rounds: 9, directory: directory)
        let large = try await Measurement(rows: 100_000, rounds: 5, directory: directory)
        print(JSONValue.array([small.json, large.json]).text)
    }
}
