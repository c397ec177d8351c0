public import Foundation
public import OCI

/// Something found beside a manifest that claims to be signed: the bytes as they came, nothing believed yet.
public struct SignedAttachment: Sendable, Hashable {
    public enum Form: Sendable, Hashable {
        /// cosign's signature over a simple-signing payload.
        case simpleSigning(Data)
        /// A DSSE envelope.
        case envelope(Data)
        /// A sigstore bundle.
        case bundle(Data)
        /// Notation's JSON Web Signature.
        case notation(Data)
    }

    public let form: Form
    /// The layer's annotations: cosign keeps the signature, certificate and log entry there.
    public let annotations: [String: String]
    /// The manifest that it was found in.
    public let evidence: Digest?

    public init(_ form: Form, annotations: [String: String] = [:], evidence: Digest? = nil) {
        self.form = form
        self.annotations = annotations
        self.evidence = evidence
    }
}

/// What a layer of a manifest beside an image holds, as its media type says.
public enum AttachedLayer: Sendable, Hashable {
    case signed(Descriptor, Kind)
    /// A bill of materials without a signature; nothing of it has to be read.
    case sbom(Descriptor, SBOM)

    public enum Kind: Sendable, Hashable { case simpleSigning, envelope, bundle, notation }
    public enum SBOM: Sendable, Hashable { case spdx, cyclonedx }

    /// Most bytes of a layer of this kind.
    public static func maximumBytes(_ kind: Kind) -> Int {
        switch kind {
        case .simpleSigning: SimpleSigning.maximumBytes
        case .envelope: Envelope.maximumBytes
        case .bundle: SigstoreBundle.maximumBytes
        case .notation: NotationEnvelope.maximumBytes
        }
    }

    /// The layers of a manifest that say something about its subject.
    public static func all(of manifest: Manifest) -> [AttachedLayer] {
        let layers: [Descriptor]
        switch manifest.content {
        case .image(_, let list): layers = list
        case .artifact(let blobs): layers = blobs
        case .index, .opaque: return []
        }
        return layers.compactMap { layer in
            let type = layer.mediaType.description
            switch type {
            case "application/vnd.dev.cosign.simplesigning.v1+json": return .signed(layer, .simpleSigning)
            case "application/vnd.dsse.envelope.v1+json": return .signed(layer, .envelope)
            case "application/jose+json" where manifest.artifactType == "application/vnd.cncf.notary.signature": return .signed(layer, .notation)
            case "text/spdx", "text/spdx+json", "application/spdx+json": return .sbom(layer, .spdx)
            case "application/vnd.cyclonedx", "application/vnd.cyclonedx+json", "application/vnd.cyclonedx+xml": return .sbom(layer, .cyclonedx)
            default: return type.hasPrefix("application/vnd.dev.sigstore.bundle") ? .signed(layer, .bundle) : nil
            }
        }
    }

    /// The attachment, once the layer's bytes are there and are what the descriptor says.
    public static func attachment(_ kind: Kind, _ layer: Descriptor, bytes: Data, evidence: Digest) -> SignedAttachment {
        let form: SignedAttachment.Form =
            switch kind {
            case .simpleSigning: .simpleSigning(bytes)
            case .envelope: .envelope(bytes)
            case .bundle: .bundle(bytes)
            case .notation: .notation(bytes)
            }
        return SignedAttachment(form, annotations: layer.annotations, evidence: evidence)
    }
}
