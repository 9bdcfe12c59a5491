internal import Glibc
internal import Model

/// The file behind a database, and whether the path still leads to it.
struct SQLiteFile: Sendable {
    let path: String
    private let device: dev_t
    private let inode: ino_t

    /// Makes the file with mode 0600 when it is not there, and takes the rights of others from one that is: SQLite gives its journal the
    /// mode of the database. Throws `state_directory_unusable`.
    init(preparing path: String) throws {
        self.path = path
        let made = Glibc.open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0o600)
        if made >= 0 {
            Glibc.close(made)
        } else if errno != EEXIST {
            throw Self.unusable
        }
        // Known by stat, never by a descriptor of our own: closing one would drop the locks SQLite holds on the file.
        guard let found = Self.status(of: path) else { throw Self.unusable }
        if found.st_mode & 0o077 != 0, chmod(path, 0o600) != 0 { throw Self.unusable }
        (device, inode) = (found.st_dev, found.st_ino)
    }

    /// False when the path leads nowhere or to another file: what is written to the open one would be lost.
    var isInPlace: Bool {
        guard let found = Self.status(of: path) else { return false }
        return found.st_dev == device && found.st_ino == inode
    }

    static let unusable = StoreError(
        .stateDirectoryUnusable, "the database file cannot be opened or made",
        next: "Check that STATE_DIR exists, belongs to the user berthd runs as, and is on a disk with free space.")

    static let lost = StoreError(
        .databaseLost, "the database file was removed or replaced while berthd had it open",
        next: "Put the file back and restart berthd, or restart it to begin with the file that is there now.")

    private static func status(of path: String) -> stat? {
        var found = stat()
        return stat(path, &found) == 0 ? found : nil
    }
}
