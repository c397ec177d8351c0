import Foundation
import OCI
import Testing

@Suite struct DigestTests {
    private let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

    @Test func hashesAndParsesBack() throws {
        let digest = Digest(hashing: Data())
        #expect(digest.description == empty)
        #expect(try Digest(parsing: empty) == digest)
        #expect(Digest(algorithm: .sha256, bytes: digest.bytes) == digest)
        #expect(Digest(hashing: Data("a".utf8), with: .sha512).hex.count == 128)
    }

    @Test(arguments: [
        "", "sha256", "sha256:", "sha256:abc", "md5:d41d8cd98f00b204e9800998ecf8427e", "SHA256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855", "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85g",
        "sha512:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8555",
        "sha256:é3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85", ":", "sha256:../../../../../../../../../../../../etc/passwd000000000000000000000",
    ])
    func refusesWhatIsNoDigest(_ text: String) { #expect(throws: DigestError.self) { try Digest(parsing: text) } }
}

@Suite struct NameTests {
    @Test(arguments: ["a", "shop/api", "a.b_c__d-e---f", "0/1/2", "library/node"])
    func takesRepositories(_ text: String) throws { #expect(try RepositoryName(parsing: text).description == text) }

    @Test(arguments: [
        "", "/", "a/", "/a", "a//b", "A", "a..b", "a___b", "-a", "a-", "a._b", "a b", "a/../b", "ä", "a\u{0}", "a:b", "a@b", String(repeating: "a", count: 256),
    ])
    func refusesOtherRepositories(_ text: String) { #expect(throws: NameError.self) { try RepositoryName(parsing: text) } }

    @Test func tags() throws {
        for text in ["1.4.2", "latest", "_x", "V-1", String(repeating: "a", count: 128)] { #expect(try Tag(parsing: text).description == text) }
        for text in ["", ".a", "-a", "a/b", "a:b", "ä", String(repeating: "a", count: 129), "a\n"] {
            #expect(throws: NameError.self) { try Tag(parsing: text) }
        }
    }

    @Test func commonComponentsRankMountSources() throws {
        let target = try RepositoryName(parsing: "prod/shop/api")
        #expect(target.commonComponents(with: try RepositoryName(parsing: "prod/shop/web")) == 2)
        #expect(target.commonComponents(with: try RepositoryName(parsing: "stage/shop/api")) == 0)
    }
}
