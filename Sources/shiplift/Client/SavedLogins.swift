import Foundation

/// What `shiplift login` keeps: a token for each service, in a file that its owner alone may read.
struct SavedLogins {
    struct Login: Codable {
        var token: String
        var expiresAt: Date
        var subject: String
    }

    private let file: URL

    /// `SHIPLIFT_CREDENTIALS`, else `shiplift/credentials.json` in `XDG_CONFIG_HOME` or `~/.config`.
    init(environment: [String: String]) {
        let folder = environment["XDG_CONFIG_HOME"] ?? (environment["HOME"] ?? NSHomeDirectory()) + "/.config"
        file = URL(fileURLWithPath: environment["SHIPLIFT_CREDENTIALS"] ?? folder + "/shiplift/credentials.json")
    }

    var path: String { file.path }

    /// The login at a service, by its address without a slash at the end.
    func login(at service: String) throws -> Login? { try read()[Self.key(service)] }

    func save(_ login: Login, at service: String) throws {
        var logins = try read()
        logins[Self.key(service)] = login
        try write(logins)
    }

    /// Answers whether there was one.
    func remove(at service: String) throws -> Bool {
        var logins = try read()
        guard logins.removeValue(forKey: Self.key(service)) != nil else { return false }
        try write(logins)
        return true
    }

    private static func key(_ service: String) -> String { service.hasSuffix("/") ? String(service.dropLast()) : service }

    private func read() throws -> [String: Login] {
        guard let data = FileManager.default.contents(atPath: file.path) else { return [:] }
        guard let mode = try FileManager.default.attributesOfItem(atPath: file.path)[.posixPermissions] as? Int, mode & 0o077 == 0 else {
            throw ClientError.notConfigured("\(file.path) can be read by others: it holds tokens; remove it and log in again")
        }
        do { return try JSONDecoder().decode([String: Login].self, from: data) } catch {
            throw ClientError.notConfigured("\(file.path) holds no logins; remove it and log in again")
        }
    }

    private func write(_ logins: [String: Login]) throws {
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        // A new file, so that nobody who had the old one open reads the new token.
        let fresh = file.appendingPathExtension("new")
        if FileManager.default.fileExists(atPath: fresh.path) { try FileManager.default.removeItem(at: fresh) }
        try SecretFile.write(String(decoding: try JSONEncoder().encode(logins), as: UTF8.self), to: fresh)
        guard rename(fresh.path, file.path) == 0 else { throw ClientError.notConfigured("\(file.path) can't be written") }
    }
}
