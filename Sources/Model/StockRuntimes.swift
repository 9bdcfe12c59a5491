/// The runtimes Berth knows without any template naming an image for them, and the image each one runs.
public enum StockRuntimes {
    /// Runtime -> image reference. A template's own `runtime_config.image` goes before it.
    public static let images: [String: String] = {
        let published = ["langgraph", "claude-code", "openclaw", "deepagents", "crewai", "autogen", "hermes", "gemini-cli"]
        var images = ["echo": "berth/workspace-echo:latest"]
        for runtime in published { images[runtime] = "ghcr.io/molecule-ai/workspace-template-\(runtime):latest" }
        return images
    }()
}
