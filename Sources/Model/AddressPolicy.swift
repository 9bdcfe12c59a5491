/// Which addresses an agent that lives elsewhere may have: the one policy against requests forged through us, for registration and
/// dispatch alike. Pure; `AgentURLGuard` resolves names and asks it. The table is in `docs/wire/registry.md`.
public struct AddressPolicy: Sendable, Hashable {
    public enum Mode: String, Sendable, CaseIterable {
        /// Public addresses only.
        case strict
        /// Agents live in the operator's private network: RFC 1918 and `fd00::/8` are allowed as well.
        case saas
        /// Everything `saas` allows, and loopback.
        case development
    }

    /// What an address is good for.
    public enum Kind: String, Sendable, Hashable {
        case global, loopback, `private`, metadata, reserved
        case linkLocal = "link_local"
    }

    public let mode: Mode

    public init(mode: Mode) { self.mode = mode }

    public func allows(_ address: IPAddress) -> Bool {
        switch Self.kind(of: address) {
        case .global: true
        case .loopback: mode == .development
        case .private: mode == .saas || mode == .development
        case .metadata, .linkLocal, .reserved: false
        }
    }

    public static func kind(of address: IPAddress) -> Kind {
        switch address.unmapped {
        case .v4(let value): kind(ofV4: value)
        case .v6(let high, let low): kind(ofV6: high, low)
        }
    }

    private static func kind(ofV4 value: UInt32) -> Kind { v4Blocks.first { value & $0.mask == $0.base }?.kind ?? .global }

    /// Outside `2000::/3` nothing is global. Addresses that carry an IPv4 address for a translator (NAT64, 6to4, Teredo) could smuggle
    /// one in, and are reserved to us.
    private static func kind(ofV6 high: UInt64, _ low: UInt64) -> Kind {
        if high == 0, low == 1 { return .loopback }
        if high == 0xFD00_0EC2_0000_0000, low == 0x254 { return .metadata }
        if high >> 54 == 0xFE80 >> 6 { return .linkLocal }
        if high >> 56 == 0xFD { return .private }
        guard high >> 61 == 0b001 else { return .reserved }
        let reserved =
            high >> 41 == 0x2001_0000 >> 9 || high >> 32 == 0x2001_0DB8 || high >> 48 == 0x2002 || high >> 44 == 0x3FFF0
        return reserved ? .reserved : .global
    }

    private struct Block: Sendable {
        let base: UInt32
        let mask: UInt32
        let kind: Kind

        init(_ a: UInt32, _ b: UInt32, _ c: UInt32, _ d: UInt32, bits: UInt32, _ kind: Kind) {
            base = a << 24 | b << 16 | c << 8 | d
            mask = ~0 << (32 - bits)
            self.kind = kind
        }
    }

    private static let v4Blocks: [Block] = [
        Block(127, 0, 0, 0, bits: 8, .loopback),
        Block(10, 0, 0, 0, bits: 8, .private),
        Block(172, 16, 0, 0, bits: 12, .private),
        Block(192, 168, 0, 0, bits: 16, .private),
        Block(169, 254, 0, 0, bits: 16, .linkLocal),
        Block(168, 63, 129, 16, bits: 32, .metadata),
        Block(0, 0, 0, 0, bits: 8, .reserved),
        Block(100, 64, 0, 0, bits: 10, .reserved),
        Block(192, 0, 0, 0, bits: 24, .reserved),
        Block(192, 0, 2, 0, bits: 24, .reserved),
        Block(192, 88, 99, 0, bits: 24, .reserved),
        Block(198, 18, 0, 0, bits: 15, .reserved),
        Block(198, 51, 100, 0, bits: 24, .reserved),
        Block(203, 0, 113, 0, bits: 24, .reserved),
        Block(224, 0, 0, 0, bits: 4, .reserved),
        Block(240, 0, 0, 0, bits: 4, .reserved),
    ]
}

extension AddressPolicy.Mode {
    /// The mode an environment asks for: `development` (or `dev`) in `MOLECULE_ENV`; else `saas` by `MOLECULE_DEPLOY_MODE`, or by the mere
    /// presence of `MOLECULE_ORG_ID` when no deploy mode is given; else `strict`. An unknown deploy mode is strict, with a warning.
    public static func resolve(environment: String?, deployMode: String?, organisation: String?) -> (mode: Self, warning: String?) {
        func folded(_ text: String?) -> String {
            let text = (text ?? "").lowercased()
            let trimmed = text.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed()
            return String(trimmed)
        }
        let deploy = folded(deployMode)
        let known = ["", "saas", "self-hosted", "selfhosted", "standalone"].contains(deploy)
        let warning = known ? nil : "MOLECULE_DEPLOY_MODE=\(deploy) is not known (saas, self-hosted); private addresses stay refused"
        if ["development", "dev"].contains(folded(environment)) { return (.development, warning) }
        let saas = deploy == "saas" || (deploy.isEmpty && !folded(organisation).isEmpty)
        return (saas ? .saas : .strict, warning)
    }
}
