import Foundation
import OCI
import TestSupport
import Testing

@testable import Transfer

/// Which artifacts are meant.
struct SelectionTests {
    @Test(arguments: [
        ("application/spdx+json", "application/spdx+json", true), ("application/SPDX+json", "application/spdx+json", false),
        ("application/spdx+json", "application/spdx+json2", false), ("application/spdx", "application/spdx+json", false),
        ("*", "anything", true), ("*", "", true), ("*spdx*", "application/spdx+json", true), ("*spdx", "application/spdx+json", false),
        ("application/*+json", "application/vnd.in-toto+json", true), ("application/*+json", "application/vnd.in-toto+xml", false),
        ("a*b*c", "aXbXbXc", true), ("a*b*c", "aXcXb", false), ("a**c", "ac", true), ("*a*a*a*", "aa", false), ("text/*", "application/text/plain", false),
    ])
    func aPatternMatchesAType(pattern: String, type: String, matches: Bool) throws {
        #expect(try #require(ArtifactTypePattern(pattern)).matches(type) == matches)
    }

    @Test func aLongPatternIsMatchedInNoTime() throws {
        let pattern = try #require(ArtifactTypePattern(String(repeating: "*a", count: 100) + "b"))
        let began = ContinuousClock.now
        #expect(!pattern.matches(String(repeating: "a", count: 5_000)))
        #expect(began.duration(to: .now) < .seconds(5))
    }

    @Test(arguments: ["", "a b", "a\n", "ä", String(repeating: "a", count: 256)]) func whatNoMediaTypeHoldsIsNoPattern(text: String) {
        #expect(ArtifactTypePattern(text) == nil)
    }

    @Test func onlyALiteralTypeIsAskedForByName() throws {
        let literal = try #require(ArtifactTypePattern("application/Spdx+json"))
        let many = try #require(ArtifactTypePattern("application/*"))
        #expect(ReferrerSelection.types([literal]).onlyType == "application/Spdx+json")
        #expect(ReferrerSelection.types([many]).onlyType == nil)
        #expect(ReferrerSelection.types([literal, literal]).onlyType == nil)
        #expect(ReferrerSelection.all.onlyType == nil)
    }

    @Test func cosignsAttachmentsAreKnownByTheirLayers() throws {
        let signature = SampleImage.cosignSignature(of: Digest(hashing: Data()), by: ["ci"])
        let manifest = try Manifest(bytes: signature.document.bytes, servedAs: nil, expected: nil)
        let pattern = try #require(ArtifactTypePattern("application/vnd.dev.cosign.simplesigning.v1+json"))
        let other = try #require(ArtifactTypePattern("application/spdx+json"))
        let link = ReferrerLink.cosign(try #require(CosignTag(.signatures, of: Digest(hashing: Data()))))
        #expect(ReferrerSelection.types([other, pattern]).takes(manifest, by: link))
        #expect(!ReferrerSelection.types([other]).takes(manifest, by: link))
        // A registry that filters looks at the type alone, so we do the same.
        #expect(!ReferrerSelection.types([pattern]).takes(manifest, by: .subject))
        #expect(!ReferrerSelection.types([]).takes(manifest, by: link))
        #expect(ReferrerSelection.all.takes(manifest, by: link))
        #expect(!ReferrerSelection.none.takes(manifest, by: link))
    }

    @Test func cosignsTagsAreNamedAfterTheDigest() {
        let digest = Digest(hashing: Data("x".utf8))
        #expect(CosignTag.all(of: digest).map(\.tag.description) == ["sig", "att", "sbom"].map { "sha256-\(digest.hex).\($0)" })
        #expect(CosignTag.all(of: Digest(hashing: Data("x".utf8), with: .sha512)).isEmpty, "139 characters are no tag")
    }
}
