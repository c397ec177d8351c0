import GitPolicies
import Testing

@Suite struct GitLocationTests {
    @Test(arguments: [
        "https://git.example.test/acme/policies.git", "https://git.example.test:8443/p", "ssh://git@git.example.test/acme/policies.git",
        "ssh://git@git.example.test:2222/~/p", "file:///srv/git/policies.git", "https://[::1]:8443/p",
    ]) func goodURLs(_ url: String) throws { #expect(try GitLocation(url: url, branch: "main", folder: "").url == url) }

    @Test(arguments: [
        "", "policies", "/srv/git", "git@git.example.test:acme/policies.git", "http://git.example.test/p", "git://git.example.test/p",
        "ext::sh -c touch% /tmp/x", "ext::sh", "fd::17", "--upload-pack=touch", "-oProxyCommand=x", "ssh://-oProxyCommand=x/p", "ssh://git@-oProxyCommand=x/p",
        "ssh://-l@host.test/p", "https://user@host.test/p", "https://user:password@host.test/p", "ssh://git:password@host.test/p", "https:///p", "https://host.test",
        "https://host.test/", "https://host.test/p?x=1", "https://host.test/p#x", "https://host.test/p\nx", "https://host.test/a b", "ssh://host.test/$(touch x)",
        "ssh://host.test/`x`", "ssh://host.test/-x", "file://host.test/srv", "file:///srv;x", "ssh://ho%73t.test/p", "HTTPS://host.test/p",
        "https://host.test/" + String(repeating: "a", count: 2_048),
    ]) func badURLsAreRefused(_ url: String) { #expect(throws: GitLocationError.self) { try GitLocation(url: url, branch: "main", folder: "") } }

    @Test func noErrorShowsThePassword() {
        #expect { try GitLocation(url: "https://u:hunter2@host.test/p", branch: "main", folder: "") } throws: { !"\($0)".contains("hunter2") }
    }

    @Test(arguments: [
        "", "-x", "--upload-pack=x", "a..b", "a b", "a~1", "a^", "a:b", "a?b", "a*", "a[", "a\\b", "/a", "a/", "a//b", ".a", "a/.b", "a.lock", "a.", "a\n",
        "@{-1}", "+a:b", String(repeating: "a", count: 201),
    ]) func badBranchesAreRefused(_ branch: String) { #expect(throws: GitLocationError.self) { try GitLocation(url: "file:///p", branch: branch, folder: "") } }

    @Test(arguments: ["/a", "a//b", "..", "a/../b", "./a", "a\n", "a\u{0}b", String(repeating: "a", count: 501)])
    func badFoldersAreRefused(_ folder: String) { #expect(throws: GitLocationError.self) { try GitLocation(url: "file:///p", branch: "main", folder: folder) } }

    @Test(arguments: [("", ""), (".", ""), ("a/b", "a/b"), ("a/b/", "a/b"), ("ä b", "ä b")])
    func folders(_ given: String, _ kept: String) throws { #expect(try GitLocation(url: "file:///p", branch: "a/b-1.x", folder: given).folder == kept) }
}
