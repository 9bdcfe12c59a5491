import Model
import Testing

@testable import Templates

private func read(_ text: String, known: Set<String> = ["echo", "langgraph"]) -> TemplateReading {
    TemplateReader(knownRuntimes: known).read(Array(text.utf8), id: "t", directory: "/nowhere/t", file: "t/config.yaml")
}

/// Problems as `severity place key`.
private func problems(_ text: String) -> [String] { read(text).problems.map { "\($0.severity) \($0.line):\($0.column) \($0.key)" } }

@Suite("config.yaml")
struct TemplateReaderTests {
    @Test("every key lands in its place")
    func everything() {
        let reading = read(
            """
            name: Coder
            description: Writes code
            version: 1.2.0
            tier: 3
            runtime: langgraph
            skills: [web, files]
            env:
              LOG_LEVEL: debug
              PORT: 9000
              required: [OTHER]
            runtime_config:
              model: anthropic:x
              models:
                - {id: a, name: A, required_env: [A_KEY]}
                - id: b
              required_env: [KEY]
              provision_timeout_seconds: 720
              image: registry.example/coder:1
              timeout: 0
            max_concurrent_tasks: 8
            """)
        var wanted = Template(id: "t", directory: "/nowhere/t")
        wanted.name = "Coder"
        wanted.description = "Writes code"
        wanted.tier = 3
        wanted.runtime = "langgraph"
        wanted.skills = ["web", "files"]
        wanted.environment = ["LOG_LEVEL": "debug", "PORT": "9000"]
        wanted.model = "anthropic:x"
        wanted.models = [TemplateModel(id: "a", name: "A", requiredEnv: ["A_KEY"]), TemplateModel(id: "b", name: nil, requiredEnv: [])]
        wanted.requiredEnv = ["KEY"]
        wanted.provisionTimeoutSeconds = 720
        wanted.image = "registry.example/coder:1"
        wanted.maxConcurrentTasks = 8
        #expect(reading.template == wanted)
        #expect(reading.problems.isEmpty)
    }

    @Test("the top-level model goes before the nested one, the nested image before the top-level one")
    func precedence() {
        let template = read("runtime: echo\nmodel: top\nimage: top\nruntime_config: {model: nested, image: nested}").template
        #expect(template.model == "top")
        #expect(template.image == "nested")
    }

    @Test("each wrong type is an error at its value, all of them at once")
    func wrongTypes() {
        let text = """
            name: [x]
            tier: "2"
            runtime: echo
            skills: web
            runtime_config:
              required_env: KEY
              provision_timeout_seconds: soon
              models: [{name: no id}]
            max_concurrent_tasks: true
            """
        #expect(
            problems(text) == [
                "error 1:7 name", "error 2:7 tier", "error 4:9 skills", "error 8:12 runtime_config.models[0]",
                "error 6:17 runtime_config.required_env", "error 7:30 runtime_config.provision_timeout_seconds",
                "error 9:23 max_concurrent_tasks",
            ])
    }

    @Test(
        "a file that is no mapping, or no YAML, is one error",
        arguments: [("- a\n- b", "error 1:1 config.yaml"), ("text", "error 1:1 config.yaml"), ("a: b: c", "error 1:5 ")])
    func unreadable(text: String, problem: String) { #expect(problems(text) == [problem]) }

    @Test("a list where runtime_config should be is an error, null is not")
    func runtimeConfigKinds() {
        #expect(problems("runtime: echo\nruntime_config: [1]") == ["error 2:17 runtime_config"])
        #expect(problems("runtime: echo\nruntime_config: ~").isEmpty)
    }

    @Test("tier and tasks have limits", arguments: ["tier: 0", "tier: 5", "max_concurrent_tasks: 0", "max_concurrent_tasks: 65"])
    func limits(line: String) { #expect(!read("runtime: echo\n\(line)").isUsable) }

    @Test("an unknown runtime is an error at its line unless an image is named")
    func unknownRuntime() {
        #expect(problems("name: x\nruntime: mine") == ["error 2:10 runtime"])
        #expect(read("runtime: mine\nimage: mine:1").isUsable)
    }

    @Test("no runtime and an empty file are warnings")
    func warnings() {
        #expect(problems("name: x") == ["warning 1:1 runtime"])
        #expect(problems("") == ["warning 1:1 "])
        #expect(read("name: x").template.warnings.count == 1)
    }

    @Test("a timeout above six hours is cut, one that is none is ignored, both with a warning")
    func timeouts() {
        let long = read("runtime: echo\nruntime_config: {provision_timeout_seconds: 86400}")
        #expect(long.template.provisionTimeoutSeconds == 21600)
        #expect(long.isUsable && long.problems.count == 1)
        let none = read("runtime: echo\nruntime_config: {provision_timeout_seconds: -1}")
        #expect(none.template.provisionTimeoutSeconds == nil)
        #expect(none.isUsable && none.problems.count == 1)
    }

    @Test("a name that is no environment variable is an error", arguments: ["1A", "A-B", "A B", "A=B"])
    func environmentNames(name: String) { #expect(!read("runtime: echo\nenv: {\"\(name)\": x}").isUsable) }
}
