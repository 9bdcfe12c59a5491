import Testing

@testable import berth_agent

@Suite("What an agent is told")
struct ConfigurationTests {
    private func read(_ text: String) -> AgentConfiguration { AgentConfiguration(reading: Array(text.utf8)) }

    @Test("the template's keys reach the agent")
    func everything() {
        let configuration = read(
            """
            name: Coder
            description: Writes
            version: 2.0.0
            skills: [code]
            a2a: {port: 9000}
            observability: {heartbeat_interval_seconds: 45}
            handler:
              command: ["/bin/sh", "-c", "cat"]
              timeout_seconds: 5
            """)
        #expect(configuration.name == "Coder")
        #expect(configuration.version == "2.0.0")
        #expect(configuration.skills == ["code"])
        #expect(configuration.port == 9000)
        #expect(configuration.heartbeatIntervalSeconds == 45)
        #expect(configuration.command == AgentConfiguration.Command(arguments: ["/bin/sh", "-c", "cat"], timeoutSeconds: 5))
        #expect(configuration.warnings.isEmpty)
    }

    @Test("the heartbeat interval is kept between 5 and 300 s", arguments: [(1, 5), (5, 5), (30, 30), (300, 300), (999, 300), (-7, 5)])
    func interval(given: Int, used: Int) {
        #expect(read("observability: {heartbeat_interval_seconds: \(given)}").heartbeatIntervalSeconds == used)
    }

    @Test(
        "what cannot be used is reported and replaced by its default",
        arguments: [
            "name: [x]", "a2a: {port: 70000}", "a2a: {port: \"8000\"}", "skills: web", "handler: {command: /bin/sh}", "handler: {}",
            "a: b: c",
            "observability: {heartbeat_interval_seconds: soon}",
        ])
    func unusable(text: String) {
        var configuration = read(text)
        #expect(!configuration.warnings.isEmpty)
        configuration.warnings = []
        #expect(configuration == AgentConfiguration())
    }

    @Test("a missing file means defaults, with a note")
    func missing() {
        let configuration = AgentConfiguration(reading: nil)
        #expect(configuration.port == 8000 && configuration.warnings.count == 1)
    }

    @Test("the environment names workspace, platform and config directory")
    func environment() throws {
        let environment = try AgentEnvironment([
            "WORKSPACE_ID": "w", "PLATFORM_URL": "http://platform:8081//", "WORKSPACE_CONFIG_PATH": "/c", "HOSTNAME": "abc",
        ])
        #expect(environment.workspaceID == "w" && environment.platformURL == "http://platform:8081")
        #expect(environment.configDirectory == "/c" && environment.hostName == "abc")
    }

    @Test("a platform without a workspace, and an address that is none, are refused")
    func unusableEnvironment() {
        #expect(throws: AgentEnvironment.Invalid.self) { try AgentEnvironment(["PLATFORM_URL": "http://p"]) }
        #expect(throws: AgentEnvironment.Invalid.self) { try AgentEnvironment(["PLATFORM_URL": "platform:80", "WORKSPACE_ID": "w"]) }
    }
}
