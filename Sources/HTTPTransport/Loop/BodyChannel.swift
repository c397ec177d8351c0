import Synchronization

/// Carries a body from the event loop to its reader: a buffer with a limit. The loop is told to hold the transfer when
/// it is full.
final class BodyChannel: Sendable {
    /// Bytes at which the transfer is held; one piece of libcurl's may come on top.
    static let capacity = 256 * 1024

    private struct State {
        var buffer: [UInt8] = []
        var isHeld = false
        /// The end of the body: its failure, or nil inside for a clean one.
        var end: HTTPTransportError??
        var reader: CheckedContinuation<Void, Never>?
        var wake: (@Sendable () -> Void)?
    }

    let url: String
    private let state = Mutex(State())

    init(url: String) {
        self.url = url
    }

    /// What is to be called when a held transfer may go on.
    func onDrain(_ wake: @escaping @Sendable () -> Void) {
        state.withLock { $0.wake = wake }
    }

    /// Takes a piece; false when the reader is behind and the piece must come again.
    func append(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var reader: CheckedContinuation<Void, Never>?
        let isTaken = state.withLock { state in
            guard state.buffer.count < Self.capacity else {
                state.isHeld = true
                return false
            }
            unsafe state.buffer.append(contentsOf: bytes)
            reader = state.reader.take()
            return true
        }
        reader?.resume()
        return isTaken
    }

    /// Marks the end; the first end stays.
    func end(_ failure: HTTPTransportError?) {
        let reader = state.withLock { state in
            if state.end == nil { state.end = .some(failure) }
            state.wake = nil
            return state.reader.take()
        }
        reader?.resume()
    }

    private enum Reading {
        case chunk([UInt8], wake: (@Sendable () -> Void)?)
        case end(HTTPTransportError?)
        case nothingYet
    }

    /// What has arrived since the last call, nil at the end.
    func next() async throws(HTTPTransportError) -> [UInt8]? {
        while true {
            switch state.withLock({ Self.read(&$0) }) {
            case .chunk(let bytes, let wake):
                wake?()
                return bytes
            case .end(let failure):
                if let failure { throw failure }
                return nil
            case .nothingYet:
                await waitForBytes()
            }
        }
    }

    private static func read(_ state: inout State) -> Reading {
        if !state.buffer.isEmpty {
            defer {
                state.buffer = []
                state.isHeld = false
            }
            return .chunk(state.buffer, wake: state.isHeld ? state.wake : nil)
        }
        if let end = state.end { return .end(end) }
        return .nothingYet
    }

    /// Ends with the next piece, the end, or another reader. A cancelled task gets the end: the operation is aborted
    /// then.
    private func waitForBytes() async {
        await withCheckedContinuation { continuation in
            let other = state.withLock { state -> CheckedContinuation<Void, Never>? in
                guard state.buffer.isEmpty, state.end == nil else { return continuation }
                defer { state.reader = continuation }
                return state.reader
            }
            other?.resume()
        }
    }
}
