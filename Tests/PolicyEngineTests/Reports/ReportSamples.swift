import Foundation

/// Reports as the scanners write them, cut down to a few findings.
enum ReportSamples {
    static let digest = "sha256:4f5e2a3b4f5e2a3b4f5e2a3b4f5e2a3b4f5e2a3b4f5e2a3b4f5e2a3b4f5e2a3b"

    /// trivy image --format json (0.58)
    static let trivy = #"""
        {"SchemaVersion":2,"CreatedAt":"2026-03-01T08:30:15.123456789+01:00","ArtifactName":"registry.example.test/shop/api:1.4.2","ArtifactType":"container_image",
         "Metadata":{"Size":124,"OS":{"Family":"debian","Name":"12.5"},"ImageID":"sha256:11","DiffIDs":["sha256:22"],"RepoTags":["registry.example.test/shop/api:1.4.2"],
          "RepoDigests":["registry.example.test/shop/api@\#(digest)"],"ImageConfig":{"architecture":"amd64"}},
         "Results":[
          {"Target":"shop/api:1.4.2 (debian 12.5)","Class":"os-pkgs","Type":"debian","Vulnerabilities":[
            {"VulnerabilityID":"CVE-2024-2961","VendorIDs":["DSA-5673-1"],"PkgID":"libc6@2.36-9+deb12u4","PkgName":"libc6","InstalledVersion":"2.36-9+deb12u4",
             "FixedVersion":"2.36-9+deb12u6","Status":"fixed","SeveritySource":"nvd","PrimaryURL":"https://avd.example.test/1","Title":"glibc: out of bounds write","Severity":"HIGH",
             "CweIDs":["CWE-787"],"VendorSeverity":{"nvd":3},"CVSS":{"nvd":{"V3Score":8.8}},"References":["https://a.example.test"],"PublishedDate":"2024-04-17T18:15:00Z"},
            {"VulnerabilityID":"CVE-2011-3374","PkgName":"apt","InstalledVersion":"2.6.1","Status":"affected","Severity":"LOW"},
            {"VulnerabilityID":"TEMP-0841856-B18BAF","PkgName":"bash","InstalledVersion":"5.2","Severity":"UNKNOWN"}]},
          {"Target":"app/server","Class":"lang-pkgs","Type":"gobinary","Vulnerabilities":[
            {"VulnerabilityID":"CVE-2024-24790","PkgName":"stdlib","InstalledVersion":"1.21.8","FixedVersion":"1.21.11, 1.22.4","Status":"fixed","Severity":"CRITICAL"}]}]}
        """#

    /// grype -o json (0.74)
    static let grype = #"""
        {"matches":[
          {"vulnerability":{"id":"GHSA-xw73-rw38-6vjc","dataSource":"https://g.example.test","namespace":"github:language:go","severity":"Medium","urls":[],"cvss":[],
            "fix":{"versions":["24.0.9","25.0.2"],"state":"fixed"},"advisories":[]},
           "relatedVulnerabilities":[{"id":"CVE-2024-24557","dataSource":"https://nvd.example.test","namespace":"nvd:cpe","severity":"High"}],
           "matchDetails":[{"type":"exact-direct-match"}],
           "artifact":{"id":"a1","name":"github.com/docker/docker","version":"v24.0.7","type":"go-module","locations":[]}},
          {"vulnerability":{"id":"CVE-2023-4039","namespace":"debian:distro:debian:12","severity":"Negligible","fix":{"versions":[],"state":"wont-fix"}},
           "relatedVulnerabilities":[],"artifact":{"name":"gcc-12-base","version":"12.2"}},
          {"vulnerability":{"id":"CVE-2023-0001","severity":"Unknown","fix":{"versions":null,"state":"unknown"}},"artifact":{"name":"zlib1g"}}],
         "source":{"type":"image","target":{"userInput":"shop/api:1.4.2","imageID":"sha256:11","manifestDigest":"sha256:1111111111111111111111111111111111111111111111111111111111111111",
           "mediaType":"application/vnd.docker.distribution.manifest.v2+json","tags":[],"repoDigests":["registry.example.test/shop/api@\#(digest)"]}},
         "distro":{"name":"debian","version":"12"},
         "descriptor":{"name":"grype","version":"0.74.7","configuration":{},"db":{},"timestamp":"2026-03-01T07:30:15.5Z"}}
        """#

    /// trivy image --format sarif, and Grype's way to name rules beside it.
    static let sarif = #"""
        {"version":"2.1.0","$schema":"https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json","runs":[
         {"tool":{"driver":{"fullName":"Trivy Vulnerability Scanner","name":"Trivy","version":"0.58.1","rules":[
            {"id":"CVE-2024-2961","name":"OsPackageVulnerability","shortDescription":{"text":"glibc"},"defaultConfiguration":{"level":"error"},
             "properties":{"precision":"very-high","security-severity":"8.8","tags":["vulnerability","security","HIGH"]}},
            {"id":"CVE-2011-3374","properties":{"security-severity":"2.0"}},
            {"id":"TEMP-0841856-B18BAF","properties":{"security-severity":"0.0"}}]}},
          "results":[
            {"ruleId":"CVE-2024-2961","ruleIndex":0,"level":"error","message":{"text":"Package: libc6\nInstalled Version: 2.36-9\nVulnerability CVE-2024-2961\nSeverity: HIGH\nFixed Version: 2.36-9+deb12u6\nLink: [x](https://a)"},
             "locations":[{"physicalLocation":{"artifactLocation":{"uri":"shop/api"}}}]},
            {"ruleId":"CVE-2011-3374","ruleIndex":1,"level":"note","message":{"text":"Package: apt\nInstalled Version: 2.6.1\nFixed Version: \nLink: y"}},
            {"ruleId":"TEMP-0841856-B18BAF","ruleIndex":2,"message":{"text":"bash"}}],
          "columnKind":"utf16CodeUnits","properties":{"imageName":"shop/api:1.4.2","repoDigests":["registry.example.test/shop/api@\#(digest)"]}},
         {"tool":{"driver":{"name":"Grype","rules":[
            {"id":"GHSA-xw73-rw38-6vjc-github.com/docker/docker","help":{"text":"Vulnerability GHSA-xw73-rw38-6vjc\nSeverity: medium\nPackage: github.com/docker/docker\nVersion: v24\nFix Version: 24.0.9"},
             "properties":{"security-severity":6.9}}]}},
          "invocations":[{"executionSuccessful":true,"endTimeUtc":"2026-03-01T07:30:15Z"}],
          "results":[{"ruleId":"GHSA-xw73-rw38-6vjc-github.com/docker/docker","message":{"text":"The path reports docker"}},
                     {"ruleId":"CVE-2020-0001","kind":"notApplicable"}]}]}
        """#

    /// cosign attest --type vuln, its predicate.
    static func cosign(result: String = trivy) -> String {
        #"""
        {"invocation":{"parameters":[],"uri":"https://ci.example.test/1","event_id":"1","builder.id":"b"},
         "scanner":{"uri":"pkg:github/aquasecurity/trivy@0.58.1","version":"0.58.1","db":{"uri":"","version":""},"result":\#(result)},
         "metadata":{"scanStartedOn":"2026-03-01T07:30:00Z","scanFinishedOn":"2026-03-01T07:31:00Z"}}
        """#
    }
}
