import Foundation
public import OCI

/// A file of a policy folder, as text. Reading it from a disk or from git is somebody else's work.
public struct PolicyFile: Sendable, Hashable {
    /// Relative to the folder; shown in messages.
    public let path: String
    public let text: String

    public init(path: String, text: String) {
        self.path = path
        self.text = text
    }

    private static let policyEndings = [".yaml", ".yml"]
    /// Keys, certificates and trust roots.
    private static let trustEndings = [".pub", ".pem", ".crt", ".json"]
    /// Largest file, in bytes. Policies are bounded more tightly when they are read.
    public static let maximumBytes = 4 << 20

    /// Whether a file of that name is a policy file or a trust file. Hidden ones are none, and schemas for editors decide nothing.
    public static func counts(_ path: String) -> Bool {
        (policyEndings + trustEndings).contains { path.hasSuffix($0) } && !path.hasSuffix(".schema.json")
            && !path.split(separator: "/").contains { $0.hasPrefix(".") }
    }
}

/// Where something stands in a policy file.
public struct SourceLocation: Sendable, Hashable, Codable, CustomStringConvertible {
    public let file: String
    public let line: Int

    public init(file: String, line: Int) {
        self.file = file
        self.line = line
    }

    public var description: String { "\(file):\(line)" }
}

/// A mistake in a policy file: where, what is wrong, and what would be right.
public struct PolicyDiagnostic: Error, Sendable, Hashable, Codable, CustomStringConvertible {
    public let file: String
    public let line: Int
    public let column: Int
    public let problem: String
    public let remedy: String

    public init(file: String, line: Int, column: Int, problem: String, remedy: String) {
        self.file = file
        self.line = line
        self.column = column
        self.problem = problem
        self.remedy = remedy
    }

    public var description: String { "\(file):\(line):\(column): \(problem); \(remedy)" }
}

/// All mistakes of a set of files: it is not put in force.
public struct PolicyLoadError: Error, Sendable, CustomStringConvertible {
    public let diagnostics: [PolicyDiagnostic]

    public init(diagnostics: [PolicyDiagnostic]) { self.diagnostics = diagnostics }

    public var description: String { diagnostics.map(\.description).joined(separator: "\n") }
}

/// Which policy decided: the git commit where it is known, else the digest of the files.
public struct PolicyVersion: Sendable, Hashable, Codable, CustomStringConvertible {
    public let contentDigest: Digest
    public let commit: String?

    public init(files: [PolicyFile], commit: String?) {
        var bytes = Data()
        for file in files.sorted(by: { $0.path < $1.path }) {
            bytes.append(Data("\(file.path)\u{0}\(file.text.utf8.count)\u{0}".utf8))
            bytes.append(Data(file.text.utf8))
        }
        contentDigest = Digest(hashing: bytes)
        self.commit = commit
    }

    public var description: String { commit ?? contentDigest.description }
}
