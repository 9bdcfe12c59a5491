import Dispatch
import Glibc
import Model

/// Which directories of this host may be mounted into a container: real ones below the operator's roots.
struct WorkspaceDirectories: Sendable {
    let roots: [String]

    /// The directory with every link resolved. Throws `invalid_field` for anything that is not a directory below a root, so that a link
    /// cannot lead out of it. Ask again right before mounting: links change.
    func resolve(_ path: String) async throws -> String {
        guard path.hasPrefix("/"), !path.split(separator: "/").contains("..") else {
            throw Self.refusal("must be an absolute path without ..")
        }
        guard !roots.isEmpty else {
            throw Self.refusal("no host directory may be mounted here; the operator lists roots in WORKSPACE_DIR_ROOTS")
        }
        guard let real = await Self.real(path) else { throw Self.refusal("is not a directory of this host") }
        for root in roots {
            guard let realRoot = await Self.real(root) else { continue }
            if real == realRoot || real.hasPrefix(realRoot.hasSuffix("/") ? realRoot : realRoot + "/") { return real }
        }
        throw Self.refusal("is not below a directory of WORKSPACE_DIR_ROOTS")
    }

    static func refusal(_ reason: String) -> Failure {
        Failure(
            .invalidField, "invalid workspace directory", next: "workspace_dir: \(reason)",
            details: ["field": "workspace_dir", "reason": .string(reason)])
    }

    /// Resolving may wait for a disk or a network mount, so it runs on a thread of its own.
    private static func real(_ path: String) async -> String? {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async { continuation.resume(returning: blockingRealDirectory(path)) }
        }
    }

    private static func blockingRealDirectory(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        var facts = stat()
        guard stat(resolved, &facts) == 0, facts.st_mode & S_IFMT == S_IFDIR else { return nil }
        return String(cString: resolved)
    }
}
