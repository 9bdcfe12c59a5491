/// What one `templates/<name>/config.yaml` declares.
public struct Template: Sendable, Hashable {
    /// The directory's name.
    public var id: String
    /// The directory on this host; its files are copied into `/configs`.
    public var directory: String
    public var name: String
    public var description: String
    public var runtime: String
    public var tier: Int?
    public var model: String?
    public var models: [TemplateModel]
    public var skills: [String]
    public var requiredEnv: [String]
    public var image: String?
    public var environment: [String: String]
    public var provisionTimeoutSeconds: Int?
    public var maxConcurrentTasks: Int?
    public var warnings: [TemplateProblem]

    public init(id: String, directory: String) {
        self.id = id
        self.directory = directory
        name = id
        description = ""
        runtime = ""
        models = []
        skills = []
        requiredEnv = []
        environment = [:]
        warnings = []
    }
}

public struct TemplateModel: Sendable, Hashable {
    public let id: String
    public let name: String?
    public let requiredEnv: [String]

    public init(id: String, name: String?, requiredEnv: [String]) {
        self.id = id
        self.name = name
        self.requiredEnv = requiredEnv
    }
}

/// Something wrong in an author's file, with the place. Lines and columns count from 1.
public struct TemplateProblem: Error, Sendable, Hashable {
    public enum Severity: String, Sendable { case error, warning }

    public let severity: Severity
    public let file: String
    public let line: Int
    public let column: Int
    /// The key concerned, dotted, or empty for the whole file.
    public let key: String
    public let message: String

    public init(_ severity: Severity, file: String, line: Int, column: Int, key: String, message: String) {
        self.severity = severity
        self.file = file
        self.line = line
        self.column = column
        self.key = key
        self.message = message
    }
}

/// All templates of a directory at one reading: one bad file never hides the others.
public struct TemplateCatalog: Sendable, Hashable {
    public var templates: [Template]
    /// Directory name -> what is wrong with it.
    public var broken: [String: [TemplateProblem]]
    /// Runtime -> the largest provision timeout that any template declares for it, in seconds.
    public var provisionTimeoutSeconds: [String: Int]

    public init(templates: [Template] = [], broken: [String: [TemplateProblem]] = [:], provisionTimeoutSeconds: [String: Int] = [:]) {
        self.templates = templates
        self.broken = broken
        self.provisionTimeoutSeconds = provisionTimeoutSeconds
    }

    public subscript(id: String) -> Template? { templates.first { $0.id == id } }
}

/// The templates as they are on disk now; re-read when a file changes.
public protocol TemplateSource: Sendable {
    func catalog() async -> TemplateCatalog
}

/// One file that goes into a container.
public struct ContainerFile: Sendable, Hashable {
    /// Relative to the directory it is copied to; no leading slash, no `..`.
    public let path: String
    public let bytes: [UInt8]
    /// POSIX permission bits, for example 0o600.
    public let mode: Int

    public init(path: String, bytes: [UInt8], mode: Int = 0o644) {
        self.path = path
        self.bytes = bytes
        self.mode = mode
    }
}

/// Reads a template's files, for copying into a container. CRLF becomes LF in scripts and Markdown; links that leave the directory are refused.
public protocol TemplateFileReading: Sendable {
    func files(of template: Template) async throws -> [ContainerFile]
}
