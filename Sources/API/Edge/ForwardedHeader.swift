/// One element of `Forwarded`: what one proxy says of the request that it was sent.
struct ForwardedElement: Hashable {
    var node: String?
    var scheme: String?
    var host: String?
}

/// Reads `Forwarded` (RFC 7239 §4).
enum ForwardedHeader {
    /// The elements from the first proxy to the last; nil where the text does not follow the grammar: half of it is not to be believed.
    static func parse(_ text: String) -> [ForwardedElement]? {
        var elements: [ForwardedElement] = []
        var rest = text[...]
        repeat {
            guard let element = element(&rest) else { return nil }
            elements.append(element)
        } while take(",", &rest)
        return rest.isEmpty ? elements : nil
    }

    private static func element(_ rest: inout Substring) -> ForwardedElement? {
        var element = ForwardedElement()
        var seen: Set<String> = []
        repeat {
            skipSpace(&rest)
            let name = rest.prefix(while: isTokenCharacter).lowercased()
            // An empty pair, as in 'for=192.0.2.1;', is allowed.
            if name.isEmpty { continue }
            rest = rest.dropFirst(name.count)
            guard seen.insert(name).inserted, take("=", &rest), let value = value(&rest) else { return nil }
            switch name {
            case "for": element.node = value
            case "proto": element.scheme = value
            case "host": element.host = value
            default: break
            }
            skipSpace(&rest)
        } while take(";", &rest)
        return element
    }

    private static func value(_ rest: inout Substring) -> String? {
        guard take("\"", &rest) else {
            let token = rest.prefix(while: isTokenCharacter)
            rest = rest.dropFirst(token.count)
            return token.isEmpty ? nil : String(token)
        }
        var text = ""
        while let character = rest.popFirst() {
            switch character {
            case "\"": return text
            case "\\":
                guard let escaped = rest.popFirst() else { return nil }
                text.append(escaped)
            default: text.append(character)
            }
        }
        return nil
    }

    private static func take(_ character: Character, _ rest: inout Substring) -> Bool {
        guard rest.first == character else { return false }
        rest = rest.dropFirst()
        return true
    }

    private static func skipSpace(_ rest: inout Substring) { rest = rest.drop { $0 == " " || $0 == "\t" } }

    /// RFC 9110 §5.6.2.
    private static func isTokenCharacter(_ character: Character) -> Bool {
        character.isASCII && (character.isLetter || character.isNumber || "!#$%&'*+-.^_`|~".contains(character))
    }
}
