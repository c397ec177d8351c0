public import Foundation

/// A certificate authority in a folder of its own, with a certificate for 127.0.0.1 and one for a client.
public final class TestAuthority: Sendable {
    public let folder: URL

    public init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "authority-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        try openssl(["req", "-x509", "-subj", "/CN=Test CA", "-days", "2", "-keyout", path("ca.key"), "-out", path("ca.pem")] + key)
        for name in ["server", "client"] {
            try openssl(["req", "-subj", "/CN=\(name)", "-keyout", path("\(name).key"), "-out", path("\(name).csr")] + key)
            try Data("subjectAltName=IP:127.0.0.1".utf8).write(to: folder.appending(path: "\(name).ext"))
            try openssl([
                "x509", "-req", "-in", path("\(name).csr"), "-CA", path("ca.pem"), "-CAkey", path("ca.key"), "-CAcreateserial", "-days",
                "2", "-extfile", path("\(name).ext"), "-out", path("\(name).pem"),
            ])
        }
    }

    public func path(_ name: String) -> String { folder.appending(path: name).path }

    public func remove() {
        do { try FileManager.default.removeItem(at: folder) } catch { print("\(folder.path) stays behind: \(error)") }
    }

    func openssl(_ arguments: [String]) throws { try Tool.checked("openssl", arguments) }
}
