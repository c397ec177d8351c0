import Foundation
import GitPolicies
import PolicyEngine
import PromotionCore
import TestSupport
import Testing

/// Repositories behind real servers: git's own HTTP back end behind TLS, and OpenSSH.
@Suite(.timeLimit(.minutes(2))) struct TransportTests {
    /// Waits until something listens.
    private func listening(_ port: Int, _ server: ChildProcess) async throws {
        try await eventually("\(server.name) to listen", within: .seconds(20)) {
            try server.checkRunning()
            return Self.accepts(port)
        }
    }

    private static func accepts(_ port: Int) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(INADDR_LOOPBACK).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0 }
        }
    }

    @Test func httpsWithATokenThatNobodySees() async throws {
        let fixture = try await GitFixture()
        let id = try await fixture.commit(["environments.yaml": GitFixture.environments])
        let authority = try TestAuthority()
        defer { authority.remove() }
        let (port, log) = (try FreePort.take(), fixture.folder.path("requests"))
        let server = try ChildProcess(
            "python3", ["-c", GitOverHTTPS.program, "\(port)", fixture.folder.path, authority.path("server.pem"), authority.path("server.key"), log],
            environment: ["PATH": "/usr/bin:/bin"], logs: fixture.folder, name: "git-https")
        defer { server.signal(SIGKILL) }
        try await listening(port, server)
        let url = "https://127.0.0.1:\(port)/work/.git"
        try fixture.folder.write("s3cret-token\n", to: "token")
        var access = GitAccess()
        access.token = .file(fixture.folder.path("token"))
        access.user = "reader"
        #expect(try await refusal { try await fixture.origin(url: url, access: access).newest(known: nil, inForce: nil) }.contains("certificate"), "the CA is not known")
        access.caFile = authority.path("ca.pem")
        let edition = try #require(try await fixture.origin(url: url, access: access).newest(known: nil, inForce: nil))
        #expect(edition.revision == id && edition.files.map(\.path) == ["environments.yaml"])

        try fixture.folder.write("wrong\n", to: "token")
        let wrong = try await refusal { try await fixture.origin(url: url, access: access).newest(known: nil, inForce: nil) }
        #expect(wrong.contains("unreachable") && !wrong.contains("wrong\n"))
        try fixture.folder.write("\n", to: "token")
        #expect(try await refusal { try await fixture.origin(url: url, access: access).newest(known: nil, inForce: nil) }.contains("holds no token"))

        // A redirect is not followed, and no credentials with it.
        try fixture.folder.write("s3cret-token\n", to: "token")
        try FileManager.default.removeItem(atPath: log)
        let moved = try await refusal { try await fixture.origin(url: "https://127.0.0.1:\(port)/moved", access: access).newest(known: nil, inForce: nil) }
        #expect(moved.contains("unreachable") && !moved.contains("s3cret"))
        #expect(try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n").allSatisfy { $0.hasPrefix("/moved") })
    }

    /// A server that never answers: the look ends in time, and so does what it started.
    @Test func aSilentServerHoldsNobodyUp() async throws {
        let fixture = try await GitFixture()
        let port = try FreePort.take()
        let server = try ChildProcess(
            "python3", ["-c", "import socket, sys, time\ns = socket.create_server((\"127.0.0.1\", int(sys.argv[1])))\ntime.sleep(60)", "\(port)"],
            environment: ["PATH": "/usr/bin:/bin"], logs: fixture.folder, name: "silent")
        defer { server.signal(SIGKILL) }
        try await listening(port, server)
        let clock = ContinuousClock()
        let start = clock.now
        let said = try await refusal {
            try await fixture.origin(url: "https://127.0.0.1:\(port)/p.git", timeout: .seconds(2)).newest(known: nil, inForce: nil)
        }
        #expect(said.contains("took longer than"), "\(said)")
        #expect(clock.now - start < .seconds(10))
        #expect(try fixture.leftovers() == [])
    }

    @Test func sshWithADeployKeyAndKnownHosts() async throws {
        let fixture = try await GitFixture()
        let id = try await fixture.commit(["environments.yaml": GitFixture.environments])
        let (host, key, stranger) = (try await fixture.sshKey("host"), try await fixture.sshKey("deploy"), try await fixture.sshKey("stranger"))
        let port = try FreePort.take()
        try FileManager.default.copyItem(atPath: key + ".pub", toPath: fixture.folder.path("authorized"))
        try fixture.folder.write(
            """
            Port \(port)
            ListenAddress 127.0.0.1
            HostKey \(host)
            AuthorizedKeysFile \(fixture.folder.path("authorized"))
            PidFile none
            StrictModes no
            UsePAM no
            PasswordAuthentication no
            PermitRootLogin prohibit-password

            """, to: "sshd_config")
        if getuid() == 0 { try FileManager.default.createDirectory(atPath: "/run/sshd", withIntermediateDirectories: true) }
        let server = try ChildProcess(
            "/usr/sbin/sshd", ["-D", "-e", "-f", fixture.folder.path("sshd_config")], environment: ["PATH": "/usr/bin:/bin"], logs: fixture.folder, name: "sshd")
        defer { server.signal(SIGKILL) }
        try await listening(port, server)
        let hostKey = try String(contentsOfFile: host + ".pub", encoding: .utf8)
        try fixture.folder.write("[127.0.0.1]:\(port) \(hostKey)", to: "known hosts")
        let url = "ssh://\(NSUserName())@127.0.0.1:\(port)\(fixture.work)"
        func look(_ key: String, _ knownHosts: String) async throws -> String {
            var access = GitAccess()
            access.keyFile = key
            access.knownHostsFile = fixture.folder.path(knownHosts)
            return try await refusal {
                let edition = try await fixture.origin(url: url, access: access).newest(known: nil, inForce: nil)
                #expect(edition?.revision == id && edition?.files.map(\.path) == ["environments.yaml"])
                return edition
            }
        }
        #expect(try await look(key, "known hosts") == "", "\(server.logTail())")
        #expect(try await look(stranger, "known hosts").contains("Permission denied"))
        #expect(try await look(key, "no hosts").contains("Host key verification failed"))
        let other = try String(contentsOfFile: stranger + ".pub", encoding: .utf8)
        try fixture.folder.write("[127.0.0.1]:\(port) \(other)", to: "other hosts")
        #expect(try await look(key, "other hosts").contains("unreachable"))
    }
}
