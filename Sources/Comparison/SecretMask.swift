/// Hides what looks like a secret: configuration and labels are shown to more people than may read the image.
///
/// It errs on the side of hiding. What is hidden is not measured either: lengths and hashes of short secrets give them away.
public enum SecretMask {
    public static let mask = "•••"

    private static let fragments = ["password", "passwd", "passphrase", "secret", "token", "credential", "apikey", "api_key", "privatekey", "private_key", "accesskey"]
    private static let words: Set<String> = ["pass", "pw", "key", "auth", "dsn", "salt", "cookie", "session", "private", "signature", "webhook", "jwt", "bearer"]
    /// Names whose values are long and random and no secret.
    private static let plain: Set<String> = ["sha256", "sha512", "sha1", "sha", "digest", "checksum", "commit", "revision", "version", "ref", "rev", "hash", "vcs"]
    private static let prefixes = [
        "ghp_", "gho_", "ghs_", "ghr_", "github_pat_", "glpat-", "akia", "asia", "eyj", "xoxb-", "xoxp-", "xoxa-", "sk-", "sk_live_", "rk_live_", "npm_", "pypi-", "aiza",
        "dckr_pat_", "hvs.", "-----begin",
    ]

    /// Whether the value of a variable, label or option of this name is not to be shown.
    public static func hides(_ value: String, named name: String) -> Bool {
        guard !value.isEmpty else { return false }
        let words = Self.words(of: name)
        let lower = name.lowercased()
        if fragments.contains(where: lower.contains) || !words.isDisjoint(with: Self.words) { return true }
        return looksSecret(value, isPlain: !words.isDisjoint(with: plain))
    }

    public static func shown(_ value: String, named name: String) -> String { hides(value, named: name) ? mask : Shown.text(value) }

    /// The arguments of a command: `--password x`, `--password=x`, and what looks like a secret by itself.
    public static func arguments(_ arguments: [String]) -> [String] {
        var isNext = false
        return arguments.prefix(100).map { argument in
            defer { isNext = argument.hasPrefix("-") && !argument.contains("=") && hides("x", named: argument) }
            if isNext, !argument.hasPrefix("-") { return mask }
            guard let equals = argument.firstIndex(of: "="), !argument[..<equals].contains(" ") else { return shown(argument, named: "") }
            let (name, value) = (String(argument[..<equals]), String(argument[argument.index(after: equals)...]))
            return hides(value, named: name) ? "\(Shown.text(name))=\(mask)" : Shown.text(argument)
        }
    }

    /// The words of a name: `DB_PASS` and `dbPass` have `pass`.
    private static func words(of name: String) -> Set<String> {
        var words: Set<String> = []
        var word = ""
        var wasLower = false
        for character in name {
            let isBreak = !(character.isLetter || character.isNumber)
            if isBreak || (character.isUppercase && wasLower) {
                words.insert(word.lowercased())
                word = ""
            }
            if !isBreak { word.append(character) }
            wasLower = character.isLowercase
        }
        words.insert(word.lowercased())
        return words
    }

    private static func looksSecret(_ value: String, isPlain: Bool) -> Bool {
        let lower = value.lowercased()
        if value.split(whereSeparator: { " \t\n\"'=,;:".contains($0) }).contains(where: { part in
            let part = part.lowercased()
            return part.utf8.count >= 16 && prefixes.contains { part.hasPrefix($0) }
        }) || lower.contains("-----begin") {
            return true
        }
        if hasUserAndPassword(value) || fragments.contains(where: { fragment in ["=", ":", "\":", "\" :", "':", " = "].contains { lower.contains(fragment + $0) } }) {
            return true
        }
        return !isPlain && value.split(whereSeparator: { " \t\n\"',;:=&?/".contains($0) }).contains(where: isRandom)
    }

    /// `scheme://user:password@host`.
    private static func hasUserAndPassword(_ value: String) -> Bool {
        var rest = Substring(value)
        while let scheme = rest.firstRange(of: "://") {
            let authority = rest[scheme.upperBound...].prefix { !"/?# \t\n\"'".contains($0) }
            if authority.contains("@") { return true }
            rest = rest[scheme.upperBound...]
        }
        return false
    }

    /// Long, without a break, of letters and digits that change all the time: what generators make.
    private static func isRandom(_ part: Substring) -> Bool {
        let bytes = Array(part.utf8)
        guard bytes.count >= 24, bytes.allSatisfy({ isLetter($0) || isDigit($0) || "+/=_-".utf8.contains($0) }) else { return false }
        guard bytes.contains(where: isDigit), bytes.contains(where: isLetter) else { return false }
        let changes = zip(bytes, bytes.dropFirst()).count { kind($0) != kind($1) }
        return changes * 4 >= bytes.count
    }

    private static func isLetter(_ byte: UInt8) -> Bool { (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) }
    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    private static func kind(_ byte: UInt8) -> Int {
        switch byte {
        case 0x30...0x39: 0
        case 0x41...0x5A: 1
        case 0x61...0x7A: 2
        default: 3
        }
    }
}
