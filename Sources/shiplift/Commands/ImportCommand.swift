import ArgumentParser
import Foundation
import PolicyEngine
import PolicyImport

/// `shiplift import`
struct ImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Turns other tools' files into a folder of policies.",
        discussion: """
            Needs no service. What our words can't say is reported with its file and line, and nothing becomes wider than it was: a rule that \
            can't be said whole is left out. Single digests become commands in promotions.sh. No password is taken over. The folder that is \
            written passes 'shiplift policy check'. Exit status 0: written. 2: a file can't be read, or with --strict there are remarks.

            Examples:
              shiplift import kpromo manifests/shop/promoter-manifest.yaml images/shop/images.yaml --output Policies
              shiplift import regsync regsync.yml --output Policies
              shiplift import skopeo-sync sync.yml --target registry.example.com/mirror --output Policies
              curl -s https://harbor.example.com/api/v2.0/replication/policies > policies.json
              shiplift import harbor policies.json --local https://harbor.example.com --output Policies
            """)

    @Argument(
        help: "kpromo, regsync, skopeo-sync or harbor.", completion: .list(ImportFormat.allCases.map(\.rawValue)),
        transform: { text in
            guard let format = ImportFormat(rawValue: text) else { throw ValidationError("'\(text)' is none of kpromo, regsync, skopeo-sync and harbor") }
            return format
        })
    var format: ImportFormat
    @Argument(help: "The files.")
    var files: [String]
    @Option(help: "The folder to write; it must be empty or absent.")
    var output: String
    @Option(help: "How the source environment is called, where there are only two.")
    var from = "staging"
    @Option(help: "How the target environment is called, where there are only two.")
    var to = "production"
    @Option(help: "skopeo-sync: the destination on its command line, REGISTRY/PATH.")
    var target: String?
    @Flag(help: "skopeo-sync: it was called with --scoped.")
    var scoped = false
    @Option(help: "harbor: the address of the Harbor that the policies are of.")
    var local: String?
    @Flag(help: "Remarks are mistakes.")
    var strict = false

    func run() throws {
        for name in [from, to] where EnvironmentName(parsing: name) == nil { throw ConfigurationError(description: "'\(name)' is no environment name") }
        guard from != to else { throw ConfigurationError(description: "--from and --to must differ") }
        var options = ImportOptions()
        (options.from, options.to, options.target, options.isScoped, options.local) = (from, to, target, scoped, local)
        let texts = try files.map { path in
            do { return (name: URL(fileURLWithPath: path).lastPathComponent, text: try String(contentsOfFile: path, encoding: .utf8)) } catch {
                throw ConfigurationError(description: "\(path) can't be read")
            }
        }
        let imported: ImportedFolder
        do { imported = try PolicyImport.folder(format, files: texts, options: options) } catch { throw ConfigurationError(description: "\(error)") }
        try write(imported)
        for remark in imported.remarks { Output.error("\(remark)") }
        _ = try PolicyFolder.load(output)
        Output.line("\(imported.files.count) files in \(output), \(imported.remarks.count) remarks; next: shiplift policy check \(output)")
        if strict, !imported.remarks.isEmpty { throw ExitStatus.usage }
    }

    private func write(_ imported: ImportedFolder) throws {
        let folder = URL(fileURLWithPath: output)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        guard try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty else {
            throw ConfigurationError(description: "\(output) is not empty: nothing in it is overwritten")
        }
        for (name, text) in imported.files { try Data(text.utf8).write(to: folder.appendingPathComponent(name)) }
    }
}
