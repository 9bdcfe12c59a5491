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
    static func probes(
        store: any StoreProbing, engine: any EngineProbing, door: DoorReference, supervisor: Supervisor, clock: any TimeSource
    )
        -> [ReadinessProbe]
    {
        [
            .database(store),
            .engine(engine),
            ReadinessProbe("agents_door") {
                switch door.state {
                case .open: .ok
                case .waiting(let error): .failing(error.code, error.message)
                case nil: .failing(.networkMissing, "the agents' door is not built yet")
                }
            },
            .loops({ supervisor.ticks }, clock: clock),
        ]
    }
}
