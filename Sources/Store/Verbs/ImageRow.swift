internal import Model

/// A tracked image as a row: one list of columns, written and read in the same order.
enum ImageRow {
    private static let columns = [
        "reference", "observed_digest", "checked_at", "check_code", "check_message", "check_failed_at", "current_id", "current_digest",
        "previous_id", "previous_digest", "refused_digest", "refused_code", "refused_message", "refused_at", "refused_tries",
        "rollout_state", "rollout_target", "rollout_recreates", "rollout_back", "rollout_started_at", "rollout_ended_at", "rollout_done",
        "rollout_total", "rollout_code", "rollout_message", "rollout_failed_at",
    ]

    static let select = "SELECT \(columns.joined(separator: ", ")) FROM images"
    /// Inserts, or replaces what is known of the same reference.
    static let save = """
        INSERT INTO images (\(columns.joined(separator: ", "))) VALUES (\(columns.indices.map { "$\($0 + 1)" }.joined(separator: ", ")))
        ON CONFLICT (reference) DO UPDATE SET \(columns.dropFirst().map { "\($0) = excluded.\($0)" }.joined(separator: ", "))
        """

    static func values(_ image: TrackedImage) -> [SQLValue] {
        let refused = image.refused
        return [.text(image.reference), SQLValue(image.observedDigest), SQLValue(image.checkedAt?.microseconds)]
            + values(image.checkFailure)
            + [
                SQLValue(image.current?.id), SQLValue(image.current?.digest), SQLValue(image.previous?.id),
                SQLValue(image.previous?.digest), SQLValue(refused?.digest),
            ]
            + values(refused?.failure) + [SQLValue(refused?.tries ?? 0)] + values(image.rollout)
    }

    private static func values(_ failure: ImageFailure?) -> [SQLValue] {
        [SQLValue(failure?.code.rawValue), SQLValue(failure?.message), SQLValue(failure?.at.microseconds)]
    }

    private static func values(_ rollout: ImageRollout?) -> [SQLValue] {
        [
            SQLValue(rollout?.state.rawValue), SQLValue(rollout?.target), SQLValue(rollout?.recreates ?? false),
            SQLValue(rollout?.isRollback ?? false), SQLValue(rollout?.startedAt.microseconds), SQLValue(rollout?.endedAt?.microseconds),
            SQLValue(rollout?.done ?? 0), SQLValue(rollout?.total ?? 0),
        ] + values(rollout?.failure)
    }

    /// Reads a row of `select`. Throws `database_invalid` when it holds what no version of this program writes.
    static func image(_ row: SQLRow) throws -> TrackedImage {
        var reader = RowReader(row)
        var image = TrackedImage(reference: reader.text())
        image.observedDigest = reader.optionalText()
        image.checkedAt = reader.time()
        image.checkFailure = reader.imageFailure()
        image.current = reader.imageVersion()
        image.previous = reader.imageVersion()
        let refused = reader.optionalText()
        let failure = reader.imageFailure()
        let tries = reader.int()
        if let refused, let failure { image.refused = RefusedImage(digest: refused, failure: failure, tries: tries) }
        image.rollout = try rollout(&reader)
        return image
    }

    private static func rollout(_ reader: inout RowReader) throws -> ImageRollout? {
        let (stateText, target, recreates, back) = (reader.optionalText(), reader.text(), reader.bool(), reader.bool())
        let (startedAt, endedAt, done, total) = (reader.time(), reader.time(), reader.int(), reader.int())
        let failure = reader.imageFailure()
        guard let stateText else { return nil }
        guard let state = ImageRollout.State(rawValue: stateText), let startedAt else { throw RowReader.damaged }
        var rollout = ImageRollout(state: state, target: target, recreates: recreates, isRollback: back, startedAt: startedAt)
        rollout.endedAt = endedAt
        rollout.done = done
        rollout.total = total
        rollout.failure = failure
        return rollout
    }
}

extension RowReader {
    mutating func imageVersion() -> ImageVersion? {
        let (id, digest) = (optionalText(), optionalText())
        return id.map { ImageVersion(id: $0, digest: digest) }
    }

    fileprivate mutating func imageFailure() -> ImageFailure? {
        let (code, message, at) = (optionalText(), optionalText(), time())
        guard let code, let message, let at else { return nil }
        return ImageFailure(code: ErrorCode(rawValue: code) ?? .internalError, message: message, at: at)
    }
}
