import Dispatch
public import Model
import Synchronization

/// The templates of one directory, as they are on disk now.
///
/// `catalog` looks at the disk at most every two seconds and reads files again only when one changed, came or went.
/// When a directory that had templates is suddenly empty, the timeouts of the last good reading stay in force: a vanished mount must
/// not shorten the time that running provisions have.
public final class TemplateDirectory: TemplateSource, TemplateFileReading {
    private struct State {
        var fingerprints: [TemplateScan.Fingerprint]?
        var catalog = TemplateCatalog()
        var checkedAt: Timestamp?
    }

    private static let lookInterval: Duration = .seconds(2)

    private let scan: TemplateScan
    private let knownRuntimes: Set<String>
    private let clock: any TimeSource
    private let log: any LogSink
    /// Disk calls block, so they run here and not on the cooperative pool.
    private let disk = DispatchQueue(label: "berth.templates")
    private let state = Mutex(State())

    /// The directory at `path` need not exist yet. `knownRuntimes` are those a template may name without naming an image.
    public init(path: String, knownRuntimes: Set<String> = Set(StockRuntimes.images.keys), clock: any TimeSource, log: any LogSink) {
        scan = TemplateScan(root: path)
        self.knownRuntimes = knownRuntimes
        self.clock = clock
        self.log = log
    }

    public func catalog() async -> TemplateCatalog {
        if let fresh = freshCatalog() { return fresh }
        return await onDisk { [self] in freshCatalog() ?? look() }
    }

    /// Throws `template_not_found` when the directory is gone and `template_invalid` for content that cannot go into a container.
    public func files(of template: Template) async throws -> [ContainerFile] {
        try await onDisk { Result { try TemplateFiles(root: template.directory, template: template.id).read() } }.get()
    }

    private func onDisk<Value: Sendable>(_ work: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { continuation in disk.async { continuation.resume(returning: work()) } }
    }

    private func freshCatalog() -> TemplateCatalog? {
        let now = clock.now()
        return state.withLock { state in
            guard let checkedAt = state.checkedAt, now >= checkedAt, now - checkedAt < Self.lookInterval else { return nil }
            return state.catalog
        }
    }

    private func look() -> TemplateCatalog {
        let found = scan.fingerprints()
        let before = state.withLock { $0 }
        guard before.checkedAt == nil || found != before.fingerprints else {
            state.withLock { $0.checkedAt = clock.now() }
            return before.catalog
        }
        var catalog = scan.catalog(of: found ?? [], knownRuntimes: knownRuntimes)
        if catalog.templates.isEmpty, catalog.broken.isEmpty, !before.catalog.provisionTimeoutSeconds.isEmpty {
            catalog.provisionTimeoutSeconds = before.catalog.provisionTimeoutSeconds
        }
        report(catalog, directoryMissing: found == nil)
        state.withLock { $0 = State(fingerprints: found, catalog: catalog, checkedAt: clock.now()) }
        return catalog
    }

    private func report(_ catalog: TemplateCatalog, directoryMissing: Bool) {
        if directoryMissing { log.warning("the templates directory is missing or cannot be read", ("directory", scan.root)) }
        let problems = catalog.broken.sorted { $0.key < $1.key }.flatMap(\.value) + catalog.templates.flatMap(\.warnings)
        for problem in problems { log.warning("template problem", ("at", problem.place), ("problem", problem.message)) }
    }
}

extension TemplateProblem {
    /// `echo/config.yaml:4:7`.
    public var place: String { "\(file):\(line):\(column)" }
}
