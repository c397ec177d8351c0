public import OCI
public import PolicyEngine

/// One version of an image, as far as it could be read: what ``ImageDifference`` compares.
public struct ImageContents: Sendable, Hashable {
    /// One platform's image.
    public struct Part: Sendable, Hashable {
        public let platform: Platform
        public let digest: Digest
        public let annotations: [String: String]
        /// `nil` where it could not be read.
        public let runtime: RuntimeConfiguration?

        public init(platform: Platform, digest: Digest, annotations: [String: String] = [:], runtime: RuntimeConfiguration?) {
            self.platform = platform
            self.digest = digest
            self.annotations = annotations
            self.runtime = runtime
        }
    }

    public let digest: Digest
    public var mediaType: MediaType
    /// Annotations of the root manifest.
    public var annotations: [String: String] = [:]
    public var parts: [Part] = []
    /// All platforms' layers, each once.
    public var layers: [Descriptor] = []
    /// Bytes of all blobs and manifests, each once.
    public var sizeBytes: Int64 = 0
    /// What was found that says which packages are in it.
    public var boms: [BillOfMaterials] = []
    /// Scans as the gates count them, of the artifact or its platforms; `nil` where nobody looked.
    public var scans: [ScanFact]?

    public init(digest: Digest, mediaType: MediaType) {
        self.digest = digest
        self.mediaType = mediaType
    }
}

/// A text from outside in a form that can be shown: bounded, on one line, and without characters that make it look like another text.
public enum Shown {
    /// Most characters of a text.
    public static let limit = 300

    public static func text(_ text: String, limit: Int = Shown.limit) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars.prefix(limit) {
            switch scalar.properties.generalCategory {
            // Line breaks and what changes the direction or hides (https://trojansource.codes).
            case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate, .unassigned: result.append("\u{FFFD}")
            default: result.append(scalar)
            }
        }
        return String(result) + (text.unicodeScalars.count > limit ? "…" : "")
    }
}
