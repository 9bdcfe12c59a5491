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
