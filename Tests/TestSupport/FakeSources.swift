public import Model
import Synchronization

/// Templates in memory.
public final class FakeTemplates: TemplateSource, TemplateFileReading {
    private let state: Mutex<(catalog: TemplateCatalog, files: [String: [ContainerFile]])>
    public let faults = FaultScript()

    public init(_ templates: [Template] = [], broken: [String: [TemplateProblem]] = [:], files: [String: [ContainerFile]] = [:]) {
        state = Mutex((TemplateCatalog(templates: templates, broken: broken), files))
    }

    public func set(_ catalog: TemplateCatalog) { state.withLock { $0.catalog = catalog } }
    public func catalog() async -> TemplateCatalog { state.withLock { $0.catalog } }

    public func files(of template: Template) async throws -> [ContainerFile] {
        try await faults.perform("files") { [self] in state.withLock { $0.files[template.id] ?? [] } }
    }
}

/// Tokens that count: `token-1`, `token-2`, ... The hash is the text itself, so that a test can follow one.
public final class FakeTokens: TokenMaking {
    private let issued = Mutex(0)

    public init() {}

    public func issue() -> IssuedToken {
        let number = issued.withLock { count in
            count += 1
            return count
        }
        let text = "token-\(number)"
        return IssuedToken(plaintext: text, digest: TokenDigest(hash: hash(text), prefix: String(text.prefix(8))))
    }

    public func hash(_ plaintext: String) -> [UInt8] { Array(plaintext.utf8) }
    public func matches(_ left: String, _ right: String) -> Bool { left == right }
}

/// Judges addresses by a list: what is not refused is allowed.
public struct FakeAddressGuard: AgentURLChecking {
    private let refused: Set<String>

    public init(refusing refused: Set<String> = []) { self.refused = refused }

    public func check(_ url: String) async throws {
        guard !refused.contains(url) else { throw Failure(.unsafeURL, "the address leads to a place that must not be reached") }
    }
}

/// Remembers whom it was asked to wake, and who is being talked to.
public final class FakeWaking: WorkspaceWaking {
    private let state = Mutex<(woken: [WorkspaceID], open: [WorkspaceID: Int], begun: Int)>(([], [:], 0))

    public init() {}

    public var woken: [WorkspaceID] { state.withLock { $0.woken } }
    /// How many messages were ever on their way.
    public var begun: Int { state.withLock { $0.begun } }

    public func wake(_ id: WorkspaceID) async { state.withLock { $0.woken.append(id) } }

    public func workBegan(on id: WorkspaceID) {
        state.withLock { state in
            state.open[id, default: 0] += 1
            state.begun += 1
        }
    }

    public func workEnded(on id: WorkspaceID) {
        state.withLock { state in
            let left = (state.open[id] ?? 0) - 1
            state.open[id] = left > 0 ? left : nil
        }
    }

    public func atWork() -> Set<WorkspaceID> { state.withLock { Set($0.open.keys) } }
}
