import Foundation
import Glibc
import Synchronization

/// Hands out bearer tokens for a registry, as ghcr.io does: a basic login is judged here, and the registry knows only the signature. Who does
/// not log in gets a token that opens nothing.
final class TokenServer: Sendable {
    static let (user, password) = ("u", "p")

    let port: Int
    let certificate: String
    private let listener: Int32
    private let tokens: [Bool: String]
    private let asked = Mutex<[String]>([])

    /// The certificate and its key are made in `directory`.
    init(in directory: String, repository: String) throws {
        let key = directory + "/token.key"
        certificate = directory + "/token.crt"
        try Self.openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=tokens")
        let der = try Self.openssl("x509", "-in", certificate, "-outform", "der")
        func token(_ opens: Bool) throws -> String {
            let access = opens ? #"[{"type":"repository","name":"\#(repository)","actions":["pull"]}]"# : "[]"
            let now = Int(Date().timeIntervalSince1970)
            let header = #"{"typ":"JWT","alg":"RS256","x5c":["\#(der.base64EncodedString())"]}"#
            let claims =
                #"{"iss":"tokens","sub":"u","aud":"registry","exp":\#(now + 3600),"nbf":\#(now - 60),"iat":\#(now),"jti":"\#(opens)","access":\#(access)}"#
            let text = Self.url(Data(header.utf8)) + "." + Self.url(Data(claims.utf8))
            let file = directory + "/token-\(opens)"
            try text.write(toFile: file, atomically: true, encoding: .utf8)
            return text + "." + Self.url(try Self.openssl("dgst", "-sha256", "-sign", key, file))
        }
        tokens = [true: try token(true), false: try token(false)]
        (listener, port) = try LoopbackSocket.listen()
        startThread { [self] in acceptLoop() }
    }

    /// The heads of all requests so far.
    var requests: [String] { asked.withLock { $0 } }

    func close() {
        shutdown(listener, Int32(SHUT_RDWR))
        Glibc.close(listener)
    }

    private func acceptLoop() {
        while true {
            let client = accept(listener, nil, nil)
            guard client >= 0 else { return }
            startThread { [self] in
                var buffer = [UInt8](repeating: 0, count: 16_384)
                let count = max(0, read(client, &buffer, buffer.count))
                let reply = Array(answer(to: String(decoding: buffer[..<count], as: UTF8.self)).utf8)
                _ = reply.withUnsafeBytes { send(client, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
                Glibc.close(client)
            }
        }
    }

    private func answer(to head: String) -> String {
        asked.withLock { $0.append(head) }
        let login = head.split(separator: "\r\n").first { $0.lowercased().hasPrefix("authorization: basic ") }?.split(separator: " ").last
        let right = Data("\(Self.user):\(Self.password)".utf8).base64EncodedString()
        let status = login == nil || login.map(String.init) == right ? "200 OK" : "401 Unauthorized"
        let token = tokens[login != nil] ?? ""
        let body = status.hasPrefix("200") ? #"{"token":"\#(token)","expires_in":300}"# : #"{"errors":[{"code":"UNAUTHORIZED"}]}"#
        return
            "HTTP/1.1 \(status)\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\nConnection: close\r\n\r\n\(body)"
    }

    private static func url(_ data: Data) -> String {
        data.base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }

    @discardableResult
    private static func openssl(_ arguments: String...) throws -> Data {
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(filePath: "/usr/bin/openssl")
        process.arguments = arguments
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let data = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw UnixSocket.Failed(reason: "openssl \(arguments.first ?? "")") }
        return data
    }
}
