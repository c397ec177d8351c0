public import Foundation
import Synchronization

/// A folder of a test's own. It goes when ``remove()`` is called, and at the latest when the process ends;
/// what a killed process left behind is removed by the next one.
public final class TemporaryFolder: Sendable {
    /// A short path, since the path of a Unix socket holds no more than 107 bytes.
    public let url: URL

    public init() throws {
        Self.prepareOnce
        url = URL(filePath: "/tmp/shiplift-test-\(getpid())-\(String(UInt32.random(in: .min ... .max), radix: 36))")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: false)
        Self.existing.withLock { _ = $0.insert(url.path) }
    }

    public var path: String { url.path }

    /// The path of `name` in this folder.
    public func path(_ name: String) -> String { url.appending(path: name).path }

    /// Writes a file and answers its path.
    @discardableResult
    public func write(_ text: String, to name: String) throws -> String {
        let file = url.appending(path: name)
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: file)
        return file.path
    }

    public func remove() {
        Self.existing.withLock { _ = $0.remove(url.path) }
        Self.removeTree(url.path)
    }

    deinit { remove() }

    private static let existing = Mutex<Set<String>>([])

    /// Removes what dead processes left, and sees to it that this one leaves nothing.
    private static let prepareOnce: Void = {
        removeLeftovers()
        atexit {
            ChildProcess.endAll()
            for path in TemporaryFolder.existing.withLock({ $0 }) { TemporaryFolder.removeTree(path) }
        }
    }()

    private static func removeLeftovers() {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/tmp")) ?? []  // no list, nothing to remove
        for name in names where name.hasPrefix("shiplift-test-") {
            let parts = name.split(separator: "-")
            guard parts.count == 4, let pid = Int32(parts[2]), kill(pid, 0) != 0, errno == ESRCH else { continue }
            removeTree("/tmp/\(name)")
        }
    }

    private static func removeTree(_ path: String) {
        do {
            try FileManager.default.removeItem(atPath: path)
        } catch CocoaError.fileNoSuchFile {
            return
        } catch {
            print("TemporaryFolder: \(path) stays behind: \(error)")
        }
    }
}
