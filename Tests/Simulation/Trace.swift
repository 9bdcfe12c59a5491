/// What happened, in order: the last lines for people, and a digest of all of them to tell two runs apart.
struct Trace {
    static let standardLength = 60

    /// How many lines are kept.
    let length: Int
    private(set) var digest: UInt64 = 0xCBF2_9CE4_8422_2325
    private var lines: [String] = []
    private var oldest = 0

    init(length: Int) { self.length = max(1, length) }

    mutating func add(_ line: String) {
        for byte in line.utf8 { digest = (digest ^ UInt64(byte)) &* 0x100_0000_01B3 }
        if lines.count < length {
            lines.append(line)
        } else {
            lines[oldest] = line
            oldest = (oldest + 1) % length
        }
    }

    /// The last lines, oldest first.
    var last: [String] { Array(lines[oldest...] + lines[..<oldest]) }
}
