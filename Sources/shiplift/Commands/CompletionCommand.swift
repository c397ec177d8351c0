import ArgumentParser

/// `shiplift completion`
struct CompletionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "completion", abstract: "Prints the script that completes this command in your shell.",
        discussion: """
            Examples:
              shiplift completion bash > /etc/bash_completion.d/shiplift
              shiplift completion zsh  > ~/.zsh/completions/_shiplift        # a folder of $fpath
              shiplift completion fish > ~/.config/fish/completions/shiplift.fish
            """)

    enum Shell: String, ExpressibleByArgument, CaseIterable { case bash, zsh, fish }

    @Argument(help: "bash, zsh or fish.")
    var shell: Shell

    func run() throws {
        let kind: CompletionShell =
            switch shell {
            case .bash: .bash
            case .zsh: .zsh
            case .fish: .fish
            }
        Output.line(Shiplift.completionScript(for: kind))
    }
}
