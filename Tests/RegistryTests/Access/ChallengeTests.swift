import Testing

@testable import Registry

/// What a 401 says about how to log in (RFC 9110 §11.6.1).
struct ChallengeTests {
    @Test(arguments: [
        (
            #"Bearer realm="https://auth.example.org/token",service="registry",scope="repository:a/b:pull""#,
            [
                Challenge(
                    scheme: "bearer",
                    parameters: ["realm": "https://auth.example.org/token", "service": "registry", "scope": "repository:a/b:pull"])
            ]
        ),
        (#"Basic realm="Registry Realm""#, [Challenge(scheme: "basic", parameters: ["realm": "Registry Realm"])]),
        (#"BASIC REALM=plain"#, [Challenge(scheme: "basic", parameters: ["realm": "plain"])]),
        (#"Bearer realm = "a" , service = "b""#, [Challenge(scheme: "bearer", parameters: ["realm": "a", "service": "b"])]),
        (#"Bearer realm="a\"b\\c,d""#, [Challenge(scheme: "bearer", parameters: ["realm": #"a"b\c,d"#])]),
        (
            #"Negotiate, Basic realm="x", Bearer realm="y",service="z""#,
            [
                Challenge(scheme: "negotiate", parameters: [:]), Challenge(scheme: "basic", parameters: ["realm": "x"]),
                Challenge(scheme: "bearer", parameters: ["realm": "y", "service": "z"]),
            ]
        ),
    ])
    func reads(field: String, expected: [Challenge]) {
        #expect(Challenge.parse([field]) == expected)
    }

    @Test func readsSeveralFields() {
        #expect(Challenge.parse([#"Basic realm="x""#, #"Bearer realm="y""#]).map(\.scheme) == ["basic", "bearer"])
    }

    @Test(arguments: ["", ",", "=", "\"", "  ", "ä", #"="x""#]) func takesNothingFromNonsense(field: String) {
        #expect(Challenge.parse([field]).isEmpty)
    }

    @Test(arguments: [#"Bearer realm="unfinished"#, #"Bearer realm="ends with \"#, "Bearer realm="])
    func takesNoHalfParameter(field: String) {
        #expect(Challenge.parse([field]) == [Challenge(scheme: "bearer", parameters: [:])])
    }

    @Test func ignoresAFieldThatIsTooLong() {
        #expect(Challenge.parse([#"Basic realm=""# + String(repeating: "x", count: 9000) + "\""]).isEmpty)
    }
}
