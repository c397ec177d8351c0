/// A signature algorithm of JSON Web Tokens (RFC 7518 §3.1, RFC 8037 §3.1). There is none with a shared secret and no `none`: whoever can check a
/// token must not be able to make one.
public enum WebTokenAlgorithm: String, Sendable, Hashable, Codable, CaseIterable {
    case rs256 = "RS256"
    case rs384 = "RS384"
    case rs512 = "RS512"
    case ps256 = "PS256"
    case ps384 = "PS384"
    case ps512 = "PS512"
    case es256 = "ES256"
    case es384 = "ES384"
    case es512 = "ES512"
    case edDSA = "EdDSA"
}
