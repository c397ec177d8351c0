import HTTPTransport
import Testing

@Suite struct HTTPURLTests {
    @Test(arguments: [
        ("http://example.org", "http://example.org/"),
        ("HTTPS://Example.ORG:443/v2/?a=b%2Fc&d", "https://example.org/v2/?a=b%2Fc&d"),
        ("http://example.org:5000/a//b/../c?", "http://example.org:5000/a//b/../c?"),
        ("http://[::1]:5000/x", "http://[::1]:5000/x"),
        ("https://example.org/a#fragment", "https://example.org/a"),
        ("https://example.org?_state=A%3D%3D", "https://example.org/?_state=A%3D%3D"),
    ]) func keepsPathAndQuery(text: String, expected: String) throws {
        #expect(try HTTPURL(parsing: text).description == expected)
    }

    @Test(arguments: [
        ("file:///etc/passwd", HTTPURLError.unsupportedScheme("file")),
        ("file://host/etc/passwd", .unsupportedScheme("file")),
        ("gopher://example.org/", .unsupportedScheme("gopher")), ("/v2/", .notAbsolute), ("", .notAbsolute),
        ("http:", .notAbsolute),
        ("http:///v2/", .invalidHost), ("http://user@example.org/", .userInformation),
        ("http://user:pw@example.org/", .userInformation), ("http://good.org@evil.org/", .userInformation),
        ("http://example.org/\r\nHost: evil", .forbiddenCharacter(13)),
        ("http://example.org/a b", .forbiddenCharacter(32)),
        ("http://example.org\\@evil.org/", .forbiddenCharacter(92)), ("http://exämple.org/", .forbiddenCharacter(195)),
        ("http://example.org/\0", .forbiddenCharacter(0)), ("http://example.org:0/", .invalidPort),
        ("http://example.org:65536/", .invalidPort), ("http://example.org:+80/", .invalidPort),
        ("http://example.org:/", .invalidPort),
        ("http://exa%6dple.org/", .invalidHost), ("http://[::1/", .invalidHost), ("http://[evil.org]/", .invalidHost),
        ("http://a..b/", .invalidHost),
        ("http://example.org/" + String(repeating: "a", count: 8192), .tooLong(limit: 8192)),
    ]) func refusesHostileURLs(text: String, expected: HTTPURLError) {
        #expect(throws: expected) { try HTTPURL(parsing: text) }
    }

    /// RFC 3986 §5.4, and what registries and their enemies send.
    @Test(arguments: [
        ("g", "http://a/b/c/g"), ("./g", "http://a/b/c/g"), ("g/", "http://a/b/c/g/"), ("/g", "http://a/g"),
        ("//g", "http://g/"),
        ("?y", "http://a/b/c/d;p?y"), ("g?y", "http://a/b/c/g?y"), ("g;x=1/../y", "http://a/b/c/y"),
        (";x", "http://a/b/c/;x"),
        ("", "http://a/b/c/d;p?q"), (".", "http://a/b/c/"), ("./", "http://a/b/c/"), ("..", "http://a/b/"),
        ("../g", "http://a/b/g"),
        ("../..", "http://a/"), ("../../g", "http://a/g"), ("../../../g", "http://a/g"), ("/./g", "http://a/g"),
        ("/../g", "http://a/g"),
        ("g.", "http://a/b/c/g."), ("..g", "http://a/b/c/..g"), ("g/./h", "http://a/b/c/g/h"),
        ("#s", "http://a/b/c/d;p?q"),
        ("https://evil/x", "https://evil/x"), ("//evil:81/x?y", "http://evil:81/x?y"),
        ("/v2/x/blobs/uploads/1?_state=a%3D/b?c", "http://a/v2/x/blobs/uploads/1?_state=a%3D/b?c"),
    ]) func resolvesReferences(reference: String, expected: String) throws {
        #expect(try HTTPURL(parsing: "http://a/b/c/d;p?q").resolving(reference).description == expected)
    }

    @Test(arguments: [
        ("file:///etc/passwd", HTTPURLError.unsupportedScheme("file")),
        ("javascript:alert(1)", .unsupportedScheme("javascript")),
        ("http:g", .notAbsolute), ("//user@evil/", .userInformation), ("/a\r\nb", .forbiddenCharacter(13)),
        ("///x", .invalidHost),
        ("\\\\evil\\x", .forbiddenCharacter(92)),
    ]) func refusesHostileReferences(reference: String, expected: HTTPURLError) throws {
        let base = try HTTPURL(parsing: "http://a/b")
        #expect(throws: expected) { try base.resolving(reference) }
    }

    @Test func appendsPathsAndQueryItems() throws {
        let base = try HTTPURL(parsing: "https://example.org/v2")
        #expect(try base.appending(path: "shop/api/blobs/").description == "https://example.org/v2/shop/api/blobs/")
        #expect(throws: HTTPURLError.invalidPath) { try base.appending(path: "a?b") }
        #expect(
            try base.appendingQueryItem("digest", "sha256:a b&c").description
                == "https://example.org/v2?digest=sha256%3Aa%20b%26c")
        let session = try HTTPURL(parsing: "https://example.org/u?_state=x%2F")
        #expect(
            try session.appendingQueryItem("digest", "d").description == "https://example.org/u?_state=x%2F&digest=d")
        #expect(session.redacted == "https://example.org/u")
    }

    @Test func originsCompareWithDefaultPorts() throws {
        #expect(try HTTPURL(parsing: "https://A.org/").origin == HTTPURL(parsing: "https://a.org:443/x").origin)
        #expect(try HTTPURL(parsing: "http://a.org/").origin != HTTPURL(parsing: "https://a.org/").origin)
    }
}
