public import Comparison
public import Foundation
public import OCI
public import PolicyEngine

/// What is in an artifact and what hangs on it, read for people.
public struct InspectedImage: Sendable, Hashable {
    /// A document that nobody trusted signed, and the manifest that it is about.
    public struct Document: Sendable, Hashable {
        public let subject: Digest
        public let bytes: Data

        public init(subject: Digest, bytes: Data) {
            self.subject = subject
            self.bytes = bytes
        }
    }

    public let mediaType: MediaType
    public let annotations: [String: String]
    public let parts: [ImageContents.Part]
    /// All platforms' layers, each once.
    public let layers: [Descriptor]
    /// Bytes of all blobs and manifests, each once.
    public let sizeBytes: Int64
    /// Bills of materials that hang on it unsigned.
    public var documents: [Document] = []
    /// What claims to be signed about it.
    public var signed: [AttachedEvidence.Signed] = []
    /// What was left out, in sentences.
    public var remarks: [String] = []

    public init(mediaType: MediaType, annotations: [String: String], parts: [ImageContents.Part], layers: [Descriptor], sizeBytes: Int64) {
        self.mediaType = mediaType
        self.annotations = annotations
        self.parts = parts
        self.layers = layers
        self.sizeBytes = sizeBytes
    }
}

/// Reading what is in an artifact. Talks only to registries that an environment names.
public protocol ImageInspection: Sendable {
    /// Reads an artifact's manifests, configurations and bills of materials, within bounds, from the first registry of the environment that
    /// has it.
    ///
    /// - Throws: `contentMissing` where none has it.
    func inspect(_ digest: Digest, image: ImageName, in environment: EnvironmentDefinition) async throws(PromotionFailure) -> InspectedImage
}
