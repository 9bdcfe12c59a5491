import Foundation
import HTTP
import Model
import Testing

@testable import API

/// Files of the project, for tests that hold documents to the code.
enum Project {
    static func text(_ path: String) throws -> String {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        return try String(contentsOf: root.appending(path: path), encoding: .utf8)
    }
}

@Suite("docs/errors.md")
struct ErrorDocumentTests {
    /// Code -> status column, of every table row that starts with a code.
    private func rows() throws -> [(code: String, status: String)] {
        try Project.text("docs/errors.md").split(separator: "\n").compactMap { line in
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            guard cells.count == 4, cells[0].hasPrefix("`"), cells[0].hasSuffix("`") else { return nil }
            return (cells[0].trimmingCharacters(in: ["`"]), cells[1])
        }
    }

    @Test("names every code once, and no other")
    func complete() throws {
        #expect(try rows().map(\.code).sorted() == ErrorCode.allCases.map(\.rawValue).sorted())
    }

    @Test("says the status that is answered")
    func statuses() throws {
        for (code, status) in try rows() {
            guard let known = ErrorCode(rawValue: code) else { continue }
            #expect(String(ErrorReply.status(of: known)) == (status == "-" ? "500" : status), "\(code)")
        }
    }
}

@Suite("docs/openapi.yaml")
struct OpenAPIDocumentTests {
    /// What the file says of one operation. It is hand-written with fixed indentation, so its lines can be read as they stand.
    private struct Operation: Hashable, CustomStringConvertible {
        let method: String
        let path: String
        var doors: Set<String>
        var security: String

        var description: String { "\(method) \(path) at \(doors.sorted()) \(security)" }
    }

    private func documented() throws -> [Operation] {
        var operations: [Operation] = []
        var path = ""
        for line in try Project.text("docs/openapi.yaml").split(separator: "\n").drop(while: { $0 != "paths:" }).dropFirst() {
            if !line.hasPrefix(" ") { break }
            let trimmed = line.trimmingCharacters(in: .whitespaces)
            if line.hasPrefix("  /") {
                path = String(trimmed.dropLast())
            } else if line.hasPrefix("    "), !line.hasPrefix("     "), Method(rawValue: trimmed.dropLast().uppercased()) != nil {
                operations.append(
                    Operation(method: trimmed.dropLast().uppercased(), path: path, doors: [], security: "[{admin: []}]"))
            } else if trimmed.hasPrefix("tags: ["), let last = operations.indices.last {
                operations[last].doors = Set(
                    trimmed.dropFirst(7).dropLast().split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) })
            } else if trimmed.hasPrefix("security: "), let last = operations.indices.last {
                operations[last].security = String(trimmed.dropFirst(10))
            }
        }
        return operations
    }

    private func security(of access: Access) -> String {
        switch access {
        case .open: "[]"
        case .admin: "[{admin: []}]"
        case .workspace, .workspaceEvenRemoved, .sender: "[{admin: []}, {workspace: []}]"
        case .publicView: "[{}, {admin: []}, {workspace: []}]"
        case .agentToken: "[{workspace: []}]"
        }
    }

    @Test("describes every route with its doors and its credentials, and no other")
    func routes() throws {
        let served = APIWorld().api.operations.map { route in
            let path = route.path.split(separator: "/").map { $0.hasPrefix(":") ? "{\($0.dropFirst())}" : String($0) }.joined(
                separator: "/")
            return Operation(
                method: route.method.rawValue, path: "/\(path)", doors: Set(route.doors.map(\.rawValue)),
                security: security(of: route.access))
        }
        let documented = try documented()
        #expect(Set(documented).subtracting(served).isEmpty, "described, but not served")
        #expect(Set(served).subtracting(documented).isEmpty, "served, but not described")
        #expect(documented.count == served.count)
    }
}
