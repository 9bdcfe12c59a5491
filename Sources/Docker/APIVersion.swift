/// A version of the Engine API, such as 1.41. Orders by number: 1.9 is older than 1.41.
struct APIVersion: Sendable, Hashable, Comparable, CustomStringConvertible {
    let major: Int
    let minor: Int

    /// The oldest we speak: creating a container for a platform came with it.
    static let oldest = APIVersion(1, 41)
    /// The newest we were written against. A newer engine is spoken to in this one.
    static let newest = APIVersion(1, 52)

    init(_ major: Int, _ minor: Int) {
        self.major = major
        self.minor = minor
    }

    init?(_ text: String) {
        let parts = text.split(separator: ".").map { Int($0) }
        guard parts.count == 2, let major = parts[0], let minor = parts[1] else { return nil }
        self.init(major, minor)
    }

    var description: String { "\(major).\(minor)" }

    static func < (left: APIVersion, right: APIVersion) -> Bool {
        (left.major, left.minor) < (right.major, right.minor)
    }
}

/// The versions an engine accepts.
struct EngineVersions: Sendable, Hashable {
    let newest: APIVersion
    let oldest: APIVersion

    /// The version to speak: the newest that both know. Throws when there is none.
    func agreed() throws(EngineError) -> APIVersion {
        let version = min(newest, .newest)
        guard version >= .oldest else { throw .tooOld(engine: newest) }
        guard version >= oldest else { throw .tooNew(engine: oldest) }
        return version
    }
}
