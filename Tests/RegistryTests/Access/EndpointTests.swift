import HTTPTransport
import Testing

@testable import Registry

/// Which hosts a registry may send us to.
struct EndpointTests {
    @Test(arguments: [
        ("https://registry.example.org/v2/", true),
        ("https://registry.example.org:443/anything", true),
        ("https://registry.example.org:8443/", false),
        ("http://registry.example.org/", false),
        ("https://auth.example.org/token", true),
        ("https://AUTH.example.org/token", true),
        ("https://auth.example.org:444/token", false),
        ("http://auth.example.org/token", false),
        ("https://auth.example.org.evil.net/token", false),
        ("https://eu.blobs.example.net/x", true),
        ("https://a.b.blobs.example.net/x", true),
        ("https://blobs.example.net/x", false),
        ("https://evilblobs.example.net/x", false),
        ("https://eu.blobs.example.net:8443/x", false),
        ("https://storage.example.net:9000/x", true),
        ("https://storage.example.net/x", false),
        ("https://127.0.0.1/", false),
    ])
    func allowsNamedHostsOnly(address: String, allowed: Bool) throws {
        let endpoint = RegistryEndpoint(
            name: "test", url: try HTTPURL(parsing: "https://registry.example.org"),
            additionalHosts: ["Auth.example.org", "*.blobs.example.net", "storage.example.net:9000"])
        #expect(endpoint.allows(try HTTPURL(parsing: address)) == allowed)
    }

    @Test func aPlainRegistryMaySendUsToPlainHosts() throws {
        let endpoint = RegistryEndpoint(
            name: "test", url: try HTTPURL(parsing: "http://registry.test:5000"), additionalHosts: ["auth.test:5001"])
        #expect(endpoint.allows(try HTTPURL(parsing: "http://auth.test:5001/token")))
        #expect(!endpoint.allows(try HTTPURL(parsing: "http://registry.test:5001/")))
    }
}
