public import Model
import Synchronization

/// Gives provisions what the engine has, and lets it pull what it has not.
public struct PlainImages: ImageProviding {
    private let engine: any ImageStoring

    public init(engine: any ImageStoring) { self.engine = engine }

    public func provide(_ reference: String, progress: @escaping @Sendable (PullReport) -> Void) async throws -> ImageVersion {
        if let here = try await engine.image(reference) { return version(here, reference) }
        try await engine.pull(reference) {
            progress(PullReport(progress: $0, bytesPerSecond: nil, secondsLeft: nil, isStalled: false))
        }
        guard let here = try await engine.image(reference) else {
            throw Failure(.imageNotFound, "image \(reference) is not there after its pull")
        }
        return version(here, reference)
    }

    private func version(_ image: ImageFacts, _ reference: String) -> ImageVersion {
        ImageVersion(id: image.id, digest: image.digest(in: ImageReference(reference)))
    }
}

/// Cards of agents, by address: every agent has one unless a test takes it away.
public final class FakeCards: AgentCardReading {
    private let silent: Mutex<Bool> = Mutex(false)

    public init() {}

    public func hide() { silent.withLock { $0 = true } }

    public func card(at url: String) async throws -> JSONValue {
        guard !silent.withLock({ $0 }) else { throw Failure(.agentUnreachable, "the agent does not answer") }
        return ["name": "agent"]
    }
}

/// A registry that a test scripts.
public final class FakeRegistry: ManifestLooking {
    private struct State {
        var answers: [String: Result<String, RegistryFailure>] = [:]
        var asked: [String] = []
    }

    private let state = Mutex(State())

    public init() {}

    public var asked: [String] { state.withLock { $0.asked } }

    public func answer(_ reference: String, _ answer: Result<String, RegistryFailure>) { state.withLock { $0.answers[reference] = answer } }

    public func digest(of reference: ImageReference) async throws -> String {
        try state.withLock { state in
            state.asked.append(reference.description)
            return try
                (state.answers[reference.description]
                ?? .failure(RegistryFailure(.imageNotFound, "the registry has no \(reference)"))).get()
        }
    }
}

/// Nobody is logged in anywhere.
public struct NoLogins: RegistryLoginFinding {
    public init() {}
    public func login(for registry: String) -> RegistryLogin? { nil }
}

/// Somebody is logged in at one registry.
public struct OneLogin: RegistryLoginFinding {
    private let registry: String
    private let login: RegistryLogin

    public init(registry: String, user: String, password: String) {
        self.registry = registry
        login = RegistryLogin(user: user, password: password)
    }

    public func login(for registry: String) -> RegistryLogin? { registry == self.registry ? login : nil }
}
