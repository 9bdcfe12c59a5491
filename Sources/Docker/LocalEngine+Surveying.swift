public import Model

extension LocalEngine: ContainerSurveying {
    static let largestFile = 64 << 10

    public func volumes() async throws -> [VolumeFacts] { try await run(VolumeList(labels: ownership)) }

    /// The digests are empty also when the image was removed from under the container.
    public func details(of containerID: String) async throws -> ContainerDetails? {
        guard var details = try await run(ContainerInspect(id: containerID))?.details else { return nil }
        let image = try await image(details.facts.imageID)
        details.imageDigests = image?.digests ?? []
        details.imageEnvironment = image?.environment ?? []
        return details
    }

    /// Links are not followed: what is inside a container is the agent's to write. Throws for a larger file.
    public func file(_ path: String, of containerID: String) async throws -> [UInt8]? {
        let name = path.split(separator: "/").last.map(String.init)
        return try await copyOut(of: containerID, path: path, limit: Self.largestFile)?.first { $0.path == name }?.bytes
    }

    /// One list of everything, told apart on our side: no filter of an engine says "not".
    public func strangers() async throws -> [ContainerFacts] {
        try await run(ContainerList(labels: [:])).filter { facts in
            let ours = ownership.allSatisfy { facts.labels[$0.key] == $0.value }
            return !ours && (facts.name.hasPrefix("ws-") || facts.labels[WorkspaceLabels.managed] != nil)
        }
    }
}
