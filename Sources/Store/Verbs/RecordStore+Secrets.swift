internal import Model

/// Where a secret ends up inside the container.
enum SecretKind: String, Sendable {
    case environment = "env"
    case file

    /// The name a value is sealed under: a file and a variable of the same name cannot be exchanged for each other.
    func sealedName(_ name: String) -> String { "\(rawValue):\(name)" }
}

struct SealedSecret: Sendable {
    let kind: SecretKind
    let name: String
    let bytes: [UInt8]
}

extension RecordStore {
    func sealed(_ secrets: [String: String], kind: SecretKind, for id: WorkspaceID) throws -> [SealedSecret] {
        try secrets.sorted { $0.key < $1.key }.map { name, value in
            SealedSecret(kind: kind, name: name, bytes: try sealer.seal(value, workspace: id, name: kind.sealedName(name)))
        }
    }

    /// Throws `secrets_unreadable`, naming the secret as its owner knows it.
    func open(_ bytes: [UInt8], kind: SecretKind, name: String, for id: WorkspaceID) throws -> String {
        do {
            return try sealer.open(bytes, workspace: id, name: kind.sealedName(name))
        } catch let error as any CodedError {
            throw StoreError(error.code, "the secret \(name) cannot be opened with this installation's key", next: error.next)
        }
    }
}

extension Transaction {
    func store(_ secret: SealedSecret, for id: WorkspaceID) throws {
        try sql.run(
            "INSERT INTO workspace_secrets (workspace_id, kind, name, sealed, format) VALUES ($1, $2, $3, $4, $5)",
            [
                .text(id.text), .text(secret.kind.rawValue), .text(secret.name), .bytes(secret.bytes),
                SQLValue(secret.bytes.first.map(Int.init)),
            ])
    }
}
