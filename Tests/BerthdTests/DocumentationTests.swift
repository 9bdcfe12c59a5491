import Foundation
import Testing

@Suite("documentation")
struct DocumentationTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardizedFileURL

    @Test(
        "every file that a page points at exists",
        arguments: ["README.md", "docs/ARCHITECTURE.md", "docs/operations.md", "CONTRIBUTING.md"])
    func pathsExist(page: String) throws {
        let text = try String(contentsOf: Self.root.appending(path: page), encoding: .utf8)
        let pattern = /`((?:Sources|docs|scripts|templates|Tests|bench)\/[A-Za-z0-9_+.\/-]+)`/
        let paths = text.matches(of: pattern).map { String($0.1) }.filter { !$0.contains("<") && !$0.contains("*") }
        #expect(page != "README.md" || !paths.isEmpty)
        for path in paths {
            #expect(FileManager.default.fileExists(atPath: Self.root.appending(path: path).path()), "\(page) names \(path)")
        }
    }
}
