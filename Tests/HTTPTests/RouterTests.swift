import HTTP
import Testing

@Suite("The router")
struct RouterTests {
    private var router: Router<String> {
        var router = Router<String>()
        router.add(.get, "/workspaces", "list")
        router.add(.post, "/workspaces", "create")
        router.add(.get, "/workspaces/:id", "get")
        router.add(.get, "/workspaces/orphans", "orphans")
        router.add(.get, "/workspaces/:id/:part", "part")
        router.add(.get, "/:kind/:id/events", "events of anything")
        router.add(.get, "/", "root")
        return router
    }

    private func name(_ method: Method, _ path: String) -> String? {
        if case .found(let handler, _, _) = router.match(method, path) { handler } else { nil }
    }

    @Test(
        "finds",
        arguments: [
            (Method.get, "/workspaces", "list"), (.post, "/workspaces", "create"), (.head, "/workspaces", "list"), (.get, "/", "root"),
            (.get, "/workspaces/", "list"), (.get, "/workspaces/17", "get"), (.get, "/workspaces/orphans", "orphans"),
            (.get, "/workspaces/1/logs", "part"), (.get, "/workspaces/1/events", "part"), (.get, "/teams/1/events", "events of anything"),
        ])
    func finds(_ method: Method, _ path: String, _ expected: String) {
        #expect(name(method, path) == expected)
    }

    @Test("finds nothing", arguments: ["/none", "/workspaces//logs", "//workspaces", "/workspaces/1/2/3", "/Workspaces", "//"])
    func findsNothing(_ path: String) {
        #expect(name(.get, path) == nil)
    }

    @Test("parameters and the pattern come with the handler")
    func parameters() {
        guard case .found(_, let parameters, let pattern) = router.match(.get, "/workspaces/a b/x:y") else {
            Issue.record("not found")
            return
        }
        #expect(parameters == ["id": "a b", "part": "x:y"])
        #expect(pattern == "/workspaces/:id/:part")
    }

    @Test("a path that exists with other methods names them")
    func otherMethods() {
        guard case .methodNotAllowed(let methods) = router.match(.delete, "/workspaces") else {
            Issue.record("another match")
            return
        }
        #expect(methods == [.get, .post])
    }
}
