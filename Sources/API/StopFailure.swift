import HTTP
import Model
import Provisioner

/// The answer when rows moved and some containers did not follow yet. Existing clients read `removed_count` and `stop_failures`.
struct StopFailure {
    /// What was done to the rows, in the past tense.
    let verb: String
    let count: Int
    let failures: [Deletion.Problem]
    /// The name of the count that belongs to the verb, where it is not `removed_count` alone.
    var countKey: String?

    func response() -> Response {
        var body: JSONObject = [
            "error": .string("marked \(count) \(verb), but \(failures.count) could not be stopped or cleaned away; it is tried again"),
            "code": .string(ErrorCode.stopFailed.rawValue),
            "next": "Nothing is lost: the daemon keeps trying. To try at once, repeat the request.",
            "removed_count": .int(count),
        ]
        if let countKey { body[countKey] = .int(count) }
        body["stop_failures"] = .int(failures.count)
        body["failed"] = .array(failures.map { ["id": .string($0.id.text), "error_class": .string($0.code.rawValue)] })
        return .json(500, .object(body))
    }
}
