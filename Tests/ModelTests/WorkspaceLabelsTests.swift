import Model
import Testing

@Suite("Labels rebuild what they were made from")
struct WorkspaceLabelsTests {
    private static let names = [
        "plain", "", " blank around ", #"quotes " ' ` and \ $HOME"#, "日本語 👩‍🚀 é e\u{301}", "a=b,c=d", "null", "#\u{2028}x",
        String(repeating: "ü", count: 127),
    ]

    private static func workspace(name: String, template: String?, parent: WorkspaceID?, tier: Int, generation: Int) throws -> Workspace {
        let id = try #require(WorkspaceID("AAAAAAAA-2222-4333-8444-555555555555"))
        var row = Workspace(id: id, name: name, runtime: "claude-code", condition: .init(.online), createdAt: Timestamp(seconds: 0))
        row.template = template
        row.parentID = parent
        row.tier = tier
        row.generation = generation
        return row
    }

    @Test("for every name, with and without template and parent, in every tier", arguments: names)
    func roundTrip(name: String) throws {
        let instance = try #require(InstanceID("instance-1"))
        let parent = try #require(WorkspaceID("11111111-2222-4333-8444-55555555555F"))
        for (template, parent) in [(nil, nil), ("", parent), ("echo", nil), ("my template", parent)] as [(String?, WorkspaceID?)] {
            for tier in 1...4 {
                let row = try Self.workspace(name: name, template: template, parent: parent, tier: tier, generation: tier * 1_000_000)
                let written = WorkspaceLabels(workspace: row)
                let dictionary = written.dictionary(for: instance)
                let read = try #require(WorkspaceLabels(dictionary, of: instance))
                #expect(read == written)
                #expect(read.dictionary(for: instance) == dictionary)
                #expect(Array(read.workspaceName.utf8) == Array(name.utf8), "letter by letter, not only to the eye")
            }
        }
    }

    @Test("through the JSON an engine is spoken to in", arguments: names)
    func throughJSON(name: String) throws {
        let instance = try #require(InstanceID("instance-1"))
        let written = WorkspaceLabels(workspace: try Self.workspace(name: name, template: nil, parent: nil, tier: 2, generation: 1))
        var object = JSONObject()
        for (key, value) in written.dictionary(for: instance) { object[key] = .string(value) }
        let parsed = try JSONValue(parsing: JSONValue.object(object).bytes)
        var read: [String: String] = [:]
        for member in parsed.object?.members ?? [] { read[member.key] = member.value.string }
        #expect(WorkspaceLabels(read, of: instance) == written)
    }

    @Test("labels of another installation, without an id, or not managed, name no workspace of ours")
    func foreign() throws {
        let instance = try #require(InstanceID("instance-1"))
        let row = try Self.workspace(name: "n", template: nil, parent: nil, tier: 2, generation: 1)
        let good = WorkspaceLabels(workspace: row).dictionary(for: instance)
        #expect(WorkspaceLabels(good, of: try #require(InstanceID("instance-2"))) == nil)
        for (key, value) in [(WorkspaceLabels.managed, "false"), (WorkspaceLabels.workspaceID, "none")] {
            var bad = good
            bad[key] = value
            #expect(WorkspaceLabels(bad, of: instance) == nil)
            bad[key] = nil
            #expect(WorkspaceLabels(bad, of: instance) == nil)
        }
    }
}
