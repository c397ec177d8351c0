/// A service that is asked whether a promotion may go on. Policies name it; what it is and how to reach it stands in the environments file.
public struct CheckEndpoint: Sendable, Hashable {
    /// Where the shared secret stands that signs questions and answers.
    public enum SecretReference: Sendable, Hashable {
        case file(String)
        case environment(String)
    }

    public let name: String
    public let source: SourceLocation
    /// `https://HOST[:PORT]/PATH`; `http://` only where the file says that the network is ours.
    public let url: String
    public let secret: SecretReference
    public let timeout: PolicyDuration
    public let caFile: String?
}
