extension ContainerFacts {
    /// The generation its label names; 0 when it names none.
    public var generation: Int { labels[WorkspaceLabels.generation].flatMap { Int($0) } ?? 0 }
}
