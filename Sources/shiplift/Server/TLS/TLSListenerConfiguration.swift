import Foundation
import NIOSSL

/// TLS at the service's own port, from files in PEM.
struct TLSListenerConfiguration: Sendable {
    /// Whether clients show a certificate.
    enum ClientCertificates: String, CaseIterable {
        case required, optional
    }

    let certificateFile: String
    let keyFile: String
    let minimumVersion: TLSVersion
    /// Authorities of clients' certificates; nil: none is asked for.
    let clientAuthorityFile: String?
    let clientCertificates: ClientCertificates

    static let names = ["tls_certificate", "tls_key", "tls_minimum", "tls_client_ca", "tls_client_certificates"]

    /// `nil` where no certificate is named.
    init?(_ value: (String) -> String?) throws {
        guard let certificate = value("tls_certificate") else {
            if let alone = Self.names.first(where: { value($0) != nil }) { throw ConfigurationError(description: "\(alone) needs tls_certificate and tls_key") }
            return nil
        }
        guard let key = value("tls_key") else { throw ConfigurationError(description: "tls_certificate needs tls_key: the file with its private key") }
        (certificateFile, keyFile) = (certificate, key)
        switch value("tls_minimum") ?? "1.2" {
        case "1.2": minimumVersion = .tlsv12
        case "1.3": minimumVersion = .tlsv13
        case let other: throw ConfigurationError(description: "tls_minimum '\(other)' is neither 1.2 nor 1.3")
        }
        clientAuthorityFile = value("tls_client_ca")
        let mode = value("tls_client_certificates")
        if mode != nil, clientAuthorityFile == nil { throw ConfigurationError(description: "tls_client_certificates needs tls_client_ca: whose certificates count") }
        guard let clients = ClientCertificates(rawValue: mode ?? "required") else {
            throw ConfigurationError(description: "tls_client_certificates '\(mode ?? "")' is none of: \(ClientCertificates.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        clientCertificates = clients
    }

    private var files: [String] { [certificateFile, keyFile] + [clientAuthorityFile].compactMap(\.self) }

    /// The files' bytes as they are now.
    func read() throws -> TLSMaterial {
        var contents: [String: Data] = [:]
        for file in files {
            do { contents[file] = try Data(contentsOf: URL(fileURLWithPath: file)) } catch { throw ConfigurationError(description: "\(file) can't be read") }
        }
        return TLSMaterial(contents: contents)
    }

    /// - Throws: `ConfigurationError` that names the file that is wrong.
    func chain(_ material: TLSMaterial) throws -> [NIOSSLCertificate] { try certificates(certificateFile, material) }

    /// The server's side of TLS with these files.
    func tls(_ material: TLSMaterial) throws -> TLSConfiguration {
        let key: NIOSSLPrivateKey
        do { key = try NIOSSLPrivateKey(bytes: material.bytes(keyFile), format: .pem) } catch {
            throw ConfigurationError(description: "\(keyFile) holds no private key in PEM; an encrypted one can't be used")
        }
        var tls = TLSConfiguration.makeServerConfiguration(certificateChain: try chain(material).map { .certificate($0) }, privateKey: .privateKey(key))
        tls.minimumTLSVersion = minimumVersion
        if let clientAuthorityFile {
            tls.trustRoots = .certificates(try certificates(clientAuthorityFile, material))
            tls.certificateVerification = clientCertificates == .required ? .noHostnameVerification : .optionalVerification
        }
        // Made here as well, since only this shows whether the two belong together.
        do { _ = try NIOSSLContext(configuration: tls) } catch {
            throw ConfigurationError(description: "the certificate in \(certificateFile) and the key in \(keyFile) don't belong together")
        }
        return tls
    }

    private func certificates(_ file: String, _ material: TLSMaterial) throws -> [NIOSSLCertificate] {
        do {
            let found = try NIOSSLCertificate.fromPEMBytes(material.bytes(file))
            if !found.isEmpty { return found }
        } catch { throw ConfigurationError(description: "\(file) holds no certificates in PEM") }
        throw ConfigurationError(description: "\(file) holds no certificates in PEM")
    }
}

/// What the files held when they were read. It prints nothing of it.
struct TLSMaterial: Hashable, Sendable, CustomStringConvertible, CustomReflectable {
    fileprivate let contents: [String: Data]

    fileprivate func bytes(_ file: String) -> [UInt8] { contents[file].map(Array.init) ?? [] }

    var description: String { "certificates and a key" }
    var customMirror: Mirror { Mirror(self, children: [], displayStyle: .struct) }
}
