import HTTPTypes
import Testing

@testable import API

/// Whom proxies' fields are believed from, and how much of them.
@Suite struct EdgeTests {
    private static func address(_ text: String) throws -> InternetAddress { try #require(InternetAddress(parsing: text)) }

    private static func client(
        _ fields: [(String, String)], peer: String = "10.0.0.1", kind: ProxyTrust.Fields = .xForwarded
    ) throws -> ClientInformation {
        let trust = ProxyTrust(try ["10.0.0.0/8", "fd00::/8"].map { try #require(AddressRange(parsing: $0)) }, fields: kind)
        var headers = HTTPFields()
        for (name, value) in fields { headers.append(HTTPField(name: try #require(HTTPField.Name(name)), value: value)) }
        return trust.client(peer: try address(peer), fields: headers)
    }

    @Test func rangesHoldWhatTheySay() throws {
        func holds(_ range: String, _ address: String) throws -> Bool { try #require(AddressRange(parsing: range)).contains(Self.address(address)) }
        #expect(try holds("10.0.0.0/8", "10.255.0.1") && !holds("10.0.0.0/8", "11.0.0.1"))
        #expect(try holds("192.0.2.128/25", "192.0.2.200") && !holds("192.0.2.128/25", "192.0.2.127"))
        #expect(try holds("192.0.2.1", "192.0.2.1") && !holds("192.0.2.1", "192.0.2.2"))
        #expect(try holds("10.0.0.0/8", "::ffff:10.1.2.3"), "a mapped address is the address")
        #expect(try holds("fd00::/8", "fdff::1") && !holds("fd00::/8", "fe80::1"))
        #expect(try holds("0.0.0.0/0", "8.8.8.8") && !holds("0.0.0.0/0", "2001:db8::1"))
        for bad in ["", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/-1", "10.0.0.0/", "host", "10.0.0/8", "fd00::/129", "10.0.0.0/8/8"] {
            #expect(AddressRange(parsing: bad) == nil, "\(bad)")
        }
    }

    @Test func theNearestUntrustedAddressIsTheClient() throws {
        #expect(try Self.client([("X-Forwarded-For", "198.51.100.9, 203.0.113.7, 10.0.0.2")]).address == Self.address("203.0.113.7"))
        #expect(try Self.client([("X-Forwarded-For", "203.0.113.7"), ("X-Forwarded-For", "fd00::2")]).address == Self.address("203.0.113.7"))
        #expect(try Self.client([("X-Forwarded-For", "10.0.0.3")]).address == Self.address("10.0.0.3"))
        #expect(try Self.client([("X-Forwarded-For", "203.0.113.7:4711")]).address == Self.address("203.0.113.7"))
        #expect(try Self.client([("X-Forwarded-For", "2001:db8::7")]).address == Self.address("2001:db8::7"))
        #expect(try Self.client([("X-Forwarded-For", "203.0.113.7, nonsense")]).address == nil, "what can't be read is nobody, and ends the walk")
        #expect(try Self.client([]).address == Self.address("10.0.0.1"))
        #expect(try Self.client([("X-Forwarded-For", "203.0.113.7")], peer: "192.0.2.1") == ClientInformation(address: Self.address("192.0.2.1")))
    }

    @Test func schemeHostAndPrefixAreCheckedBeforeTheyAreBelieved() throws {
        let all = [("X-Forwarded-For", "203.0.113.7"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "CI.example.com:8443"), ("X-Forwarded-Prefix", "/ci/lift/")]
        #expect(try Self.client(all).base == "https://ci.example.com:8443/ci/lift")
        for bad in ["evil.example/path", "a b", "user@evil.example", "[::1", "evil.example:99999", "ev\"il", ""] {
            #expect(try Self.client([("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", bad)]).base == nil, "\(bad)")
        }
        for bad in ["//evil.example", "/a/../b", "/a?b", "relative", "/a b", "https://evil.example"] {
            #expect(try Self.client([("X-Forwarded-Prefix", bad)]).prefix == "", "\(bad)")
        }
        #expect(try Self.client([("X-Forwarded-Proto", "javascript")]).scheme == nil)
        // A list that a client began: the proxy's own entry is the last.
        #expect(try Self.client([("X-Forwarded-For", "203.0.113.7"), ("X-Forwarded-Host", "evil.example, ci.example.com")]).host == "ci.example.com")
    }

    @Test func onlyTheConfiguredKindCounts() throws {
        let both = [("X-Forwarded-For", "203.0.113.7"), ("Forwarded", "for=198.51.100.9;proto=https;host=ci.example.com")]
        #expect(try Self.client(both).address == Self.address("203.0.113.7"))
        let standard = try Self.client(both, kind: .forwarded)
        #expect(try standard.address == Self.address("198.51.100.9") && standard.base == "https://ci.example.com")
    }

    @Test func forwardedIsReadByItsGrammar() throws {
        func node(_ text: String) throws -> InternetAddress? { try Self.client([("Forwarded", text)], kind: .forwarded).address }
        #expect(try node(#"For="[2001:db8:cafe::17]:4711""#) == Self.address("2001:db8:cafe::17"))
        #expect(try node("for=203.0.113.7;by=10.0.0.1, for=10.0.0.2") == Self.address("203.0.113.7"))
        #expect(try node("for=198.51.100.9, for=203.0.113.7") == Self.address("203.0.113.7"))
        #expect(try node("for=_hidden") == nil && node("for=unknown") == nil)
        // A quoted comma is no border, and a text that breaks the grammar is not believed in parts.
        #expect(try node(#"for="203.0.113.7, for=198.51.100.9""#) == nil)
        for broken in ["for=203.0.113.7;for=198.51.100.9", #"for="203.0.113.7"#, "for = 203.0.113.7", "203.0.113.7", "for=203.0.113.7 x"] {
            #expect(try node(broken) == Self.address("10.0.0.1"), "\(broken)")
        }
        #expect(ForwardedHeader.parse(#"for=a;proto="ht\"tp";host=h"#)?.first == ForwardedElement(node: "a", scheme: "ht\"tp", host: "h"))
    }

    @Test func theBasePathComesOffAtItsBorders() throws {
        let base = try #require(BasePath(parsing: "/ci/lift/"))
        #expect(base.stripped("/ci/lift/v1/x?q=1") == "/v1/x?q=1" && base.stripped("/ci/lift") == "/" && base.stripped("/ci/lift?q") == "/?q")
        #expect(base.stripped("/ci/lifted/v1") == "/ci/lifted/v1" && base.stripped("/v1") == "/v1")
        for bad in ["", "ci", "/ci//x", "/./x", "/ci/%2e", "/a\"b"] { #expect(BasePath(parsing: bad) == nil, "\(bad)") }
    }
}
