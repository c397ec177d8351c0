import APIModel
import Foundation
import OCI
import TestSupport
import Testing

/// The audit log as an auditor meets it: the built command, files on disk, and places outside.
@Suite(.inTurn) struct AuditTests {
    private func promoted(_ settings: [String: String] = [:]) async throws -> (lift: Lift, service: ShipliftProcess, digest: String) {
        let lift = try await Lift.make(settings: settings)
        let image = try ImageFixture.image(labels: Lift.labels)
        try await lift.shared.push(image, to: "dev/shop/api", tag: "1.0.0")
        let service = try await lift.start()
        #expect(try await lift.promote("shop/api:1.0.0", from: "dev", to: "test").state == "succeeded")
        return (lift, service, image.digest.description)
    }

    private static let python = URL(fileURLWithPath: Lift.repositoryFolder + "/Tests/AuditLogTests/verify_export.py").path

    /// What README promises an auditor: from a digest to who did it, and the proof, checked with the service switched off.
    @Test func anAuditorNeedsNothingButFilesAndTheKey() async throws {
        let (lift, service, digest) = try await promoted()
        let (key, proofs, export, old) = (lift.folder.path("data/checkpoint-key.pub"), lift.folder.path("proofs"), lift.folder.path("log.ndjson"), lift.folder.path("old"))
        try await patiently { try await lift.command("audit", "story", digest, "--key", key, "--proofs", proofs).status == .exited(0) }
        let story = try await lift.command("audit", "story", digest, "--key", key)
        #expect(story.output.contains("promotion.succeeded") && story.output.contains("each proven under a signed checkpoint"))
        #expect(try await lift.command("audit", "promoted", digest).output.contains("promotion.requested"))
        #expect(try await lift.command("audit", "entered", "test").output.contains("shop/api"))
        let checkpoint = try await lift.get("/v1/audit/checkpoint")
        try Data(checkpoint.utf8).write(to: URL(fileURLWithPath: old))
        #expect(try await lift.promote("shop/api:1.0.0", from: "test", to: "staging").state == "succeeded")
        try await patiently { try await lift.get("/v1/audit/checkpoint") != checkpoint }
        #expect(try await lift.command("audit", "verify", "--checkpoint", old, "--key", key).status == .exited(0))
        try Data(try await lift.command("audit", "export").output.utf8).write(to: URL(fileURLWithPath: export))
        let csv = try await lift.command("audit", "--format", "csv", "--digest", digest).output
        #expect(csv.hasPrefix("index,time,actor,") && csv.components(separatedBy: "\r\n").count == 14)
        let report = lift.folder.path("report.html")
        #expect(try await lift.command("audit", "report", "--digest", digest, "--file", report).status == .exited(0))
        #expect(try String(contentsOfFile: report, encoding: .utf8).contains("promotion.succeeded"))
        try await service.terminate()

        // The service is gone.
        let file = try #require(try FileManager.default.contentsOfDirectory(atPath: proofs).sorted().first)
        let proof = proofs + "/" + file
        #expect(try await lift.command("audit", "verify", "--proof", proof, "--key", key).status == .exited(0))
        #expect(try await lift.command("audit", "verify", "--export", export, "--key", key, "--checkpoint", old).status == .exited(0))
        for arguments in [["--proof", proof], ["--checkpoint", old, export]] {
            let keyText = try String(contentsOfFile: key, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
            let python = try await Tool.run("python3", ["-B", Self.python, "--key", keyText] + arguments)
            #expect(python.status == .exited(0) || python.status == .exited(3), "\(python.output)\(python.errors)")
        }
        try await changesAreFound(lift, export: export, proof: proof, key: key, old: old)
    }

    private func changesAreFound(_ lift: Lift, export: String, proof: String, key: String, old: String) async throws {
        var lines = try String(contentsOfFile: export, encoding: .utf8).components(separatedBy: "\n")
        let first = try #require(lines.firstIndex { $0.hasPrefix("{\"index\":3,") })
        for (change, word) in [
            ({ $0[first] = $0[first].replacing("success", with: "denied") }, "entry 3"), ({ $0.remove(at: first) }, "entry 3 is missing"),
            ({ $0.swapAt(first, first + 1) }, "entry 3 stands in another place"), ({ $0.insert($0[first], at: first) }, "more than one entry 3"),
            ({ $0.removeSubrange(first...) }, "cut off"),
        ] as [((inout [String]) -> Void, String)] {
            var changed = lines
            change(&changed)
            let file = try lift.folder.write(changed.joined(separator: "\n"), to: "changed.ndjson")
            let result = try await lift.command("audit", "verify", "--export", file, "--key", key)
            #expect(result.status == .exited(4) && result.output.contains(word), "\(word): \(result.output)\(result.errors)")
        }
        // Another key, and no key at all.
        lines = []
        let other = "shiplift+b8a1b5e1+AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        #expect(try await lift.command("audit", "verify", "--proof", proof, "--key", other).status != .exited(0))
        #expect(try await lift.command("audit", "verify", "--proof", proof).status != .exited(0))
    }

    /// A file, a registry, a web-hook and a witness get the checkpoints; one that fails holds up nothing and is shown.
    @Test func checkpointsGoOutside() async throws {
        let port = try FreePort.take()
        let folder = try TemporaryFolder()
        let secret = try folder.write("a-secret-of-at-least-24-bytes", to: "secret")
        let seed = Data((0..<32).map { UInt8($0) }).base64EncodedString()
        let signingKey = try folder.write(seed, to: "key")
        // The public key of that seed, under the name shiplift.
        let logKey = try await Tool.check(
            "python3",
            [
                "-c",
                """
                import base64, hashlib
                from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
                from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
                data = b"\\x01" + Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
                print("shiplift+" + hashlib.sha256(b"shiplift\\n" + data).digest()[:4].hex() + "+" + base64.b64encode(data).decode())
                """,
            ]
        ).trimmingCharacters(in: .whitespacesAndNewlines)
        let outside = try ChildProcess(
            "python3", ["-B", Lift.repositoryFolder + "/Tests/EndToEndTests/checkpoint_receivers.py", String(port), logKey, "a-secret-of-at-least-24-bytes"],
            environment: ["PATH": "/usr/bin:/bin:/usr/local/bin"], logs: folder, name: "receivers")
        defer { outside.signal(SIGTERM) }
        var witness = ""
        try await patiently {
            witness = try String(contentsOf: outside.standardOutput, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
            return witness.hasPrefix("witness.example/w1+")
        }
        let file = folder.path("checkpoints.ndjson")
        let settings = [
            "SHIPLIFT_CHECKPOINT_KEY": signingKey, "SHIPLIFT_CHECKPOINT_FILE": file, "SHIPLIFT_CHECKPOINT_SECONDS": "1",
            "SHIPLIFT_CHECKPOINT_REGISTRY": "staging/audit/checkpoints",
            "SHIPLIFT_CHECKPOINT_WEBHOOK": "http://127.0.0.1:\(port)/hook", "SHIPLIFT_CHECKPOINT_WEBHOOK_SECRET_FILE": secret,
            "SHIPLIFT_CHECKPOINT_WITNESS": "http://127.0.0.1:\(port)/witness", "SHIPLIFT_CHECKPOINT_WITNESS_KEY": witness,
        ]
        let (lift, service, _) = try await promoted(settings)
        func sinks() async throws -> [AuditSinksResource.Sink] {
            try APIJSON.decoder().decode(AuditSinksResource.self, from: Data(try await lift.get("/v1/audit/sinks").utf8)).items
        }
        func size(_ note: String) -> Int64? { note.split(separator: "\n").dropFirst().first.flatMap { Int64($0) } }
        let reached = try #require(size(try await lift.get("/v1/audit/checkpoint")))
        try await patiently { try await sinks().filter { $0.size >= reached }.count == 4 }
        #expect(try String(contentsOfFile: file, encoding: .utf8).hasPrefix("{\"checkpoint\":\"shiplift"))
        #expect(try await lift.staging.digest(of: "latest", in: "audit/checkpoints") != nil)
        #expect(try await lift.get("/v1/audit/checkpoint?witnessed=true").contains("\u{2014} witness.example/w1 "))
        let key = lift.folder.path("key.pub")
        try Data(logKey.utf8).write(to: URL(fileURLWithPath: key))
        #expect(try await lift.command("audit", "verify", "--checkpoint", file, "--key", key).status == .exited(0))
        // A receiver that fails: acts go on, the failure is shown, and it is made good.
        _ = try await Tool.check("curl", ["-sf", "-X", "POST", "http://127.0.0.1:\(port)/break"])
        #expect(try await lift.promote("shop/api:1.0.0", from: "test", to: "staging").state == "succeeded")
        try await patiently { try await sinks().contains { $0.name.hasPrefix("webhook ") && $0.failures > 0 && $0.lastError?.contains("500") == true } }
        _ = try await Tool.check("curl", ["-sf", "-X", "POST", "http://127.0.0.1:\(port)/mend"])
        let later = try #require(size(try await lift.get("/v1/audit/checkpoint")))
        #expect(later > reached)
        try await patiently { try await sinks().filter { $0.size >= later && $0.failures == 0 }.count == 4 }
        try await service.terminate()
    }

    /// A database that was restored from an older copy is not gone on with.
    @Test func anOlderDatabaseIsRefused() async throws {
        let folder = try TemporaryFolder()
        let file = folder.path("checkpoints.ndjson")
        let settings = ["SHIPLIFT_CHECKPOINT_FILE": file, "SHIPLIFT_CHECKPOINT_SECONDS": "1"]
        let (lift, service, _) = try await promoted(settings)
        try await patiently { FileManager.default.fileExists(atPath: file) }
        try await service.terminate()
        // Stopped and started again, it goes on.
        try await lift.start().terminate()
        // An empty database with the same data folder stands for an old copy.
        let restored = try await Lift.make()
        for name in ["checkpoint-key", "checkpoint-key.pub"] {
            try FileManager.default.createDirectory(atPath: restored.folder.path("data"), withIntermediateDirectories: true)
            try FileManager.default.copyItem(atPath: lift.folder.path("data/" + name), toPath: restored.folder.path("data/" + name))
        }
        let refused = try await ShipliftProcess.run(
            ["serve"],
            environment: settings.merging([
                "DATABASE_URL": restored.databaseURL, "SHIPLIFT_DATA": restored.folder.path("data"), "SHIPLIFT_POLICIES": restored.folder.path("policies"),
                "SHIPLIFT_MIGRATIONS": Lift.repositoryFolder + "/Migrations", "SHIPLIFT_LISTEN": "127.0.0.1:\(restored.port)",
            ]) { $1 }, within: .seconds(60))
        #expect(refused.status != .exited(0) && refused.errors.contains("the database is older than what was published"), "\(refused.errors)")
    }
}

extension Lift {
    /// A GET as the first admin, as text.
    func get(_ path: String) async throws -> String {
        let token = try String(contentsOfFile: folder.path("data/admin-token"), encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
        return try await Tool.check("curl", ["-sf", "-H", "Authorization: Bearer \(token)", "http://127.0.0.1:\(port)\(path)"])
    }
}

private func patiently(_ condition: () async throws -> Bool) async throws {
    try await eventually("a checkpoint to be signed or published", within: .seconds(60), every: .milliseconds(300), condition)
}
