import CYAML

/// One step of a YAML text.
struct YAMLEvent {
    enum Kind {
        case streamStart, streamEnd, documentStart, documentEnd, sequenceEnd, mappingEnd
        case alias(String)
        case scalar(String, plain: Bool, anchor: String?)
        case sequenceStart(anchor: String?)
        case mappingStart(anchor: String?)
    }

    let kind: Kind
    let position: YAMLPosition
}

/// Owns a libyaml parser and the bytes it reads.
final class YAMLEvents {
    private let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
    private let bytes: UnsafeMutableBufferPointer<UInt8>

    init(_ text: [UInt8]) {
        bytes = .allocate(capacity: max(1, text.count))
        _ = bytes.initialize(fromContentsOf: text)
        // The only failure is being out of memory, which Swift does not survive either.
        precondition(yaml_parser_initialize(parser) == 1, "libyaml could not be set up")
        yaml_parser_set_input_string(parser, bytes.baseAddress, text.count)
    }

    deinit {
        yaml_parser_delete(parser)
        parser.deallocate()
        bytes.deallocate()
    }

    func next() throws(YAMLError) -> YAMLEvent {
        var event = yaml_event_t()
        guard yaml_parser_parse(parser, &event) == 1 else { throw problem() }
        defer { yaml_event_delete(&event) }
        let position = YAMLPosition(event.start_mark)
        switch event.type {
        case YAML_STREAM_START_EVENT: return YAMLEvent(kind: .streamStart, position: position)
        case YAML_DOCUMENT_START_EVENT: return YAMLEvent(kind: .documentStart, position: position)
        case YAML_DOCUMENT_END_EVENT: return YAMLEvent(kind: .documentEnd, position: position)
        case YAML_ALIAS_EVENT: return YAMLEvent(kind: .alias(Self.text(event.data.alias.anchor) ?? ""), position: position)
        case YAML_SCALAR_EVENT: return YAMLEvent(kind: try scalar(event, at: position), position: position)
        case YAML_SEQUENCE_START_EVENT:
            return YAMLEvent(kind: .sequenceStart(anchor: Self.text(event.data.sequence_start.anchor)), position: position)
        case YAML_SEQUENCE_END_EVENT: return YAMLEvent(kind: .sequenceEnd, position: position)
        case YAML_MAPPING_START_EVENT:
            return YAMLEvent(kind: .mappingStart(anchor: Self.text(event.data.mapping_start.anchor)), position: position)
        case YAML_MAPPING_END_EVENT: return YAMLEvent(kind: .mappingEnd, position: position)
        default: return YAMLEvent(kind: .streamEnd, position: position)
        }
    }

    /// An explicit tag decides between number and text; without one, quotes do.
    private func scalar(_ event: yaml_event_t, at position: YAMLPosition) throws(YAMLError) -> YAMLEvent.Kind {
        let scalar = event.data.scalar
        let text = String(decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
        guard !text.utf8.contains(0) else { throw YAMLError(position: position, reason: "the text holds a NUL character") }
        var plain = scalar.style == YAML_PLAIN_SCALAR_STYLE
        if let tag = Self.text(scalar.tag), tag.hasPrefix("tag:yaml.org,2002:") { plain = !tag.hasSuffix(":str") }
        return .scalar(text, plain: plain, anchor: Self.text(scalar.anchor))
    }

    private static func text(_ pointer: UnsafeMutablePointer<yaml_char_t>?) -> String? { pointer.map { String(cString: $0) } }

    private func problem() -> YAMLError {
        let reason = parser.pointee.problem.map { String(cString: $0) } ?? "the text is not YAML"
        // A reader error (bytes that are no text) knows its byte offset only.
        guard parser.pointee.error == YAML_READER_ERROR else {
            return YAMLError(position: YAMLPosition(parser.pointee.problem_mark), reason: reason)
        }
        let before = bytes.prefix(parser.pointee.problem_offset)
        let line = before.count { $0 == UInt8(ascii: "\n") } + 1
        let column = before.reversed().prefix { $0 != UInt8(ascii: "\n") }.count + 1
        return YAMLError(position: YAMLPosition(line: line, column: column), reason: reason)
    }
}

extension YAMLPosition {
    fileprivate init(_ mark: yaml_mark_t) { self.init(line: mark.line + 1, column: mark.column + 1) }
}
