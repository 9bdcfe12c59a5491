import API
import Model
import Synchronization

/// The agents' door, known to the readiness probe before it exists: the door needs the API's handler, and the API the probe.
final class DoorReference: Sendable {
    private let door: Mutex<AgentsDoor?> = Mutex(nil)

    func set(_ value: AgentsDoor) { door.withLock { $0 = value } }
    var state: AgentsDoor.State? { door.withLock { $0 }?.state }
    var isOpen: Bool { if case .open = state { true } else { false } }
}

extension Services {
    /// What must hold before anybody should be sent here: state can be read and written, the engine answers, agents can get in, loops turn.
    static func probes(store: any StoreProbing, engine: any EngineProbing, door: DoorReference, supervisor: Supervisor) -> [ReadinessProbe]
    {
        [
            ReadinessProbe("database") { await result { try await store.probe() } },
            ReadinessProbe("engine") { await result { _ = try await engine.probe() } },
            ReadinessProbe("agents_door") {
                switch door.state {
                case .open: .ok
                case .waiting(let error): .failing(error.code, error.message)
                case nil: .failing(.networkMissing, "the agents' door is not built yet")
                }
            },
            ReadinessProbe("loops") {
                let stale = supervisor.staleLoops
                return stale.isEmpty ? .ok : .failing(.internalError, "no fresh round of: \(stale.joined(separator: ", "))")
            },
        ]
    }

    private static func result(_ ask: () async throws -> Void) async -> ReadinessResult {
        do {
            try await ask()
            return .ok
        } catch let error as any CodedError {
            return .failing(error.code, error.message)
        } catch {
            return .failing(.internalError, "the check itself failed")
        }
    }
}

extension Supervisor {
    var ticks: [LoopTick] {
        snapshot.sorted { $0.key < $1.key }.map { name, pulse in
            LoopTick(name: name, lastTickAt: pulse.lastTick, since: pulse.startedAt, interval: pulse.expectedInterval)
        }
    }
}
