import Model
import TestSupport
import Testing

@Suite("The fake keeps the same contract as a real engine")
struct FakeEngineTests {
    @Test("one workspace's life, sentence by sentence")
    func contract() async throws {
        let instance = try #require(InstanceID("fake-instance"))
        let fake = FakeEngine(instance: instance, clock: ManualClock())
        fake.addImage("contract:1")
        let contract = EngineContract(backend: fake, instance: instance, image: "contract:1", workspace: try sampleWorkspace().id) {
            program, container in
            switch program {
            case .serve:
                fake.behave(.serve, image: "contract:1")
                fake.write("ready\n", to: container)
                fake.write("warned\n", to: container, .error)
            case .fail:
                fake.behave(.exit(code: 3, restarts: true), image: "contract:1")
                fake.write("failing\n", to: container)
            }
        }
        try await contract.check()
        #expect(fake.boxes.isEmpty && fake.volumeNames.isEmpty, "nothing is left")
    }
}
