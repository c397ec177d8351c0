import HTTPTransport
import Testing

@Suite struct SecretTests {
    private let secret = Secret("hunter2")

    @Test func neverPrints() {
        var dumped = ""
        dump(secret, to: &dumped)
        var settings = ConnectionSettings()
        settings.proxy = try? ProxySettings(parsing: "http://proxy:3128")
        settings.proxy?.password = secret
        var dumpedSettings = ""
        dump(settings, to: &dumpedSettings)
        let texts = [
            "\(secret)", String(reflecting: secret), String(describing: Optional(secret)), dumped, "\(settings)",
            dumpedSettings,
        ]
        for text in texts { #expect(!text.contains("hunter2")) }
        #expect(settings.proxy?.port == 3128)
        #expect("\(secret)" == "***")
        #expect(secret.reveal() == "hunter2")
    }

    @Test func compares() {
        #expect(secret == Secret("hunter2"))
        #expect(secret != Secret("hunter3"))
        #expect(secret != Secret("hunter"))
        #expect(secret != Secret("hunter22"))
    }
}

@Suite struct HTTPFieldsTests {
    @Test func keepsOrderAndIgnoresCase() throws {
        var fields = try HTTPFields(["Link": "a", "link": "b", "X": ""])
        #expect(fields["LINK"] == "a")
        #expect(fields.all("Link") == ["a", "b"])
        #expect(fields["x"] == "")
        try fields.set("LINK", "c")
        #expect(fields.all("link") == ["c"])
        #expect(fields["absent"] == nil)
    }

    @Test(arguments: ["a\r\nb", "a\nb", "a\rb", "a\0b", "\u{7F}"]) func refusesValuesThatEndTheLine(value: String) {
        #expect(throws: HTTPFieldError.invalidValue(name: "X")) { try HTTPFields(["X": value]) }
    }

    @Test(arguments: ["", "a b", "a:", "a\r\n", "ä"]) func refusesNames(name: String) {
        #expect(throws: HTTPFieldError.invalidName) { try HTTPFields([name: "x"]) }
    }

    @Test func showsNoValues() throws {
        let fields = try HTTPFields(["Authorization": "Bearer hunter2"])
        var dumped = ""
        dump(fields, to: &dumped)
        dump(fields.lines, to: &dumped)
        #expect(!("\(fields)" + String(reflecting: fields) + dumped).contains("hunter2"))
    }
}
