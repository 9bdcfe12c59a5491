internal import HTTP
internal import Model

/// Maps to `GET /networks/{id}`. nil when there is none.
struct NetworkInspect: EngineEndpoint {
    struct Found: Sendable, Hashable {
        let id: String
        let name: String
        /// The first gateway of its address pools; nil when the engine names none.
        let gateway: String?
    }

    let idOrName: String

    var call: EngineCall { EngineCall(method: .get, path: "/networks/\(EngineCall.component(idOrName))") }
    var accepted: Set<Int> { [200, 404] }

    func answer(_ reply: EngineReply) throws -> Found? {
        guard reply.status == 200 else { return nil }
        let json = try reply.json("a network")
        guard let id = json["Id"]?.string, let name = json["Name"]?.string else {
            throw EngineError.unreadable("a network", body: reply.body)
        }
        let gateways = json["IPAM"]?["Config"]?.array?.compactMap { $0["Gateway"]?.string }
        return Found(id: id, name: name, gateway: gateways?.first { !$0.isEmpty }.map(Self.withoutMask))
    }

    func meaning(of status: Int) -> BackendError { .general(status, doing: "inspect a network", .networkMissing) }

    /// Some engines write the gateway with its mask.
    private static func withoutMask(_ address: String) -> String { String(address.prefix { $0 != "/" }) }
}
