import APIModel
import Foundation
import TestSupport
import Testing
import Yams

/// What people and pipelines see of the command: completion in real shells, and that it can do all that the service can.
@Suite(.inTurn) struct CompletionTests {
    /// Loads the script into a real bash and asks it for completions of a line.
    private func complete(_ words: [String]) async throws -> Set<String> {
        let folder = try TemporaryFolder()
        let script = try await ShipliftProcess.run(["completion", "bash"])
        #expect(script.status == .exited(0))
        try folder.write(script.output, to: "shiplift.bash")
        let typed = words.map { "'\($0)'" }.joined(separator: " ")
        let asked = """
            source \(folder.path("shiplift.bash"))
            COMP_WORDS=(shiplift \(typed)); COMP_CWORD=\(words.count); COMP_LINE="shiplift \(words.joined(separator: " "))"; COMP_POINT=${#COMP_LINE}
            function_name=$(complete -p shiplift | sed 's/.*-F \\([^ ]*\\).*/\\1/')
            "$function_name" shiplift "\(words.last ?? "")" "\(words.dropLast().last ?? "shiplift")"
            printf '%s\\n' "${COMPREPLY[@]}"
            """
        return Set(try await Tool.check("bash", ["-c", asked]).split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) })
    }

    @Test func bashCompletesCommandsOptionsAndValues() async throws {
        #expect(try await complete(["prom"]) == ["promote", "promotions"])
        #expect(try await complete(["promote", "--idem"]).contains("--idempotency-key"))
        #expect(try await complete(["audit", "ver"]) == ["verify"])
        #expect(try await complete(["promotions", "-o", ""]).isSuperset(of: ["text", "json"]))
    }

    @Test(arguments: ["bash", "zsh", "fish"]) func theScriptsAreSound(_ shell: String) async throws {
        let script = try await ShipliftProcess.run(["completion", shell])
        #expect(script.status == .exited(0) && script.output.contains("promote"))
        let folder = try TemporaryFolder()
        let file = try folder.write(script.output, to: "script")
        // Shells that are not here can't read it.
        guard FileManager.default.isExecutableFile(atPath: "/usr/bin/\(shell)") || shell == "bash" else { return }
        #expect(try await Tool.run(shell, ["-n", file]).status == .exited(0))
    }

    @Test func anUnknownShellIsWrongUsage() async throws { #expect(try await ShipliftProcess.run(["completion", "csh"]).status == .exited(2)) }

    /// By operation of openapi.yaml: the command that does it.
    private static let commands = [
        "requestPromotion": "promote", "requestPromotions": "promote", "listPromotions": "promotions", "getPromotion": "status", "cancelPromotion": "cancel",
        "retryPromotion": "retry", "approvePromotion": "approve", "rejectPromotion": "reject", "overridePromotion": "override", "listVerdicts": "verdicts",
        "postEvidence": "evidence post", "listEvidence": "evidence list", "postScan": "scan post", "listEligibility": "next", "listDecisions": "policy replay",
        "listImages": "images", "listTags": "tags", "getArtifact": "where", "listEnvironments": "environments", "listRegistries": "registry list",
        "probeRegistry": "registry probe", "getPolicies": "policy status", "refreshPolicies": "policy refresh", "listAudit": "audit list", "getKeys": "keys",
        "getCheckpoint": "audit checkpoint", "verifyAudit": "audit verify", "exportAudit": "audit export", "createToken": "token create", "listTokens": "token list",
        "revokeToken": "token revoke", "rotateToken": "token rotate", "whoami": "whoami", "followPromotion": "watch", "reviewPromotion": "review", "reviewCandidate": "review",
        "compareEnvironments": "diff", "getEnvironmentState": "list", "listMoves": "history", "listDrift": "drift", "requestRollback": "rollback",
        "proveAuditEntry": "audit prove", "proveAuditConsistency": "audit verify", "listAuditSinks": "audit sinks",
        "requestScan": "scan environment", "getScan": "scan environment", "listScans": "scan environment",
    ]
    /// For machines and browsers alone; 'shiplift login' uses the first of these.
    private static let withoutCommand: Set = [
        "getContract", "readContract", "getHealth", "getReadiness", "promoteAsArtifactory", "promoteAsProGet", "metrics", "listLoginMethods", "beginLogin", "finishLogin", "logout",
    ]

    @Test func everyOperationHasACommand() async throws {
        let text = try String(contentsOfFile: Lift.repositoryFolder + "/openapi.yaml", encoding: .utf8)
        let document = try #require(try Yams.load(yaml: text) as? [String: Any])
        let paths = try #require(document["paths"] as? [String: [String: Any]])
        let operations = paths.values.flatMap { $0.values.compactMap { ($0 as? [String: Any])?["operationId"] as? String } }
        for operation in operations where !Self.withoutCommand.contains(operation) {
            guard let command = Self.commands[operation] else {
                Issue.record("\(operation) has no command: name it in `commands`, or say in `withoutCommand` that it is for machines alone")
                continue
            }
            let help = try await ShipliftProcess.run(command.split(separator: " ").map(String.init) + ["--help"])
            #expect(help.status == .exited(0) && help.output.contains("USAGE: shiplift \(command)"), "\(operation): \(help.output)\(help.errors)")
        }
    }
}
