public import Model

/// Checks an author's work without a daemon.
public enum TemplateLint {
    /// Everything wrong under `path`: a `config.yaml`, a template's directory, or a directory of templates. Blocks while it reads.
    /// Nothing wrong is an empty list; file names are relative to the directory of templates.
    public static func check(path: String, knownRuntimes: Set<String> = Set(StockRuntimes.images.keys)) -> [TemplateProblem] {
        let path = DiskFile.resolved(path) ?? path
        switch DiskFile(path, followingLinks: true)?.kind {
        case .file: return checkFile(path, knownRuntimes)
        case .directory where DiskFile("\(path)/config.yaml", followingLinks: true)?.kind == .file:
            return checkFile("\(path)/config.yaml", knownRuntimes) + checkContent(path)
        case .directory: return checkAll(in: path, knownRuntimes)
        case .link, .other, nil: return [problem(path, "there is no such file or directory")]
        }
    }

    private static func checkAll(in path: String, _ knownRuntimes: Set<String>) -> [TemplateProblem] {
        let found = TemplateScan(root: path).fingerprints() ?? []
        guard !found.isEmpty else { return [problem(path, "no template is here: a template is a directory with a config.yaml")] }
        return found.flatMap { checkFile("\(path)/\($0.id)/config.yaml", knownRuntimes) + checkContent("\(path)/\($0.id)") }
    }

    private static func checkFile(_ path: String, _ knownRuntimes: Set<String>) -> [TemplateProblem] {
        let parts = path.split(separator: "/").map(String.init)
        let id = parts.count > 1 ? parts[parts.count - 2] : ""
        let file = parts.suffix(2).joined(separator: "/")
        guard let bytes = DiskFile.read(path, limit: YAMLLimits().bytes) else {
            return [problem(file, "the file cannot be read, or is larger than \(YAMLLimits().bytes) bytes")]
        }
        let reading = TemplateReader(knownRuntimes: knownRuntimes).read(bytes, id: id, directory: "", file: file)
        // A text that is no YAML has been reported by the reader already.
        let root = try? YAMLDocument.read(bytes)
        return reading.problems + (root.map { TemplateKeys.unknown(in: $0, file: file) } ?? [])
    }

    /// What the copy into a container would refuse.
    private static func checkContent(_ directory: String) -> [TemplateProblem] {
        let id = directory.split(separator: "/").last.map(String.init) ?? directory
        do {
            _ = try TemplateFiles(root: directory, template: id).read()
            return []
        } catch {
            return [problem(id, (error as? any CodedError)?.message ?? "the template's files cannot be read")]
        }
    }

    private static func problem(_ file: String, _ message: String) -> TemplateProblem {
        TemplateProblem(.error, file: file, line: 1, column: 1, key: "", message: message)
    }
}
