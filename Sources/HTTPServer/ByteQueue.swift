/// Chunks waiting between two tasks that run at different speeds. Not locked: its owner is.
struct ByteQueue {
    private var chunks: [[UInt8]] = []
    private var first = 0
    private var offset = 0
    private(set) var count = 0

    mutating func append(_ bytes: [UInt8]) {
        guard !bytes.isEmpty else { return }
        chunks.append(bytes)
        count += bytes.count
    }

    mutating func popFirst() -> [UInt8]? {
        guard first < chunks.count else { return nil }
        let chunk = offset == 0 ? chunks[first] : Array(chunks[first][offset...])
        count -= chunk.count
        dropFirstChunk()
        return chunk
    }

    /// Moves bytes out until `buffer` is full or the queue is empty; answers how many.
    mutating func move(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        var filled = 0
        while filled < buffer.count, first < chunks.count {
            let length = min(buffer.count - filled, chunks[first].count - offset)
            chunks[first].withUnsafeBytes { source in
                UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]).copyMemory(
                    from: UnsafeRawBufferPointer(rebasing: source[offset..<(offset + length)]))
            }
            filled += length
            offset += length
            if offset == chunks[first].count { dropFirstChunk() }
        }
        count -= filled
        return filled
    }

    mutating func removeAll() { self = ByteQueue() }

    private mutating func dropFirstChunk() {
        chunks[first] = []
        first += 1
        offset = 0
        if first == chunks.count {
            chunks.removeAll(keepingCapacity: true)
            first = 0
        } else if first >= 64 {
            chunks.removeFirst(first)
            first = 0
        }
    }
}
