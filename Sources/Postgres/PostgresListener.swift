import CPostgres
import Foundation
public import Logging
import Synchronization

/// Listens on channels with a connection and a thread of its own, and connects again by itself.
///
/// A notification is a hint: after each (re)connect one wake-up is given, since some may have been missed.
public struct PostgresListener: Sendable {
    private let configuration: PostgresConfiguration
    private let channels: [StaticString]
    private let logger: Logger

    public init(configuration: PostgresConfiguration, channels: [StaticString], logger: Logger) {
        self.configuration = configuration
        self.channels = channels
        self.logger = logger
    }

    /// Wake-ups, coalesced. Listening ends when the stream is no longer read.
    public func wakeUps() -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let stop = StopFlag()
        continuation.onTermination = { _ in stop.set() }
        let thread = Thread { run(continuation, stop) }
        thread.name = "postgres-listen"
        thread.start()
        return stream
    }

    private final class StopFlag: Sendable {
        private let flag = Mutex(false)
        var isSet: Bool { flag.withLock { $0 } }
        func set() { flag.withLock { $0 = true } }
    }

    private func run(_ continuation: AsyncStream<Void>.Continuation, _ stop: StopFlag) {
        var pause: UInt32 = 100_000
        while !stop.isSet {
            do throws(PostgresError) {
                let session = try Session(configuration, logger: logger)
                for channel in channels { try session.runScript("LISTEN \(channel)") }
                continuation.yield()
                pause = 100_000
                try receive(session, continuation, stop)
            } catch {
                logger.warning("listening for notifications failed, will connect again", metadata: ["error": "\(error)"])
                usleep(pause)
                pause = min(pause * 2, 5_000_000)
            }
        }
    }

    private func receive(_ session: Session, _ continuation: AsyncStream<Void>.Continuation, _ stop: StopFlag) throws(PostgresError) {
        while !stop.isSet {
            var descriptor = pollfd(fd: session.socket, events: Int16(POLLIN), revents: 0)
            // Half a second bounds how long a stopped listener lives on.
            let ready = unsafe poll(&descriptor, 1, 500)
            if ready > 0, !(try session.consumeNotifications()).isEmpty { continuation.yield() }
        }
    }
}
