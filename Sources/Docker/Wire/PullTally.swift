internal import Model

/// Adds up the layers of one pull. Only downloads count: extraction reports bytes of its own over the same layers.
struct PullTally {
    private var layers: [String: (done: Int64, total: Int64)] = [:]
    private var announced: Set<String> = []
    private var complete: Set<String> = []

    mutating func add(_ line: JSONValue) -> PullProgress {
        let status = line["status"]?.string ?? ""
        if let layer = line["id"]?.string { count(layer, status: status, detail: line["progressDetail"]) }
        return PullProgress(
            status: status, doneBytes: layers.values.reduce(0) { $0 + $1.done }, totalBytes: layers.values.reduce(0) { $0 + $1.total },
            layersDone: complete.count, layersTotal: announced.count)
    }

    private mutating func count(_ layer: String, status: String, detail: JSONValue?) {
        switch status {
        case "Pulling fs layer", "Waiting": announced.insert(layer)
        case "Already exists":
            announced.insert(layer)
            complete.insert(layer)
        case "Downloading":
            guard let current = detail?["current"]?.int else { return }
            let total = detail?["total"]?.int ?? 0
            layers[layer] = (Int64(current), max(Int64(total), Int64(current)))
        case "Verifying Checksum", "Download complete", "Extracting", "Pull complete":
            if let known = layers[layer] { layers[layer] = (known.total, known.total) }
            if status == "Pull complete" { complete.insert(layer) }
        default: break
        }
    }
}
