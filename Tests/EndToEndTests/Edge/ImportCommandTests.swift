import APIModel
import Foundation
import TestSupport
import Testing

/// The commands around pipelines, run as a user does.
@Suite(.inTurn) struct ImportCommandTests {
    private static let fixtures = Lift.repositoryFolder + "/Tests/PolicyImportTests/Fixtures"

    @Test(arguments: [
        ["kpromo", "kpromo/input/promoter-manifest.yaml", "kpromo/input/images.yaml"], ["regsync", "regsync/input/regsync.yml"],
        ["skopeo-sync", "skopeo-sync/input/sync.yml", "--target", "mirror.example.com/ext"],
        ["harbor", "harbor/input/policies.json", "--local", "https://harbor.example.com"],
    ])
    func whatIsWrittenPassesTheCheck(_ arguments: [String]) async throws {
        let folder = try TemporaryFolder()
        let named = arguments.map { $0.contains("/input/") ? "\(Self.fixtures)/\($0)" : $0 }
        let result = try await ShipliftProcess.run(["import"] + named + ["--output", folder.path("policies")])
        #expect(result.status == .exited(0), "\(result.errors)")
        #expect(result.errors.contains(":"), "remarks name file and line")
        #expect(!(result.output + result.errors).contains("swordfish"))
        let checked = try await ShipliftProcess.run(["policy", "check", folder.path("policies")])
        #expect(checked.status == .exited(0) && checked.output.contains("no mistakes"), "\(checked.errors)")
        if FileManager.default.fileExists(atPath: folder.path("policies/promotions.sh")) {
            #expect(try await Tool.run("sh", ["-n", folder.path("policies/promotions.sh")]).status == .exited(0))
        }
        let again = try await ShipliftProcess.run(["import"] + named + ["--output", folder.path("policies")])
        #expect(again.status == .exited(2) && again.errors.contains("not empty"), "nothing is overwritten")
        #expect(try await ShipliftProcess.run(["import"] + named + ["--output", folder.path("other"), "--strict"]).status == .exited(2))
    }

    /// What others wrote, in a reason or a failure, means nothing to the page that shows the summary.
    @Test func hostileWordsStayWordsInASummary() async throws {
        let hostile = "no | `x`\n# big [a](javascript:b) <script>alert(1)</script> **c** @all"
        let gate = GateResource(gate: "labels|x", policy: "p", outcome: "deny", reason: hostile, source: "", warning: false)
        let decision = DecisionResource(outcome: "deny", summary: hostile, gates: [gate], targetTags: [], policyVersion: "sha256:0|`", retryAt: nil)
        let promotion = PromotionResource(
            id: "0192f0c1-2345-7abc-8def-0123456789ab", state: "denied", version: 1, image: "shop/api", from: "dev", to: "test", digest: "sha256:0", tag: "1",
            targetTags: [], reason: nil, requestedBy: "token:1", createdAt: Date(), updatedAt: Date(), finishedAt: Date(), policyVersion: nil, decision: decision,
            report: nil, tagMoves: [], failure: nil, attempts: 0, progress: nil)
        let answer = Array(try APIJSON.encoder().encode(promotion))
        let peer = try ScriptedPeer { _ in .answer(PeerResponse(200, ["content-type": "application/json"], body: answer)) }
        defer { peer.stop() }
        let folder = try TemporaryFolder()
        let result = try await ShipliftProcess.run(
            ["promote", "shop/api:1", "--from", "dev", "--to", "test", "-o", "json"],
            environment: ["SHIPLIFT_URL": "http://\(peer.host)/base/", "SHIPLIFT_TOKEN": "shp_x", "GITHUB_STEP_SUMMARY": folder.path("summary.md")])
        #expect(result.status == .exited(3))
        #expect(peer.lines == ["POST /base/v1/promotions"])
        let read = try APIJSON.decoder().decode(PromotionResource.self, from: Data(result.output.utf8))
        #expect(read.id == promotion.id, "standard output holds JSON alone")
        #expect(result.errors.contains("http://\(peer.host)/base/v1/promotions/\(promotion.id)"), "the link is in the job's log")

        let summary = try String(contentsOfFile: folder.path("summary.md"), encoding: .utf8)
        #expect(!summary.contains("<script") && !summary.contains("[a](") && !summary.contains(" @all") && !summary.contains(" **c"), "\(summary)")
        let lines = summary.split(separator: "\n")
        #expect(lines.filter { $0.hasPrefix("#") }.count == 1, "one heading")
        for line in lines where line.hasPrefix("|") {
            let borders = line.replacing("\\|", with: "").filter { $0 == "|" }.count
            #expect(borders == 3 || borders == 4, "\(line)")
        }
    }
}
