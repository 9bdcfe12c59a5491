import Model

/// Images as people read them.
enum ImageText {
    static func list(_ images: [JSONValue]) -> String {
        guard !images.isEmpty else { return "no template or workspace names an image" }
        let table = Table.text(
            ["image", "runtimes", "state", "current", "previous", "workspaces", "last check"],
            images.map { image in
                [
                    text(image["image"]), (image["runtimes"]?.array ?? []).compactMap(\.string).joined(separator: ","),
                    text(image["state"]),
                    version(image["current"]), version(image["previous"]),
                    "\(image["on_current"]?.int ?? 0) of \(image["workspaces"]?.int ?? 0)", image["last_check_at"]?.string ?? "-",
                ]
            })
        let notes = images.compactMap(note)
        return notes.isEmpty ? table : table + "\n\n" + notes.joined(separator: "\n")
    }

    /// What went wrong last, where something did.
    private static func note(_ image: JSONValue) -> String? {
        let name = text(image["image"])
        if let progress = progress(image) { return progress }
        if let error = image["last_error"]?["error"]?.string {
            return "\(name): not checked: \(WorkspaceText.printable(error)) (\(text(image["last_error"]?["code"])))"
        }
        guard let refused = image["refused"], refused["digest"] != nil, let why = refused["why"]?["error"]?.string else { return nil }
        let (version, code) = (short(refused["digest"]?.string), text(refused["why"]?["code"]))
        if code == ErrorCode.rolledBack.rawValue {
            return "\(name): \(version) was left: \(WorkspaceText.printable(why)). It does not come again by itself; a newer one does."
        }
        return "\(name): \(version) was refused: \(WorkspaceText.printable(why)) (\(code))"
    }

    /// `echo:latest: pulling 34.2 MB of 100.0 MB, 1.1 MB/s, 1 min 2 s left`; nil when nothing is under way.
    static func progress(_ image: JSONValue) -> String? {
        let name = text(image["image"])
        let refresh = image["refresh"].flatMap { $0["ended_at"]?.string == nil ? $0["state"]?.string : nil }
        if let pull = image["pull"], pull["status"] != nil { return "\(name): pulling \(self.pull(pull))" }
        switch refresh {
        case nil: return nil
        case "rolling"?:
            return
                "\(name): \(image["refresh"]?["done"]?.int ?? 0) of \(image["refresh"]?["total"]?.int ?? 0) workspaces are on the new version"
        case "proving"?: return "\(name): proving that the new version works"
        case let state?: return "\(name): \(state)"
        }
    }

    static func pull(_ pull: JSONValue) -> String {
        let (done, total) = (pull["done_bytes"]?.int ?? 0, pull["total_bytes"]?.int ?? 0)
        var parts = [total > 0 ? "\(Human.size(done)) of \(Human.size(total))" : WorkspaceText.printable(pull["status"]?.string ?? "")]
        if pull["stalled"]?.bool == true {
            parts.append("stalled: nothing comes from the registry")
        } else {
            if let rate = pull["bytes_per_second"]?.int { parts.append("\(Human.size(rate))/s") }
            if let left = pull["seconds_left"]?.int { parts.append("\(Human.countdown(seconds: left)) left") }
        }
        return parts.joined(separator: ", ")
    }

    /// The answers for several runtimes as one.
    static func merged(_ answers: [JSONValue]) -> JSONValue {
        guard answers.count != 1, let first = answers.first else { return answers.first ?? [:] }
        var object = JSONObject()
        for key in ["pulled", "failed", "recreated", "would_recreate", "skipped", "images"] {
            object[key] = .array(answers.flatMap { $0[key]?.array ?? [] })
        }
        object["dry_run"] = first["dry_run"] ?? false
        return .object(object)
    }

    static func outcomes(_ answer: JSONValue) -> String {
        let isDryRun = answer["dry_run"]?.bool == true
        var lines = (answer["images"]?.array ?? []).map { outcome($0, isDryRun) }
        if lines.isEmpty { lines = ["there is nothing to do"] }
        let replaced = (answer[isDryRun ? "would_recreate" : "recreated"]?.array ?? []).compactMap(\.string)
        if !replaced.isEmpty { lines.append("\(isDryRun ? "would replace" : "replaced"): \(replaced.joined(separator: ", "))") }
        for skip in answer["skipped"]?.array ?? [] { lines.append("left alone: \(text(skip["name"])) (\(text(skip["reason"])))") }
        if isDryRun { lines.append("dry run: nothing was changed") }
        return lines.joined(separator: "\n")
    }

    private static func outcome(_ image: JSONValue, _ isDryRun: Bool) -> String {
        let name = text(image["image"])
        if let error = image["error"]?.string {
            let next = image["next"]?.string.map { "\n  next: \(WorkspaceText.printable($0))" } ?? ""
            return "\(name): failed: \(WorkspaceText.printable(error)) (\(text(image["code"])))" + next
        }
        if let note = image["note"]?.string { return "\(name): \(WorkspaceText.printable(note))" }
        return "\(name): \(version(image["version"]))"
    }

    static func pruned(_ answer: JSONValue) -> String {
        let images = answer["images"]?.array ?? []
        guard !images.isEmpty else { return "no retired images" }
        let isDryRun = answer["dry_run"]?.bool == true
        let table = Table.text(
            ["image", "version", "size", "result"],
            images.map { image in
                let result = image["reason"]?.string ?? (isDryRun ? "would be removed" : "removed")
                return [
                    text(image["image"]), short(image["digest"]?.string ?? image["image_id"]?.string),
                    Human.size(image["size_bytes"]?.int ?? 0), WorkspaceText.printable(result),
                ]
            })
        return table + (isDryRun ? "\n\ndry run: nothing was changed" : "")
    }

    private static func version(_ version: JSONValue?) -> String { short(version?["digest"]?.string ?? version?["image_id"]?.string) }

    /// Algorithm and first 12 digits.
    private static func short(_ digest: String?) -> String { digest.map { String($0.prefix(19)) } ?? "-" }

    private static func text(_ value: JSONValue?) -> String { WorkspaceText.printable(value?.string ?? "") }
}
