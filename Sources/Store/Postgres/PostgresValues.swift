internal import CPostgres

/// Parameters in one block of memory, as libpq wants them: byte strings binary, everything else as text.
struct PostgresParameters {
    private var block: [UInt8] = []
    private var offsets: [Int?] = []
    private var lengths: [Int32] = []
    private var formats: [Int32] = []

    init(_ values: [SQLValue]) {
        for value in values {
            switch value {
            case .null: add(nil)
            case .int(let value): add(String(value).utf8)
            case .real(let value): add(value.description.utf8)
            case .text(let value): add(value.storable.utf8)
            case .bytes(let value): add(value, binary: true)
            }
        }
    }

    private mutating func add(_ bytes: (some Collection<UInt8>)?, binary: Bool = false) {
        formats.append(binary ? 1 : 0)
        guard let bytes else {
            offsets.append(nil)
            lengths.append(0)
            return
        }
        offsets.append(block.count)
        lengths.append(Int32(bytes.count))
        block.append(contentsOf: bytes)
        block.append(0)
    }

    private mutating func add(_ nothing: [UInt8]?) { add(nothing, binary: false) }

    func withPointers<Result>(_ body: ([UnsafePointer<CChar>?], [Int32], [Int32]) -> Result) -> Result {
        block.withUnsafeBytes { memory in
            let start = memory.bindMemory(to: CChar.self).baseAddress
            return body(offsets.map { offset in offset.flatMap { start?.advanced(by: $0) } }, lengths, formats)
        }
    }
}

/// A result of libpq's, freed with its last user.
final class PostgresResult {
    let handle: OpaquePointer

    init(_ handle: OpaquePointer) { self.handle = handle }

    deinit { PQclear(handle) }

    var rows: [SQLRow] {
        let columns = (0..<PQnfields(handle)).map { (index: $0, type: PQftype(handle, $0)) }
        return (0..<PQntuples(handle)).map { row in columns.map { value(row, $0.index, type: $0.type) } }
    }

    private func value(_ row: Int32, _ column: Int32, type: Oid) -> SQLValue {
        guard PQgetisnull(handle, row, column) == 0, let start = PQgetvalue(handle, row, column) else { return .null }
        let text = UnsafeRawBufferPointer(start: start, count: Int(PQgetlength(handle, row, column)))
        switch type {
        case PostgresType.int8, PostgresType.int4: return .int(Int64(String(decoding: text, as: UTF8.self)) ?? 0)
        case PostgresType.float8: return .real(Double(String(decoding: text, as: UTF8.self)) ?? 0)
        case PostgresType.bytea: return .bytes(Self.decodeHex(text.dropFirst(2)))
        default: return .text(String(decoding: text, as: UTF8.self))
        }
    }

    /// Byte strings come as `\x` and hexadecimal digits.
    private static func decodeHex(_ digits: Slice<UnsafeRawBufferPointer>) -> [UInt8] {
        func nibble(_ digit: UInt8) -> UInt8 { digit <= UInt8(ascii: "9") ? digit - UInt8(ascii: "0") : digit - UInt8(ascii: "a") + 10 }
        return stride(from: digits.startIndex, to: digits.endIndex - 1, by: 2).map { nibble(digits[$0]) << 4 | nibble(digits[$0 + 1]) }
    }

    /// What went wrong, told apart by SQLSTATE, never by words.
    var failure: SQLFailure {
        let state = PQresultErrorField(handle, Int32(UInt8(ascii: "C"))).map { String(cString: $0) } ?? ""
        let kind: SQLFailure.Kind
        switch state {
        case "40001", "40P01": kind = .conflict
        case "55P03": kind = .locked
        // The server is going away, or has become one that only reads: another connection may find a better one.
        case "57P01", "57P02", "57P03", "25006": kind = .connectionLost
        default: kind = state.hasPrefix("08") || state.isEmpty ? .connectionLost : .statement
        }
        return SQLFailure(kind: kind, message: "PostgreSQL \(state): \(String(cString: PQresultErrorMessage(handle)))")
    }
}

/// The object ids of the types our columns have.
private enum PostgresType {
    static let bytea: Oid = 17
    static let int8: Oid = 20
    static let int4: Oid = 23
    static let float8: Oid = 701
}
