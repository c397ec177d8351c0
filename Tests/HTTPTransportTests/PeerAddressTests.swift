import TestSupport
import Testing

@testable import HTTPTransport

@Suite(.inTurn) struct PeerAddressTests {
    @Test(arguments: [
        "169.254.169.254", "169.254.0.1", "169.254.255.255", "[fe80::1]", "[febf::1]", "[fd00:ec2::254]", "100.100.100.200", "192.0.0.192",
        "168.63.129.16", "[::ffff:169.254.169.254]", "[64:ff9b::169.254.169.254]", "[2002:a9fe:a9fe::1]",
    ]) func noNameMayLeadTo(_ address: String) throws {
        #expect(PeerAddress(literal: address)?.isOffLimits == true)
    }

    @Test(arguments: [
        "127.0.0.1", "[::1]", "10.0.0.1", "192.168.1.1", "169.253.255.255", "169.255.0.0", "[fec0::1]", "[fd00:ec2::253]", "[2001:db8::1]",
        "[::ffff:10.0.0.1]", "100.100.100.201",
    ]) func isAsGoodAsAnother(_ address: String) throws {
        #expect(PeerAddress(literal: address)?.isOffLimits == false)
    }

    @Test(arguments: ["registry.example.com", "2852039166", "0xa9fea9fe", "fe80::1", "[", "[]", ""]) func isNoAddress(_ host: String) {
        #expect(PeerAddress(literal: host) == nil)
    }

    /// Names that the system reads as an address, like one that a name server gives: nothing is connected to, whatever would be sent.
    @Test(arguments: ["http://2852039166/", "http://0xa9fea9fe/latest/meta-data", "https://0251.0376.0251.0376/"])
    func aNameThatLeadsThereIsNotFollowed(_ url: String) async throws {
        try await withClient { client in
            let settings = quickSettings { $0.connectTimeout = .seconds(3) }
            let error = await transportError {
                _ = try await client.send(HTTPRequest(.get, try HTTPURL(parsing: url)), settings: settings, maximumBodyBytes: 1_000)
            }
            let redacted = try HTTPURL(parsing: url).redacted
            #expect(error == .addressNotAllowed(url: redacted, address: "169.254.169.254"))
            #expect(error?.isRetryable == false)
            let refused = await transportError {
                try await client.withDownload(HTTPRequest(.get, try HTTPURL(parsing: url)), settings: settings) { _, _ in }
            }
            #expect(refused == error)
        }
    }

    /// Whoever names the very address means it: it is tried, whoever is there.
    @Test func anAddressThatIsNamedIsMeant() async throws {
        try await withClient { client in
            let settings = quickSettings { $0.connectTimeout = .milliseconds(300) }
            let error = await transportError {
                _ = try await client.send(HTTPRequest(.get, try HTTPURL(parsing: "http://169.254.3.7:1/")), settings: settings, maximumBodyBytes: 1_000)
            }
            if case .addressNotAllowed = error { Issue.record("it was not tried") }
        }
    }
}
