import Model
import TestSupport
import Testing

/// The fake keeps the promises of a real engine; `DockerTests` runs the same sentences against one.
@Suite("The fake engine keeps the contract")
struct FakeEngineContractTests {
    private func contract() throws -> EngineContract {
        let instance = try #require(InstanceID("contract-of-fakes"))
        let engine = FakeEngine(instance: instance, clock: ManualClock())
        engine.addImage("contract:1")
        return EngineContract(
            backend: engine, instance: instance, image: "contract:1", workspace: WorkspaceID(random: SeededRandom(seed: 31))
        ) { program, container in
            switch program {
            case .serve:
                engine.write("ready\n", to: container)
                engine.write("warned\n", to: container, .error)
            case .fail: engine.behave(.exit(code: 3, restarts: true), image: "contract:1")
            }
        }
    }

    @Test("the network is one") func network() async throws { try await contract().networkIsOne() }
    @Test("images are found by name") func images() async throws { try await contract().imagesAreFoundByName() }
    @Test("volumes belong to their workspace") func volumes() async throws { try await contract().volumesBelongToTheirWorkspace() }
    @Test("a container serves") func serves() async throws { try await contract().containerServes() }
    @Test("a name is taken once") func names() async throws { try await contract().nameIsTakenOnce() }
    @Test("a failure is seen") func failure() async throws { try await contract().failureIsSeen() }
    @Test("absence is no failure") func absence() async throws { try await contract().absenceIsNoFailure() }
}
