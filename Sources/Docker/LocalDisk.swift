internal import Glibc

/// The disk under a directory of this host.
public enum LocalDisk {
    /// Bytes that can still be written under `path`; 0 when no file can be made there, nil when it cannot be told.
    public static func freeBytes(_ path: String) -> Int64? {
        var answer = statvfs()
        guard statvfs(path, &answer) == 0 else { return nil }
        let outOfFiles = answer.f_files > 0 && answer.f_ffree == 0
        return outOfFiles ? 0 : Int64(clamping: answer.f_bfree) * Int64(clamping: answer.f_frsize)
    }
}
