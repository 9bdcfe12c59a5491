internal import Model

/// Takes apart what a container without a terminal wrote: frames of an 8-byte header (stream, three zeros, big-endian length) and a body.
/// Bytes are handed on as they arrive, so a frame may come out in several chunks; headers survive every split.
struct LogFrames {
    private var header: [UInt8] = []
    private var stream = LogChunk.Stream.output
    private var remaining = 0

    mutating func append(_ bytes: [UInt8]) -> [LogChunk] {
        var chunks: [LogChunk] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            if remaining > 0 {
                let part = rest.prefix(remaining)
                chunks.append(LogChunk(stream: stream, bytes: Array(part)))
                remaining -= part.count
                rest = rest.dropFirst(part.count)
            } else {
                let part = rest.prefix(8 - header.count)
                header.append(contentsOf: part)
                rest = rest.dropFirst(part.count)
                if header.count == 8 { beginFrame() }
            }
        }
        return chunks
    }

    private mutating func beginFrame() {
        stream = header[0] == 2 ? .error : .output
        remaining = header[4...].reduce(0) { $0 << 8 | Int($1) }
        header.removeAll(keepingCapacity: true)
    }
}

/// The output of a container: framed, or raw when it has a terminal (then all of it is `output`).
enum LogParser: ChunkParser {
    case framed(LogFrames)
    case raw

    mutating func append(_ chunk: [UInt8]) -> [LogChunk] {
        switch self {
        case .raw: return [LogChunk(stream: .output, bytes: chunk)]
        case .framed(var frames):
            defer { self = .framed(frames) }
            return frames.append(chunk)
        }
    }
}
