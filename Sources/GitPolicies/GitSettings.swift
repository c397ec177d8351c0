import Foundation

/// What git is told, so that nothing but the one repository is asked, and nothing that it holds is run.
struct GitSettings {
    var settings: [(name: String, value: String)] = []
    var variables: [String: String] = [:]

    /// For looking into what was fetched: no way out.
    init() {
        settings = [
            ("core.hooksPath", "/dev/null"), ("core.fsmonitor", "false"), ("core.attributesFile", "/dev/null"), ("core.symlinks", "false"),
            ("core.askPass", ""), ("credential.helper", ""), ("init.templateDir", ""), ("gc.auto", "0"), ("maintenance.auto", "false"),
            ("protocol.allow", "never"), ("submodule.recurse", "false"), ("fetch.recurseSubmodules", "false"), ("log.showSignature", "false"),
            ("gpg.program", "/usr/bin/gpg"), ("gpg.ssh.program", "/usr/bin/ssh-keygen"), ("gpg.ssh.allowedSignersFile", "/dev/null"),
        ]
    }

    /// For asking the repository, by its one protocol.
    ///
    /// - Parameter folder: where ssh's configuration is written.
    init(_ location: GitLocation, _ access: GitAccess, folder: URL) throws(GitFailure) {
        self.init()
        settings += [
            ("protocol.\(location.scheme.rawValue).allow", "always"), ("http.followRedirects", "false"), ("http.lowSpeedLimit", "100"),
            ("http.lowSpeedTime", "20"), ("http.sslVerify", "true"), ("fetch.fsckObjects", "true"), ("fetch.unpackLimit", "1"),
            ("transfer.bundleURI", "false"), ("fetch.writeCommitGraph", "false"),
        ]
        switch location.scheme {
        case .https: try addHTTPS(location, access)
        case .ssh: try addSSH(access, folder)
        case .file: break
        }
    }

    private mutating func addHTTPS(_ location: GitLocation, _ access: GitAccess) throws(GitFailure) {
        if let file = access.caFile { settings.append(("http.sslCAInfo", file)) }
        variables.merge(access.proxyVariables) { $1 }
        guard let place = access.token else { return }
        let token = try Self.read(place)
        let header = Data("\(access.user):\(token)".utf8).base64EncodedString()
        settings.append(("http.\(location.url).extraHeader", "Authorization: Basic \(header)"))
    }

    private static func read(_ place: GitAccess.TokenPlace) throws(GitFailure) -> String {
        let (text, name): (String?, String)
        switch place {
        case .file(let path):
            name = "the file \(path)"
            do { text = try String(contentsOfFile: path, encoding: .utf8) } catch { throw GitFailure(description: "\(name) can't be read") }
        case .environment(let variable):
            name = "environment variable \(variable)"
            text = ProcessInfo.processInfo.environment[variable]
        }
        guard let line = text?.split(whereSeparator: \.isNewline).first.map({ $0.trimmingCharacters(in: .whitespaces) }), !line.isEmpty else {
            throw GitFailure(description: "\(name) holds no token")
        }
        return line
    }

    /// Git lets a shell read this variable; its text is constant, and the paths stand in the file that it names.
    private mutating func addSSH(_ access: GitAccess, _ folder: URL) throws(GitFailure) {
        guard let key = access.keyFile, let knownHosts = access.knownHostsFile else {
            throw GitFailure(description: "ssh needs a deploy key and a file of known hosts")
        }
        let lines = [
            "Host *", "IdentityFile \(try Self.quoted(key))", "IdentitiesOnly yes", "IdentityAgent none", "UserKnownHostsFile \(try Self.quoted(knownHosts))",
            "GlobalKnownHostsFile /dev/null", "StrictHostKeyChecking yes", "UpdateHostKeys no", "BatchMode yes", "ForwardAgent no", "ForwardX11 no",
            "PermitLocalCommand no", "ProxyCommand none", "ControlMaster no", "ControlPath none", "ConnectTimeout 10", "PreferredAuthentications publickey",
        ]
        let file = folder.appendingPathComponent("ssh-config")
        do { try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: file) } catch {
            throw GitFailure(description: "ssh's configuration can't be written to \(folder.path)")
        }
        variables["SHIPLIFT_SSH_CONFIG"] = file.path
        variables["GIT_SSH_COMMAND"] = #"exec /usr/bin/ssh -F "$SHIPLIFT_SSH_CONFIG""#
        variables["GIT_SSH_VARIANT"] = "ssh"
    }

    private static func quoted(_ path: String) throws(GitFailure) -> String {
        guard !path.isEmpty, !path.contains(where: { "\"%\\$~".contains($0) || $0.isNewline }) else {
            throw GitFailure(description: "ssh can't be told of the file '\(path.prefix(80))': its name holds one of \" % \\ $ ~")
        }
        return "\"\(path)\""
    }
}
