/// Columns of text, as wide as their widest cell. The last column is not padded.
enum Table {
    static func text(_ header: [String], _ rows: [[String]]) -> String {
        let all = [header.map { $0.uppercased() }] + rows
        let widths = header.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        return all.map { row in
            row.enumerated().map { column, cell in
                column == row.count - 1 ? cell : cell + String(repeating: " ", count: widths[column] - cell.count)
            }.joined(separator: "  ")
        }.joined(separator: "\n")
    }

    /// Names and values below each other. What has no value is left out.
    static func fields(_ fields: [(name: String, value: String?)]) -> String {
        let present = fields.compactMap { field in field.value.map { (field.name, $0) } }
        let width = present.map(\.0.count).max() ?? 0
        return present.map { $0.0 + String(repeating: " ", count: width - $0.0.count + 2) + $0.1 }.joined(separator: "\n")
    }
}

/// Durations and sizes for people.
enum Human {
    /// `0.4 s`, `2 min 5 s`.
    static func duration(milliseconds: Int) -> String {
        if milliseconds < 60_000 {
            let tenths = (milliseconds + 50) / 100
            return "\(tenths / 10).\(tenths % 10) s"
        }
        return "\(milliseconds / 60_000) min \(milliseconds / 1000 % 60) s"
    }

    /// `45 s`, `9 min 58 s`: for a number that goes down.
    static func countdown(seconds: Int) -> String { seconds < 60 ? "\(seconds) s" : "\(seconds / 60) min \(seconds % 60) s" }

    /// `512 B`, `3.4 MB` (powers of ten).
    static func size(_ bytes: Int) -> String {
        let units = ["B", "kB", "MB", "GB", "TB"]
        var unit = 0
        var tenths = bytes * 10
        while tenths >= 10_000, unit < units.count - 1 {
            tenths /= 1000
            unit += 1
        }
        return unit == 0 ? "\(bytes) B" : "\(tenths / 10).\(tenths % 10) \(units[unit])"
    }
}
