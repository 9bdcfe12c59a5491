import Model

/// Which images there are, and whose: from templates, overrides, stock runtimes and rows. Pure.
struct ImageCatalog: Sendable {
    /// Reference -> the runtimes that run it.
    private(set) var runtimes: [String: Set<String>] = [:]
    /// Reference -> live workspaces that name it, canaries apart.
    private(set) var workspaces: [String: [Workspace]] = [:]
    /// Reference -> templates whose workspaces run it, by id.
    private(set) var templates: [String: [Template]] = [:]
    /// Every runtime that a template, an override or Berth itself knows, sorted.
    let known: [String]

    init(templates catalog: TemplateCatalog, rows: [Workspace], overrides: [String: String]) {
        known = Set(catalog.templates.map(\.runtime)).union(overrides.keys).union(StockRuntimes.images.keys).sorted()
        for template in catalog.templates.sorted(by: { $0.id < $1.id }) {
            let image = overrides[template.runtime] ?? template.image ?? StockRuntimes.images[template.runtime]
            guard let image, ImageReference.isWellFormed(image) else { continue }
            let reference = ImageReference(image).description
            runtimes[reference, default: []].insert(template.runtime)
            templates[reference, default: []].append(template)
        }
        for (runtime, image) in overrides where ImageReference.isWellFormed(image) {
            runtimes[ImageReference(image).description, default: []].insert(runtime)
        }
        for row in rows where !row.external && !row.isCanary && row.status != .removed {
            // A row of an earlier version may have one that no engine takes.
            guard let image = row.image, ImageReference.isWellFormed(image) else { continue }
            let reference = ImageReference(image).description
            runtimes[reference, default: []].insert(row.runtime)
            workspaces[reference, default: []].append(row)
        }
    }

    /// Sorted.
    var references: [String] { runtimes.keys.sorted() }

    /// The runtimes that some template, override or workspace names, sorted.
    var inUse: [String] { Set(runtimes.values.joined()).sorted() }

    /// The images of one runtime: what its templates and workspaces name, and its stock image when nothing does.
    func references(of runtime: String) -> [String] {
        let named = runtimes.filter { $0.value.contains(runtime) }.keys.sorted()
        if !named.isEmpty { return named }
        return StockRuntimes.images[runtime].map { [ImageReference($0).description] } ?? []
    }

    /// A template that can show, without anybody's secrets, whether the image works; nil when there is none.
    func canary(of reference: String) -> Template? {
        templates[reference]?.first { template in template.requiredEnv.allSatisfy { template.environment[$0]?.isEmpty == false } }
    }
}
