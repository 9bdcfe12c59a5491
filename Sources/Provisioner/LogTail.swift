import Model
import Synchronization

/// The end of what a container wrote, ready to be shown: at most 8 KiB of whole characters, without the secrets we gave it.
struct LogTail: Sendable {
    static let limit = 8192
    private var bytes: [UInt8] = []

    mutating func append(_ chunk: [UInt8]) {
        bytes += chunk
        if bytes.count > Self.limit * 2 { bytes.removeFirst(bytes.count - Self.limit) }
    }

    /// nil when nothing was written.
    func text(hiding secrets: some Sequence<String>) -> String? {
        guard !bytes.isEmpty else { return nil }
        return Self.lastBytes(of: String(decoding: bytes, as: UTF8.self).hiding(secrets))
    }

    private static func lastBytes(of text: String) -> String {
        guard text.utf8.count > limit else { return text }
        var start = text.utf8.index(text.utf8.endIndex, offsetBy: -limit)
        while start < text.utf8.endIndex, text.utf8[start] & 0xC0 == 0x80 { start = text.utf8.index(after: start) }
        return String(text[start...])
    }
}

extension WorkspaceProvisioner {
    /// The last lines of `container`; nil when there are none, or when the engine does not give them within a few seconds.
    func logTail(of container: ContainerFacts?, _ id: WorkspaceID) async -> String? {
        guard let container else { return nil }
        let tail = await waiting(atMost: .seconds(5), on: clock) { [backend, log] () -> LogTail? in
            do {
                var tail = LogTail()
                for try await chunk in try await backend.logs(of: container.id, LogOptions(tail: 200)) { tail.append(chunk.bytes) }
                return tail
            } catch {
                log.warning("log tail not readable", ("workspace", id.text), ("error", String(describing: error)))
                return nil
            }
        }
        guard let tail = tail ?? nil else { return nil }
        // Without the secrets nothing can be hidden, and then nothing is shown.
        guard let secrets = try? await records.secrets(of: id) else { return nil }
        return tail.text(hiding: secrets.values)
    }
}

extension WorkspaceSecrets {
    var values: [String] { Array(environment.values) + Array(files.values) }
}

extension String {
    /// Without `secrets`. What is shorter than four bytes is no secret, and would leave nothing readable.
    func hiding(_ secrets: some Sequence<String>) -> String {
        var text = self
        // Longest first, so that a secret that contains another leaves nothing of itself behind.
        for secret in secrets.filter({ $0.utf8.count >= 4 }).sorted(by: { $0.utf8.count > $1.utf8.count }) {
            text = text.split(separator: secret, omittingEmptySubsequences: false).joined(separator: "[hidden]")
        }
        return text
    }
}
