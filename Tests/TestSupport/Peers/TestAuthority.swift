public import Foundation

/// A certificate authority in a folder of its own, with a certificate for 127.0.0.1 and one for a client.
public final class TestAuthority: Sendable {
    public let folder: URL

    public init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "authority-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try openssl(["req", "-x509", "-subj", "/CN=Test CA", "-days", "2", "-keyout", path("ca.key"), "-out", path("ca.pem")] + Self.key)
        for name in ["server", "client"] { try issue(name) }
    }

    private static let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]

    /// Makes `name.pem` and `name.key`, anew where they are there.
    ///
    /// - Parameters:
    ///   - alternativeNames: the hosts it is for.
    ///   - days: how long it lasts; -1: it ended yesterday.
    public func issue(_ name: String, alternativeNames: String = "IP:127.0.0.1", days: Int = 2) throws {
        try openssl(["req", "-subj", "/CN=\(name)", "-keyout", path("\(name).key"), "-out", path("\(name).csr")] + Self.key)
        try Data("subjectAltName=\(alternativeNames)".utf8).write(to: folder.appending(path: "\(name).ext"))
        try openssl([
            "x509", "-req", "-in", path("\(name).csr"), "-CA", path("ca.pem"), "-CAkey", path("ca.key"), "-CAcreateserial", "-days",
            String(days), "-extfile", path("\(name).ext"), "-out", path("\(name).pem"),
        ])
    }

    public func path(_ name: String) -> String { folder.appending(path: name).path }

    public func remove() {
        do { try FileManager.default.removeItem(at: folder) } catch { print("\(folder.path) stays behind: \(error)") }
    }

    func openssl(_ arguments: [String]) throws { try Tool.checked("openssl", arguments) }
}
