import Model

/// Everything of one template directory that goes into a container, in the order of its paths.
struct TemplateFiles {
    static let longestTotal = 64 * 1024 * 1024
    static let mostFiles = 10_000
    static let deepest = 32

    /// The template's directory on this host.
    let root: String
    let template: String

    func read() throws -> [ContainerFile] {
        guard let canonicalRoot = DiskFile.resolved(root) else {
            throw Failure(
                .templateNotFound, "The template \"\(template)\" is not there any more.", next: "List the templates and choose another.")
        }
        var paths: [String] = []
        try collect("", depth: 1, into: &paths)
        var budget = Self.longestTotal
        return try paths.map { try file($0, under: canonicalRoot, budget: &budget) }
    }

    private func collect(_ directory: String, depth: Int, into paths: inout [String]) throws {
        guard depth <= Self.deepest else { throw refusal(directory, "is nested deeper than \(Self.deepest) directories") }
        guard let names = DiskFile.names(in: "\(root)/\(directory)") else { throw refusal(directory, "cannot be read") }
        for name in names where name != ".git" {
            let path = directory.isEmpty ? name : "\(directory)/\(name)"
            guard let entry = DiskFile("\(root)/\(path)") else { throw refusal(path, "cannot be read") }
            switch entry.kind {
            case .directory: try collect(path, depth: depth + 1, into: &paths)
            case .file, .link: paths.append(path)
            case .other: throw refusal(path, "is neither a file nor a directory")
            }
            guard paths.count <= Self.mostFiles else { throw refusal(path, "is one file too many: at most \(Self.mostFiles) are copied") }
        }
    }

    private func file(_ path: String, under canonicalRoot: String, budget: inout Int) throws -> ContainerFile {
        guard let target = DiskFile.resolved("\(root)/\(path)") else { throw refusal(path, "is a link that leads nowhere") }
        guard target.hasPrefix(canonicalRoot + "/") else { throw refusal(path, "is a link that leaves the template") }
        guard let entry = DiskFile(target), entry.kind == .file else { throw refusal(path, "is a link to something that is no file") }
        guard entry.size <= budget else { throw refusal(path, "makes the template larger than \(Self.longestTotal >> 20) MiB") }
        guard let bytes = DiskFile.read(target, limit: budget) else { throw refusal(path, "cannot be read") }
        budget -= bytes.count
        return ContainerFile(path: path, bytes: Self.isText(path) ? Self.withUnixLineEnds(bytes) : bytes, mode: entry.mode)
    }

    /// Scripts and Markdown are often written on other systems; a shell does not find `/bin/sh\r`.
    private static func isText(_ path: String) -> Bool { [".sh", ".py", ".md"].contains { path.hasSuffix($0) } }

    private static func withUnixLineEnds(_ bytes: [UInt8]) -> [UInt8] {
        guard bytes.contains(0x0D) else { return bytes }
        var out: [UInt8] = []
        out.reserveCapacity(bytes.count)
        for (index, byte) in bytes.enumerated() {
            let startsLineEnd = byte == 0x0D && index + 1 < bytes.count && bytes[index + 1] == 0x0A
            if !startsLineEnd { out.append(byte) }
        }
        return out
    }

    private func refusal(_ path: String, _ reason: String) -> Failure {
        Failure(
            .templateInvalid, "The template \"\(template)\" cannot be copied: \(path.isEmpty ? "its directory" : path) \(reason).",
            next: "Mend the template, then create the workspace again.")
    }
}
