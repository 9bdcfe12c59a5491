import Foundation
import Model
import Testing

@testable import berthd

@Suite("configuration")
struct ConfigurationTests {
    private func configuration(_ environment: [String: String], isRoot: Bool = true) throws -> Configuration {
        try Configuration(environment: environment, isRoot: isRoot)
    }

    @Test("an empty environment is a safe installation")
    func defaults() throws {
        let configuration = try configuration([:])
        #expect(configuration.bindAddress == "127.0.0.1")
        #expect(configuration.port == 8080)
        #expect(configuration.agentsHost == nil)
        #expect(configuration.agentsPort == 8081)
        #expect(configuration.stateDirectory == "/var/lib/berth")
        #expect(configuration.databaseURL == nil)
        #expect(configuration.allowedTiers == [1, 2])
        #expect(configuration.defaultTier == 2)
        #expect(!configuration.developmentMode)
        #expect(configuration.problems.isEmpty)
    }

    @Test(
        "a value that cannot be used names its variable and the default that is used instead", arguments: ["abc", "-1", "70000", "8080.5"])
    func badNumber(value: String) throws {
        let configuration = try configuration(["PORT": value])
        #expect(configuration.port == 8080)
        #expect(configuration.problems.count == 1)
        #expect(configuration.problems.first?.contains("PORT=\(value)") == true)
        #expect(configuration.problems.first?.contains("8080") == true)
    }

    @Test("an unknown log level is named, not swallowed")
    func logLevel() throws {
        let configuration = try configuration(["LOG_LEVEL": "chatty"])
        #expect(configuration.logLevel == .info)
        #expect(configuration.problems.first?.contains("LOG_LEVEL=chatty") == true)
        #expect(try self.configuration(["LOG_LEVEL": "Debug"]).logLevel == .debug)
    }

    @Test("an engine that is not a unix socket stops the start", arguments: ["tcp://10.0.0.1:2375", "ssh://host", "unix://"])
    func onlyUnixSockets(value: String) {
        #expect { try configuration(["DOCKER_HOST": value]) } throws: { ($0 as? any CodedError)?.code == .configurationInvalid }
    }

    @Test("the agents' door takes a port alone or with a host")
    func agentListen() throws {
        #expect(try configuration(["AGENT_LISTEN": ":9000"]).agentsPort == 9000)
        #expect(try configuration(["AGENT_LISTEN": ":9000"]).agentsHost == nil)
        #expect(try configuration(["AGENT_LISTEN": "172.18.0.1:9000"]).agentsHost == "172.18.0.1")
        #expect { try configuration(["AGENT_LISTEN": "nonsense"]) } throws: { ($0 as? any CodedError)?.code == .configurationInvalid }
    }

    @Test("development mode, and nothing that only looks like it")
    func development() throws {
        #expect(try configuration(["MOLECULE_ENV": " Development "]).developmentMode)
        #expect(try configuration(["MOLECULE_ENV": "dev"]).developmentMode)
        #expect(try !configuration(["MOLECULE_ENV": "develop"]).developmentMode)
        #expect(try configuration(["MOLECULE_DEPLOY_MODE": "saas"]).addressMode == .saas)
        #expect(try configuration(["MOLECULE_DEPLOY_MODE": "prod", "MOLECULE_ORG_ID": "o"]).addressMode == .strict)
        #expect(try configuration(["MOLECULE_ORG_ID": "o"]).addressMode == .saas)
    }

    @Test("the state directory of a person is in the XDG place")
    func stateDirectory() throws {
        #expect(try configuration(["HOME": "/home/a"], isRoot: false).stateDirectory == "/home/a/.local/state/berth")
        #expect(try configuration(["XDG_STATE_HOME": "/x"], isRoot: false).stateDirectory == "/x/berth")
        #expect(try configuration(["STATE_DIR": "/here"], isRoot: false).stateDirectory == "/here")
    }

    @Test("docs/operations.md names every variable the daemon reads")
    func documented() throws {
        let page = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../docs/operations.md")
        let text = try String(contentsOf: page, encoding: .utf8)
        for name in EnvironmentName.allCases { #expect(text.contains("`\(name.rawValue)`"), "\(name.rawValue) is missing") }
    }
}

@Suite("private files")
struct PrivateFileTests {
    private func inDirectory(_ body: (String) throws -> Void) throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "berthd-\(UUID().uuidString)").path()
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try body(directory)
    }

    @Test("a file is made once, readable by its owner only, and then kept")
    func madeOnce() throws {
        try inDirectory { directory in
            let first = try PrivateFile.text(directory + "/token", orCreate: { "one" })
            let second = try PrivateFile.text(directory + "/token", orCreate: { "two" })
            #expect(first == ("one", true))
            #expect(second == ("one", false))
            let mode = try FileManager.default.attributesOfItem(atPath: directory + "/token")[.posixPermissions] as? Int
            #expect(mode == 0o600)
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory) == ["token"])
        }
    }

    @Test("a state directory has one daemon")
    func lock() throws {
        try inDirectory { directory in
            let home = try StateHome(path: directory + "/a/b")
            #expect { try StateHome(path: directory + "/a/b") } throws: { ($0 as? any CodedError)?.code == .alreadyRunning }
            home.release()
            try StateHome(path: directory + "/a/b").release()
        }
    }
}
