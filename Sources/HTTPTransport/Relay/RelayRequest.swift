/// One blob on its way from a source to any number of targets: read once, hashed on the way, sent to each.
public struct RelayRequest: Sendable {
    /// The algorithm of the blob's digest.
    public enum Algorithm: String, Hashable, Sendable {
        case sha256
        case sha512
    }

    /// The request that reads the blob; its URL is the last one of any redirects.
    public var source: HTTPRequest
    /// How the source is reached.
    public var sourceSettings: ConnectionSettings
    /// The blob's size in bytes.
    public var expectedBytes: Int64
    /// The algorithm of its digest.
    public var algorithm: Algorithm
    /// Its digest in lower-case hexadecimal.
    public var expectedHex: String
    /// Where it goes; each with an id of its own.
    public var targets: [RelayTarget]
    /// How often a broken source is asked for the rest.
    public var maximumSourceResumes: Int
    /// Where an earlier relay of the same blob stood: what every target has need not be read again.
    public var resumption: RelayCheckpoint?
    /// Called from the event loop at most ten times a second; it must not block.
    public var progress: (@Sendable (RelayProgress) -> Void)?

    /// A relay with these parts.
    public init(
        source: HTTPRequest, sourceSettings: ConnectionSettings, expectedBytes: Int64, algorithm: Algorithm = .sha256,
        expectedHex: String, targets: [RelayTarget], maximumSourceResumes: Int = 3, resumption: RelayCheckpoint? = nil,
        progress: (@Sendable (RelayProgress) -> Void)? = nil
    ) {
        self.source = source
        self.sourceSettings = sourceSettings
        self.expectedBytes = expectedBytes
        self.algorithm = algorithm
        self.expectedHex = expectedHex
        self.targets = targets
        self.maximumSourceResumes = maximumSourceResumes
        self.resumption = resumption
        self.progress = progress
    }
}

/// One receiver of a relayed blob.
public struct RelayTarget: Sendable {
    /// The caller's number for it.
    public var id: Int
    /// A PUT, PATCH or POST without a body; its body is the blob from `offset` on, or the first part of that.
    public var request: HTTPRequest
    /// How the target is reached.
    public var settings: ConnectionSettings
    /// Bytes at the blob's beginning that the target has.
    public var offset: Int64
    /// How the rest is cut; nil: it goes in one body, which ends the upload.
    public var parts: RelayParts?

    /// A target with these parts.
    public init(id: Int, request: HTTPRequest, settings: ConnectionSettings, offset: Int64 = 0, parts: RelayParts? = nil) {
        self.id = id
        self.request = request
        self.settings = settings
        self.offset = offset
        self.parts = parts
    }
}

/// A blob that goes in bodies of a certain size, and a last request without one.
public struct RelayParts: Sendable {
    /// Bytes of each body; the last one's may be fewer.
    public var size: Int64
    /// The request that follows a success: for the bytes from an offset on, so many, or for none when all have been sent. Nil where the
    /// answer is no reason to go on: it is then the outcome. Called from the event loop; it must not block.
    public var next: @Sendable (_ answer: HTTPResponse, _ offset: Int64, _ bytes: Int64) -> HTTPRequest?

    /// Parts of `size` bytes.
    public init(size: Int64, next: @escaping @Sendable (_ answer: HTTPResponse, _ offset: Int64, _ bytes: Int64) -> HTTPRequest?) {
        self.size = size
        self.next = next
    }
}

/// How far a relay is.
public struct RelayProgress: Hashable, Sendable {
    /// Bytes of the blob read from the source.
    public let bytesRead: Int64
    /// Bytes of the blob sent, by target.
    public let bytesSent: [Int: Int64]
}

/// What came of a relay.
public enum RelayOutcome: Sendable {
    /// The source gave no blob (a redirect, 401, 404, 429, 5xx…): no target was contacted. At most 64 KiB of the body
    /// are kept.
    case sourceRefused(HTTPResponse)
    /// The source began to answer; each target has its own end.
    case relayed(RelayReport)
}

/// The end of a relay that began.
public struct RelayReport: Sendable {
    /// What a target came to.
    public enum TargetOutcome: Hashable, Sendable {
        /// The target answered, which is not yet a success: its status says.
        case answered(HTTPResponse)
        /// There was no answer; the target never received the whole body unless the connection broke after it.
        case failed(HTTPTransportError)
    }

    /// Whether the source's bytes were the promised ones.
    public enum Verdict: Hashable, Sendable {
        /// Size and digest agree.
        case verified
        /// The source's bytes are wrong or incomplete; no target received the last of them.
        case refused(HTTPTransportError)
        /// Every target ended before the source did, so it was not read to its end.
        case undetermined
    }

    /// What each target came to, by its id.
    public let targets: [Int: TargetOutcome]
    /// The verdict on the source's bytes.
    public let verdict: Verdict
    /// Bytes read from the source, discarded prefixes of resumed answers included.
    public let sourceBytes: Int64
    /// How often the source was asked for the rest.
    public let resumes: Int
    /// The most bytes that stood in the ring at once.
    public let peakBufferedBytes: Int
    /// By target: bytes of the blob that have left for it, at most; those that it had before included.
    public let bytesSent: [Int: Int64]
    /// By target that takes parts: where the last part went, which is where its upload stands.
    public let partURLs: [Int: HTTPURL]
    /// Where another relay of the blob can go on.
    public let checkpoint: RelayCheckpoint?
}
