public import HummingbirdCore
import HTTPTypes
public import NIOCore
public import NIOHTTPTypes

/// How long a caller may take to say what it wants.
public struct RequestDeadlineSettings: Sendable {
    /// From a connection's beginning to the end of its first request's head.
    public var head: TimeAmount = .seconds(10)
    /// From a head's end to its body's.
    public var body: TimeAmount = .seconds(30)
    /// Between two requests of a connection, the next one's head included.
    public var idle: TimeAmount = .seconds(75)
    /// Between two looks at the clock.
    public var look: TimeAmount = .seconds(2)

    public init() {}

    /// HTTP/1.1 with these deadlines and with bounded heads.
    public func http1() -> HTTP1Channel.Configuration {
        HTTP1Channel.Configuration(
            additionalChannelHandlers: [RequestDeadlines(self)], idleTimeout: nil,
            httpDecoderConfiguration: .init(maxHeaderFieldSize: 16 << 10, maxHeaderListSize: 32 << 10, maxHeaderFieldCount: 100))
    }
}

/// Cuts off who sends a request slower than is honest: a few bytes a second would hold a connection for ever.
///
/// What the service needs for its answer is not limited here.
public final class RequestDeadlines: ChannelDuplexHandler, RemovableChannelHandler {
    public typealias InboundIn = HTTPRequestPart
    public typealias InboundOut = HTTPRequestPart
    public typealias OutboundIn = HTTPResponsePart
    public typealias OutboundOut = HTTPResponsePart

    private let settings: RequestDeadlineSettings
    /// When the part that is being waited for must be there; `nil` while the service answers.
    private var deadline: NIODeadline?
    private var isReadingBody = false
    private var look: RepeatedTask?

    public init(_ settings: RequestDeadlineSettings) { self.settings = settings }

    public func handlerAdded(context: ChannelHandlerContext) { if context.channel.isActive { begin(context) } }
    public func handlerRemoved(context: ChannelHandlerContext) { end() }

    public func channelActive(context: ChannelHandlerContext) {
        begin(context)
        context.fireChannelActive()
    }

    public func channelInactive(context: ChannelHandlerContext) {
        end()
        context.fireChannelInactive()
    }

    public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head:
            isReadingBody = true
            deadline = .now() + settings.body
        case .body: break
        case .end:
            isReadingBody = false
            deadline = nil
        }
        context.fireChannelRead(data)
    }

    public func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .end = unwrapOutboundIn(data), !isReadingBody { deadline = .now() + settings.idle }
        context.write(data, promise: promise)
    }

    private func begin(_ context: ChannelHandlerContext) {
        guard look == nil else { return }
        deadline = .now() + settings.head
        let loopBound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        look = context.eventLoop.scheduleRepeatedTask(initialDelay: settings.look, delay: settings.look) { _ in
            let (handler, context) = loopBound.value
            if let deadline = handler.deadline, deadline <= .now() { context.close(promise: nil) }
        }
    }

    private func end() {
        look?.cancel()
        look = nil
    }
}
