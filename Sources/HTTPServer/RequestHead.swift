import CMicroHTTPD
import Glibc
import HTTP

/// A request whose framing can be read in one way only.
struct RequestHead {
    enum Body: Equatable {
        case none
        case length(Int)
        case chunked
    }

    let method: Method
    let path: String
    let query: Query
    let headers: Headers
    let body: Body

    var declaredLength: Int { if case .length(let length) = body { length } else { 0 } }
}

/// Why a request is answered by the server itself.
enum Refusal: Error, Equatable {
    case malformed(String)
    case targetTooLong
    case headersTooLarge
    case bodyTooLarge(limit: Int)
    case methodUnknown
    case versionUnknown

    var response: Response {
        let (status, code, sentence) =
            switch self {
            case .malformed(let sentence): (400, "invalid_request", sentence)
            case .targetTooLong: (414, "invalid_request", "The request target is too long.")
            case .headersTooLarge: (431, "invalid_request", "The request headers are too large.")
            case .bodyTooLarge(let limit): (413, "payload_too_large", "The request body is larger than \(limit) bytes.")
            case .methodUnknown: (501, "invalid_request", "The request method is not known here.")
            case .versionUnknown: (505, "invalid_request", "Only HTTP/1.1 and HTTP/1.0 are spoken here.")
            }
        let next =
            if case .bodyTooLarge = self { "Send less at once." } else {
                "Correct the client: this is not a request it may repeat unchanged."
            }
        let body = "{\"error\":\"\(sentence)\",\"code\":\"\(code)\",\"next\":\"\(next)\"}"
        return Response(status: status, headers: ["Content-Type": "application/json"], body: .bytes(Array(body.utf8)))
    }
}

/// Reads and checks one request head. libmicrohttpd is lenient (two lengths, both framings, unknown codings, NUL): what it lets pass and a
/// proxy in front of us could read differently is refused here.
struct RequestHeadReader {
    let connection: OpaquePointer
    let target: RequestTarget
    /// The strings of the access callback. All stand in the connection's one header buffer.
    let method: UnsafePointer<CChar>
    let version: UnsafePointer<CChar>
    let limits: ListenerLimits

    func read() throws(Refusal) -> RequestHead {
        let size = cmhd_header_size(connection)
        guard size <= limits.headerBytes else { throw target.bytes.count > limits.headerBytes / 2 ? .targetTooLong : .headersTooLarge }
        let isModern = strcmp(version, "HTTP/1.1") == 0
        guard isModern || strcmp(version, "HTTP/1.0") == 0 else { throw .versionUnknown }
        let fields = collectFields()
        guard isContiguous(fields, versionLength: strlen(version), size: size) else {
            throw .malformed("The request head holds a NUL, a bare line feed or a folded line.")
        }
        let headers = try headers(fields)
        let body = try framing(headers, isModern: isModern)
        guard let parts = target.split() else { throw .malformed("The request target is malformed.") }
        guard let method = Method(rawValue: String(cString: method)) else { throw .methodUnknown }
        return RequestHead(method: method, path: parts.path, query: parts.query, headers: headers, body: body)
    }

    // MARK: Fields

    fileprivate struct RawField {
        let name: UnsafeRawBufferPointer
        let value: UnsafeRawBufferPointer
    }

    private func collectFields() -> [RawField] {
        var fields: [RawField] = []
        withUnsafeMutablePointer(to: &fields) { pointer in
            _ = MHD_get_connection_values_n(connection, .HEADER_KIND, collectField, UnsafeMutableRawPointer(pointer))
        }
        return fields
    }

    /// libmicrohttpd ends every string at its first NUL. In a head without NUL, bare line feeds and folding, the pieces stand exactly one
    /// line end apart; anything hidden after a NUL leaves a gap.
    private func isContiguous(_ fields: [RawField], versionLength: Int, size: Int) -> Bool {
        let lineEnd = UInt(2)
        guard target.start != 0, UInt(bitPattern: version) == target.start + UInt(target.bytes.count) + 1 else { return false }
        var end = UInt(bitPattern: version) + UInt(versionLength)
        for field in fields {
            guard UInt(bitPattern: field.name.baseAddress) == end + lineEnd else { return false }
            end = UInt(bitPattern: field.value.baseAddress) + UInt(field.value.count)
        }
        return end + 2 * lineEnd == UInt(bitPattern: method) + UInt(size)
    }

    private func headers(_ fields: [RawField]) throws(Refusal) -> Headers {
        var headers: [Headers.Field] = []
        headers.reserveCapacity(fields.count)
        for field in fields {
            guard !field.name.isEmpty, field.name.allSatisfy(isTokenCharacter) else { throw .malformed("A header name is malformed.") }
            guard field.value.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }) else {
                throw .malformed("A header value is malformed.")
            }
            var value = field.value[...]
            while let last = value.last, last == 0x20 || last == 0x09 { value.removeLast() }
            headers.append(Headers.Field(String(decoding: field.name, as: UTF8.self), String(decoding: value, as: UTF8.self)))
        }
        return Headers(headers)
    }

    // MARK: Framing

    private func framing(_ headers: Headers, isModern: Bool) throws(Refusal) -> RequestHead.Body {
        let hosts = headers.all("Host")
        guard hosts.count == 1 || (hosts.isEmpty && !isModern) else { throw .malformed("A request names its Host once.") }
        let lengths = headers.all("Content-Length")
        let codings = headers.all("Transfer-Encoding")
        if let coding = codings.first {
            guard codings.count == 1, lengths.isEmpty, isModern, coding.lowercased() == "chunked" else {
                throw .malformed("The only transfer coding is chunked, without a Content-Length.")
            }
            return .chunked
        }
        guard let text = lengths.first else { return .none }
        guard lengths.count == 1, !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            throw .malformed("Content-Length is one decimal number.")
        }
        guard let length = Int(text), length <= limits.bodyBytes else { throw .bodyTooLarge(limit: limits.bodyBytes) }
        return length == 0 ? .none : .length(length)
    }
}

private func isTokenCharacter(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
    case 0x21, 0x23...0x27, 0x2A, 0x2B, 0x2D, 0x2E, 0x5E, 0x5F, 0x60, 0x7C, 0x7E: true
    default: false
    }
}

private let collectField: MHD_KeyValueIteratorN = { context, _, name, nameSize, value, valueSize in
    guard let context else { return .NO }
    context.assumingMemoryBound(to: [RequestHeadReader.RawField].self).pointee.append(
        RequestHeadReader.RawField(
            name: UnsafeRawBufferPointer(start: name, count: nameSize), value: UnsafeRawBufferPointer(start: value, count: valueSize)))
    return .YES
}
