import Yams

/// Reads YAML strictly: every value knows where it stands, every mistake is collected, nothing is guessed.
struct YAMLReader {
    /// Largest file, in bytes.
    static let maximumBytes = 1 << 20
    static let maximumDepth = 20
    /// Most values in one list, and most members of a mapping whose keys are free.
    static let maximumItems = 1_000
    /// Most mistakes that are listed for one file.
    static let maximumDiagnostics = 100

    let file: String
    private(set) var diagnostics: [PolicyDiagnostic] = []
    /// Names that other files explain.
    private(set) var references: [Reference] = []

    init(file: String) { self.file = file }

    /// Whether no more mistakes are listed.
    var isFull: Bool { diagnostics.count >= Self.maximumDiagnostics }

    /// The file's one document; `nil` with a diagnostic where it can't be read.
    mutating func document(_ text: String) -> Node? {
        guard text.utf8.count <= Self.maximumBytes else {
            report(line: 1, column: 1, "the file has \(text.utf8.count) bytes", "a policy file has at most \(Self.maximumBytes) bytes")
            return nil
        }
        do {
            guard try refuseAnchors(in: text), let first = try onlyDocument(text) else { return nil }
            return check(first, depth: 0) ? first : nil
        } catch let error as YamlError {
            report(error)
            return nil
        } catch {
            report(line: 1, column: 1, "the file is not YAML", "check its indentation and quotes")
            return nil
        }
    }

    mutating func report(_ node: Node, _ problem: String, _ remedy: String) {
        report(line: node.mark?.line ?? 1, column: node.mark?.column ?? 1, problem, remedy)
    }

    mutating func report(line: Int, column: Int, _ problem: String, _ remedy: String) {
        guard !isFull else { return }
        if diagnostics.count == Self.maximumDiagnostics - 1 {
            diagnostics.append(
                PolicyDiagnostic(file: file, line: line, column: column, problem: "there are more mistakes", remedy: "mend these first"))
        } else {
            diagnostics.append(PolicyDiagnostic(file: file, line: line, column: column, problem: problem, remedy: remedy))
        }
    }

    mutating func refer(to kind: Reference.Kind, _ name: String, _ node: Node) {
        references.append(Reference(kind: kind, name: name, line: node.mark?.line ?? 1, column: node.mark?.column ?? 1))
    }

    private mutating func onlyDocument(_ text: String) throws -> Node? {
        // Every value is taken as the text that it is: no resolver guesses at numbers and dates.
        let parser = try Yams.Parser(yaml: text, resolver: .basic)
        guard let first = try parser.nextRoot() else {
            report(line: 1, column: 1, "the file is empty", "start it with 'version: 1' and its kind, for example 'kind: Policy'")
            return nil
        }
        guard let second = try parser.nextRoot() else { return first }
        report(second, "a second document begins here", "put one document into each file")
        return nil
    }

    private mutating func report(_ error: YamlError) {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _), .composer(_, let problem, let mark, _):
            report(line: mark.line, column: mark.column, "not valid YAML: \(problem)", "check indentation, colons and quotes near this place")
        case .reader(let problem, let offset, _, let text):
            let place = Self.place(of: offset ?? 0, in: text)
            report(line: place.line, column: place.column, "not valid YAML: \(problem)", "remove the character; text files hold none such")
        case .duplicatedKeysInMapping(let duplicates, let context):
            report(
                line: context.mark.line, column: context.mark.column,
                "a key stands here twice: \(duplicates.map { "\($0.prefix(80))" }.joined(separator: ", "))", "keep one of them")
        default:
            report(line: 1, column: 1, "not valid YAML", "check indentation, colons and quotes")
        }
    }

    private static func place(of offset: Int, in text: String) -> (line: Int, column: Int) {
        let before = text.prefix(offset)
        let line = before.reduce(1) { $1.isNewline ? $0 + 1 : $0 }
        return (line, before.reversed().prefix { !$0.isNewline }.count + 1)
    }

    private mutating func check(_ node: Node, depth: Int) -> Bool {
        guard depth < Self.maximumDepth else {
            report(node, "the file is nested deeper than \(Self.maximumDepth)", "no setting needs that")
            return false
        }
        guard node.tag.rawValue.hasPrefix("tag:yaml.org,2002:") else {
            report(node, "'\(node.tag.rawValue.prefix(80))' is a YAML tag, and tags are not allowed", "put a text that begins with '!' in quotes")
            return false
        }
        switch node {
        case .mapping(let mapping): return mapping.allSatisfy { check($0.key, depth: depth + 1) && check($0.value, depth: depth + 1) }
        case .sequence(let sequence): return sequence.allSatisfy { check($0, depth: depth + 1) }
        default: return true
        }
    }
}

extension YAMLReader {
    /// Reports the first anchor or alias. An alias can make a small file huge, and says nothing that can't be written out.
    ///
    /// The parser resolves aliases while it reads and compares the keys that they stand in, so a hostile file must be refused before. Each
    /// `&name` and `*name` that may be a token is made a tag: where it was text nothing changes, where it was a token a tagged node begins.
    /// - Returns: whether the file is free of them.
    fileprivate mutating func refuseAnchors(in text: String) throws -> Bool {
        guard text.utf8.contains(where: { $0 == UInt8(ascii: "&") || $0 == UInt8(ascii: "*") }) else { return true }
        let (neutral, places) = Self.neutralised(text)
        guard !places.isEmpty else { return true }
        let parser = try Yams.Parser(yaml: neutral, resolver: .basic)
        do {
            while let root = try parser.nextRoot() {
                if let found = Self.place(ofTagIn: root, at: places) { return refuse(found) }
            }
        } catch let error as YamlError {
            // The error may come from what was made of an anchor.
            guard let line = Self.line(of: error), let near = places.filter({ $0.line == line }).min() else { throw error }
            return refuse(near)
        }
        return true
    }

    private static func line(of error: YamlError) -> Int? {
        switch error {
        case .scanner(_, _, let mark, _), .parser(_, _, let mark, _), .composer(_, _, let mark, _): mark.line
        case .duplicatedKeysInMapping(_, let context): context.mark.line
        default: nil
        }
    }

    private mutating func refuse(_ place: Place) -> Bool {
        report(
            line: place.line, column: place.column, "anchors, aliases and merge keys are not allowed",
            "write the value out; quote a text that begins with * or &")
        return false
    }

    private struct Place: Hashable, Comparable {
        let line: Int
        let column: Int

        static func < (lhs: Place, rhs: Place) -> Bool { (lhs.line, lhs.column) < (rhs.line, rhs.column) }
    }

    private static func neutralised(_ text: String) -> (String, Set<Place>) {
        var result = String.UnicodeScalarView()
        var places: Set<Place> = []
        var (line, column) = (1, 1)
        var previous: Unicode.Scalar = "\n"
        var scalars = text.unicodeScalars.makeIterator()
        var next = scalars.next()
        while let scalar = next {
            next = scalars.next()
            if scalar == "&" || scalar == "*", let next, isName(next) || next == "-", !isName(previous) {
                places.insert(Place(line: line, column: column))
                result.append("!")
            } else {
                result.append(scalar)
            }
            let isBreak = scalar == "\n" || (scalar == "\r" && next != "\n") || ["\u{85}", "\u{2028}", "\u{2029}"].contains(scalar)
            (line, column) = isBreak ? (line + 1, 1) : (line, column + 1)
            previous = scalar
        }
        return (String(result), places)
    }

    private static func isName(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "0"..."9", "A"..."Z", "a"..."z", "_": true
        default: false
        }
    }

    private static func place(ofTagIn node: Node, at places: Set<Place>) -> Place? {
        if !node.tag.rawValue.hasPrefix("tag:yaml.org,2002:"), let mark = node.mark {
            let place = Place(line: mark.line, column: mark.column)
            if places.contains(place) { return place }
        }
        switch node {
        case .mapping(let mapping):
            for (key, value) in mapping {
                if let found = place(ofTagIn: key, at: places) ?? place(ofTagIn: value, at: places) { return found }
            }
        case .sequence(let sequence):
            for item in sequence {
                if let found = place(ofTagIn: item, at: places) { return found }
            }
        default: break
        }
        return nil
    }
}
