import Foundation
import OCI
import Testing

@testable import Comparison

@Suite struct PackageURLTests {
    @Test(
        arguments: [
            ("pkg:deb/debian/openssl@3.0.11-1~deb12u2?arch=amd64&distro=debian-12", "deb", "debian/openssl", "3.0.11-1~deb12u2"),
            ("pkg:npm/%40angular/core@17.0.0#src", "npm", "@angular/core", "17.0.0"), ("pkg:npm/@angular/core@17.0.0", "npm", "@angular/core", "17.0.0"),
            ("pkg:GOLANG/github.com/Masterminds/semver/v3@v3.2.1", "golang", "github.com/Masterminds/semver/v3", "v3.2.1"),
            ("pkg:deb/debian/zlib1g@1%3A1.2.13", "deb", "debian/zlib1g", "1:1.2.13"), ("pkg:pypi/Django", "pypi", "django", nil),
            ("pkg:npm/@angular/core", "npm", "@angular/core", nil),
        ] as [(String, String, String, String?)])
    func isTakenApart(_ text: String, _ type: String, _ name: String, _ version: String?) throws {
        let url = try #require(PackageURL(parsing: text))
        #expect(url.type == type && url.name == name && url.version == version, "\(url)")
    }

    @Test(arguments: ["", "pkg:", "pkg:deb", "pkg:/x@1", "pkg:deb/", "pkg:d eb/x", "openssl@1", "pkg:deb/" + String(repeating: "a", count: 3_000)])
    func whatIsNoneIsRefused(_ text: String) { #expect(PackageURL(parsing: text) == nil) }
}

@Suite struct BillOfMaterialsTests {
    static let subject = Digest(hashing: Data("image".utf8))

    static func read(_ text: String) throws -> BillOfMaterials {
        try BillOfMaterials(parsing: Data(text.utf8), about: subject, origin: .attached)
    }

    @Test func spdxIsRead() throws {
        let bom = try Self.read(
            """
            {"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","packages":[
              {"name":"shop/api","SPDXID":"a","primaryPackagePurpose":"CONTAINER","versionInfo":"sha256:1"},
              {"name":"shop","externalRefs":[{"referenceCategory":"PACKAGE-MANAGER","referenceType":"purl","referenceLocator":"pkg:oci/shop@sha256%3A1"}]},
              {"name":"libssl3","versionInfo":"3.0.11","externalRefs":[
                {"referenceCategory":"SECURITY","referenceType":"cpe23Type","referenceLocator":"cpe:2.3:a:x"},
                {"referenceCategory":"PACKAGE-MANAGER","referenceType":"purl","referenceLocator":"pkg:deb/debian/libssl3@3.0.11?arch=amd64"}]},
              {"name":"tool","versionInfo":"NOASSERTION"}]}
            """)
        #expect(bom.format == .spdx)
        #expect(bom.packages == [Package(type: "deb", name: "debian/libssl3", version: "3.0.11"), Package(type: "", name: "tool", version: nil)])
    }

    @Test func cyclonedxIsReadWithWhatIsInside() throws {
        let bom = try Self.read(
            """
            {"bomFormat":"CycloneDX","specVersion":"1.5","components":[
              {"type":"operating-system","name":"debian","version":"12"},{"type":"file","name":"/etc/passwd"},
              {"type":"library","group":"org.acme","name":"core","version":"1","components":[{"type":"library","name":"in","purl":"pkg:npm/in@2"}]}]}
            """)
        #expect(bom.format == .cyclonedx)
        #expect(
            bom.packages == [
                Package(type: "operating-system", name: "debian", version: "12"), Package(type: "", name: "org.acme/core", version: "1"),
                Package(type: "npm", name: "in", version: "2"),
            ])
    }

    /// BuildKit hangs unsigned in-toto statements into the index.
    @Test func aStatementAroundADocumentIsOpened() throws {
        let bom = try Self.read(
            #"{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://spdx.dev/Document","predicate":{"spdxVersion":"SPDX-2.3","packages":[{"name":"a"}]}}"#)
        #expect(bom.packages.map(\.name) == ["a"])
    }

    @Test(arguments: [
        "", "[]", "{}", #"{"spdxVersion":"SPDX-3.0","packages":[]}"#, #"{"spdxVersion":"SPDX-2.3","bomFormat":"CycloneDX"}"#, #"{"bomFormat":"other"}"#,
        #"{"spdxVersion":"SPDX-2.3","packages":{"a":1}}"#, #"{"spdxVersion":2}"#,
    ])
    func whatIsNoneIsRefused(_ text: String) { #expect(throws: BillOfMaterialsError.self) { try Self.read(text) } }

    @Test func sizeAndDepthAreBounded() {
        let many = (0...BillOfMaterials.maximumPackages).map { #"{"name":"p\#($0)"}"# }.joined(separator: ",")
        #expect(throws: BillOfMaterialsError.tooManyPackages(limit: BillOfMaterials.maximumPackages)) {
            try Self.read(#"{"spdxVersion":"SPDX-2.3","packages":[\#(many)]}"#)
        }
        let deep = String(repeating: #"{"type":"library","name":"a","components":["#, count: 5_000)
        #expect(throws: BillOfMaterialsError.malformed) { try Self.read(#"{"bomFormat":"CycloneDX","components":[\#(deep)"#) }
        #expect(throws: BillOfMaterialsError.tooLarge(limit: BillOfMaterials.maximumBytes)) {
            try BillOfMaterials(parsing: Data(count: BillOfMaterials.maximumBytes + 1), about: Self.subject, origin: .attached)
        }
    }

    @Test func namesCanNotDressUp() throws {
        let bom = try Self.read("{\"spdxVersion\":\"SPDX-2.3\",\"packages\":[{\"name\":\"a\\nb\\u202ec\"}]}")
        #expect(bom.packages.first?.name == "a\u{FFFD}b\u{FFFD}c")
    }
}

@Suite struct SecretMaskTests {
    @Test(arguments: [
        ("DB_PASSWORD", "hunter2"), ("dbPass", "x"), ("API_KEY", "abc"), ("GITHUB_TOKEN", "abc"), ("NPM_AUTH", "a"), ("SENTRY_DSN", "a"),
        ("DATABASE_URL", "postgres://shop:hunter2@db/shop"), ("OTHER", "ghp_0123456789abcdefghij"), ("X", "AKIAIOSFODNN7EXAMPLE"),
        ("JAVA_OPTS", "-Ddb.password=hunter2"), ("BLOB", "b3J4Y2wxMjM0NTY3ODkwYWJjZGVmZ2g1Njc4"), ("CERT", "-----BEGIN PRIVATE KEY-----\nabc"),
        ("HTTP_HEADER", "Bearer eyJhbGciOiJIUzI1NiJ9.e30.abc"), ("SETTINGS", #"{"token":"x","password":"y"}"#),
    ])
    func secretsAreHidden(_ name: String, _ value: String) { #expect(SecretMask.shown(value, named: name) == SecretMask.mask, "\(name)") }

    @Test(arguments: [
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"), ("LANG", "C.UTF-8"), ("NODE_VERSION", "20.11.1"), ("MONKEY", "banana"),
        ("PYTHON_SHA256", "d8f1a4d3b6d0c0f3e2a19a3b5c7e9d1f2b4a6c8e0d2f4a6b8c0e2d4f6a8b0c2e"), ("org.opencontainers.image.revision", "4f5e9b1c2d3a4f5e9b1c2d3a4f5e9b1c2d3a4f5e"),
        ("URL", "https://example.test/a?b=c"), ("JAVA_HOME", "/usr/lib/jvm/java-17-openjdk-amd64"), ("org.opencontainers.image.authors", "Ada <ada@example.test>"),
    ])
    func restIsShown(_ name: String, _ value: String) { #expect(SecretMask.shown(value, named: name) == value, "\(name)") }

    @Test func argumentsAreLookedAtByTheirNames() {
        #expect(
            SecretMask.arguments(["serve", "--db-password", "hunter2", "--token=abc", "--port=80", "--verbose"])
                == ["serve", "--db-password", "•••", "--token=•••", "--port=80", "--verbose"])
        #expect(SecretMask.arguments(["sh", "-c", "PASSWORD=x exec run"]) == ["sh", "-c", "PASSWORD=•••"])
        #expect(SecretMask.arguments(["export TOKEN=x; run"]) == ["•••"])
    }
}
