import Model
import Secrets

/// Who this installation is and what it keeps secret: made once, kept in the state directory, never in the database alone.
struct Identity: Sendable {
    let instance: InstanceID
    let adminToken: String
    let adminTokenWasGenerated: Bool
    let sealingKey: [UInt8]

    init(configuration: Configuration, home: StateHome, tokens: TokenMaker, random: SodiumRandom) throws {
        instance = try Self.instance(configuration, home, random)
        if let chosen = configuration.adminToken {
            adminToken = chosen
            adminTokenWasGenerated = false
            // The command line on this host reads the file; it must not hold an older token.
            try PrivateFile.write(chosen, to: StateFile.adminToken.path(in: home.path))
        } else {
            adminToken = try PrivateFile.text(StateFile.adminToken.path(in: home.path), orCreate: { tokens.issue().plaintext }).text
            adminTokenWasGenerated = true
        }
        sealingKey = try Self.key(configuration, home, random)
    }

    /// The file wins over nothing, the variable over the file. A variable's choice is not written down yet: its database may refuse it.
    private static func instance(_ configuration: Configuration, _ home: StateHome, _ random: SodiumRandom) throws -> InstanceID {
        let path = StateFile.instanceID.path(in: home.path)
        if let chosen = configuration.instanceID { return chosen }
        let text = try PrivateFile.text(path, orCreate: { InstanceID(random: random).text }).text
        guard let instance = InstanceID(text) else {
            throw Failure(
                .stateDirectoryUnusable, "\(path) does not hold an instance id",
                next: "Restore the file from a backup: containers of this installation are found by it. Delete it only when there are none."
            )
        }
        return instance
    }

    /// Writes down whom the database has accepted, because labels outlive variables.
    func remember(in home: StateHome) throws {
        let path = StateFile.instanceID.path(in: home.path)
        guard try PrivateFile.text(path) != instance.text else { return }
        try PrivateFile.write(instance.text, to: path)
    }

    private static func key(_ configuration: Configuration, _ home: StateHome, _ random: SodiumRandom) throws -> [UInt8] {
        if let chosen = configuration.secretsKey { return try SecretsKey.parse(chosen) }
        let text = try PrivateFile.text(StateFile.secretsKey.path(in: home.path), orCreate: { SecretsKey.text(random.bytes(32)) }).text
        return try SecretsKey.parse(text)
    }
}
