import APIModel
import Foundation
import OCI
import TestSupport
import Testing

/// Shiplift signs for what it promoted, and anybody can check that with the public key and the registry alone.
@Suite(.inTurn) struct AttestationTests {
    /// Whether Shiplift signs for promotions into staging.
    private func attest(_ wished: Bool, in lift: Lift) throws {
        let file = lift.folder.path("policies/environments.yaml")
        let text = try String(contentsOfFile: file, encoding: .utf8).replacing("    attest: true\n", with: "")
        let line = "  - name: staging\n"
        try lift.folder.write(wished ? text.replacing(line, with: line + "    attest: true\n") : text, to: "policies/environments.yaml")
    }

    private func verify(_ lift: Lift, _ image: ImageFixture, key: String, to environment: String = "staging") async throws -> ToolResult {
        let host = lift.toStaging.url.replacing("http://", with: "")
        return try await lift.command(
            "verify", "\(host)/staging/shop/api@\(image.digest)", "--key", key, "--to", environment, "--plain-http")
    }

    @Test func whatWasPromotedIsSignedForAndVerifiesWithTheKeyAlone() async throws {
        let lift = try await Lift.make()
        try attest(true, in: lift)
        let image = try ImageFixture.index(labels: Lift.labels)
        try await lift.shared.push(image, to: "dev/shop/api", tag: "1.0.0")
        let service = try await lift.start()
        let promotion = try await lift.promote("shop/api:1.0.0", from: "dev", to: "staging")
        #expect(promotion.state == "succeeded")
        try await eventually("the promotion is signed for", within: .seconds(30)) { try await lift.acts(of: promotion.id).contains("promotion.attested") }
        let mode = try FileManager.default.attributesOfItem(atPath: lift.folder.path("data/signing-key.pem"))[.posixPermissions] as? Int
        #expect(mode == 0o600)
        let printed = try await lift.command("keys")
        #expect(printed.output == (try String(contentsOfFile: lift.folder.path("data/signing-key.pem.pub"), encoding: .utf8)))
        let key = try lift.folder.write(printed.output, to: "shiplift.pub")
        let acts = try await lift.acts(of: promotion.id)
        #expect(acts.filter { $0 == "promotion.attested" }.count == 1)

        // From here on there is no service.
        try await service.terminate()
        let verified = try await verify(lift, image, key: key)
        #expect(verified.status == .exited(0) && verified.output.contains("SHIPLIFT_PROMOTED_TO_STAGING"), "\(verified.output) \(verified.errors)")
        let elsewhere = try await verify(lift, image, key: key, to: "production")
        #expect(elsewhere.status == .exited(3) && elsewhere.errors.contains("it says SHIPLIFT_PROMOTED_TO_STAGING"), "\(elsewhere.errors)")
        let stranger = try lift.folder.write(SigningHand().publicKey, to: "stranger.pub")
        let other = try await verify(lift, image, key: stranger)
        #expect(other.status == .exited(3) && other.errors.contains("it is signed by no key that is trusted"), "\(other.errors)")
        let unknown = try await verify(lift, try ImageFixture.index(labels: Lift.labels, seed: 9), key: key)
        #expect(unknown.status == .exited(4), "\(unknown.status) \(unknown.errors)")
        let list = try #require(try await lift.staging.manifest("sha256-\(image.digest.hex)", in: "staging/shop/api"))
        #expect(String(decoding: list.bytes, as: UTF8.self).components(separatedBy: "dev.sigstore.bundle.v0.3").count - 1 >= 2)
    }

    @Test func aPromotionThatNobodySignedForIsCaughtUpWith() async throws {
        let lift = try await Lift.make()
        let image = try ImageFixture.index(labels: Lift.labels)
        try await lift.shared.push(image, to: "dev/shop/api", tag: "1.0.0")
        var service = try await lift.start()
        let promotion = try await lift.promote("shop/api:1.0.0", from: "dev", to: "staging")
        lift.toStaging.forgetRequests()
        try await Task.sleep(for: .seconds(3))
        #expect(lift.toStaging.requests().isEmpty, "where no environment wishes it, it costs no request")
        #expect(try await !lift.acts(of: promotion.id).contains("promotion.attested"))
        let key = lift.folder.path("data/signing-key.pem.pub")
        #expect(try await verify(lift, image, key: key).status == .exited(3))

        // The process dies, and the next one finds what is to be done.
        try await service.kill9()
        try attest(true, in: lift)
        service = try await lift.start()
        try await eventually("the promotion is signed for", within: .seconds(30)) { try await lift.acts(of: promotion.id).contains("promotion.attested") }
        #expect(try await verify(lift, image, key: key).status == .exited(0))
        #expect(try await lift.promote("shop/api:1.0.0", from: "dev", to: "staging").state == "succeeded")
        #expect(try await lift.auditIsIntact())
        try await service.terminate()
    }
}
