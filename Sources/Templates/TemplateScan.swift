import Model

/// One reading of a templates directory: its immediate sub-directories that hold a `config.yaml`.
struct TemplateScan {
    /// What a reading depends on. As long as it stays the same, so does the catalog.
    struct Fingerprint: Hashable {
        let id: String
        let inode: UInt
        let size: Int
        let modified: DiskFile.Moment
    }

    let root: String

    /// nil when the directory is not there or cannot be read. Links to directories and loose files are no templates.
    func fingerprints() -> [Fingerprint]? {
        DiskFile.names(in: root)?.compactMap { id in
            guard DiskFile("\(root)/\(id)")?.kind == .directory,
                let config = DiskFile("\(root)/\(id)/config.yaml", followingLinks: true), config.kind == .file
            else { return nil }
            return Fingerprint(id: id, inode: config.inode, size: config.size, modified: config.modified)
        }
    }

    func catalog(of fingerprints: [Fingerprint], knownRuntimes: Set<String>) -> TemplateCatalog {
        let reader = TemplateReader(knownRuntimes: knownRuntimes)
        var catalog = TemplateCatalog()
        for entry in fingerprints {
            let reading = Self.read(entry.id, in: root, with: reader)
            if reading.isUsable {
                catalog.templates.append(reading.template)
            } else {
                catalog.broken[entry.id] = reading.problems
            }
            let template = reading.template
            guard !template.runtime.isEmpty, let seconds = template.provisionTimeoutSeconds else { continue }
            catalog.provisionTimeoutSeconds[template.runtime] = max(seconds, catalog.provisionTimeoutSeconds[template.runtime] ?? 0)
        }
        return catalog
    }

    static func read(_ id: String, in root: String, with reader: TemplateReader) -> TemplateReading {
        let file = "\(id)/config.yaml"
        let directory = "\(root)/\(id)"
        guard let bytes = DiskFile.read("\(root)/\(file)", limit: YAMLLimits().bytes) else {
            let message = "the file cannot be read, or is larger than \(YAMLLimits().bytes) bytes"
            let problem = TemplateProblem(.error, file: file, line: 1, column: 1, key: "", message: message)
            return TemplateReading(template: Template(id: id, directory: directory), problems: [problem])
        }
        return reader.read(bytes, id: id, directory: directory, file: file)
    }
}
