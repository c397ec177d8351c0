public import Foundation
public import OCI

/// A package in one version.
public struct Package: Sendable, Hashable {
    /// `deb`, `npm`, `operating-system`; empty where it is not known.
    public let type: String
    public let name: String
    public let version: String?

    public init(type: String, name: String, version: String?) {
        self.type = type
        self.name = name
        self.version = version
    }
}

/// A bill of materials: SPDX 2.x or CycloneDX, in JSON, read without trust.
public struct BillOfMaterials: Sendable, Hashable {
    public enum Format: String, Sendable, Hashable, CaseIterable { case spdx, cyclonedx }

    /// How far it may be believed, the better ones first.
    public enum Origin: Sendable, Hashable, Comparable {
        /// In an attestation by a trusted signer.
        case signed(by: String)
        /// It hangs on the image, signed by nobody who is trusted.
        case attached
        /// Posted by a pipeline.
        case posted(by: String)

        public static func < (lhs: Origin, rhs: Origin) -> Bool { lhs.rank < rhs.rank }

        private var rank: Int {
            switch self {
            case .signed: 0
            case .attached: 1
            case .posted: 2
            }
        }
    }

    /// Largest document, in bytes.
    public static let maximumBytes = 32 << 20
    /// Most packages of one document.
    public static let maximumPackages = 50_000

    public let format: Format
    /// What it describes: the artifact, or one of its platforms.
    public let subject: Digest
    public let origin: Origin
    public let packages: Set<Package>

    public init(format: Format, subject: Digest, origin: Origin, packages: Set<Package>) {
        self.format = format
        self.subject = subject
        self.origin = origin
        self.packages = packages
    }

    /// Reads a document, or the in-toto statement around one.
    ///
    /// - Throws: `BillOfMaterialsError`, whose description says what is wrong.
    public init(parsing data: Data, about subject: Digest, origin: Origin) throws(BillOfMaterialsError) {
        guard data.count <= Self.maximumBytes else { throw .tooLarge(limit: Self.maximumBytes) }
        let document: Document
        do { document = try JSONDecoder().decode(Document.self, from: data) } catch { throw .malformed }
        let (format, packages) = try document.read()
        guard packages.count <= Self.maximumPackages else { throw .tooManyPackages(limit: Self.maximumPackages) }
        self.init(format: format, subject: subject, origin: origin, packages: packages)
    }

    /// Whether a JSON object says that it is one of the two.
    public static func isOne(_ data: Data) -> Bool {
        struct Sniff: Decodable {
            let spdxVersion: String?
            let bomFormat: String?
        }
        do {
            let sniff = try JSONDecoder().decode(Sniff.self, from: data)
            return sniff.spdxVersion != nil || sniff.bomFormat == "CycloneDX"
        } catch { return false }
    }

    /// One of the forms, told apart by the keys that only it has.
    private struct Document: Decodable {
        let spdx: SPDXDocument?
        let cyclonedx: CycloneDXDocument?

        private enum Key: String, CodingKey { case spdxVersion, bomFormat, predicate, predicateType }

        init(from decoder: any Decoder) throws {
            var decoder = decoder
            let outer = try decoder.container(keyedBy: Key.self)
            if outer.contains(.predicateType), outer.contains(.predicate) { decoder = try outer.superDecoder(forKey: .predicate) }
            let container = try decoder.container(keyedBy: Key.self)
            spdx = container.contains(.spdxVersion) ? try SPDXDocument(from: decoder) : nil
            cyclonedx = container.contains(.bomFormat) ? try CycloneDXDocument(from: decoder) : nil
        }

        func read() throws(BillOfMaterialsError) -> (Format, Set<Package>) {
            switch (spdx, cyclonedx) {
            case (let spdx?, nil):
                guard spdx.spdxVersion.hasPrefix("SPDX-2.") else { throw .unknownVersion(Shown.text(spdx.spdxVersion, limit: 40)) }
                return (.spdx, Set((spdx.packages ?? []).compactMap(\.package)))
            case (nil, let cyclonedx?):
                guard cyclonedx.bomFormat == "CycloneDX" else { throw .malformed }
                return (.cyclonedx, cyclonedx.all)
            default: throw .malformed
            }
        }
    }
}

/// Why a bill of materials is not read.
public enum BillOfMaterialsError: Error, Sendable, Hashable, CustomStringConvertible {
    case tooLarge(limit: Int)
    case tooManyPackages(limit: Int)
    case unknownVersion(String)
    case malformed

    public var description: String {
        switch self {
        case .tooLarge(let limit): "it has more than \(limit) bytes"
        case .tooManyPackages(let limit): "it names more than \(limit) packages"
        case .unknownVersion(let version): "its version '\(version)' is not known; SPDX 2.x and CycloneDX are read"
        case .malformed: "it is neither SPDX 2.x nor CycloneDX in JSON"
        }
    }
}
