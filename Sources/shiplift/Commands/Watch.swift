import APIModel
import ArgumentParser
import Foundation

/// `shiplift watch`
struct Watch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch",
        abstract: "Follows a promotion to its end: states, decisions and progress, as they happen.",
        discussion: """
            With -o json, each event is a line of JSON as the API sends it. Where the connection is lost, it goes on where it was.

            Example:
              shiplift watch 0192f0c1-2345-7abc-8def-0123456789ab
            """)

    @Argument(help: "The promotion's id.")
    var id: String
    @Option(help: "Longest time to follow, in seconds.")
    var timeout = 3_600
    @OptionGroup var service: ServiceOptions

    func run() async throws {
        let client = try service.client()
        let path = "/v1/promotions/\(try PathSegment.id(id))"
        let deadline = ContinuousClock.now + .seconds(timeout)
        var place: String?
        var promotion: PromotionResource = try await client.get(path)
        while ContinuousClock.now < deadline {
            let (isJSON, left) = (service.isJSON, max(.seconds(1), ContinuousClock.now.duration(to: deadline)))
            do {
                try await client.events(path + "/events", after: place, timeout: left) { event in
                    if let id = event.id { place = id }
                    try Self.show(event, isJSON)
                }
            } catch let error as ClientError {
                if case .unexpected = error { throw error }
                // The service or the way to it is away for a moment.
                try await Task.sleep(for: .seconds(1))
                continue
            }
            promotion = try await client.get(path)
            if promotion.isFinal { break }
        }
        if !service.isJSON {
            Output.endProgress()
            Output.promotion(promotion)
        }
        let status = ExitStatus(state: promotion.state)
        if status != .done { throw status }
    }

    private static func show(_ event: ServerSentEvent, _ isJSON: Bool) throws {
        if isJSON { return Output.line(event.data) }
        let data = Data(event.data.utf8)
        switch event.name {
        case "state":
            let state = try APIJSON.decoder().decode(StateEventResource.self, from: data)
            Output.endProgress()
            Output.line("\(Output.time(state.at))  \(state.state)")
        case "decision":
            let decision = try APIJSON.decoder().decode(DecisionEventResource.self, from: data).decision
            Output.endProgress()
            for gate in decision.gates where gate.outcome != "allow" { Output.line("  \(gate.outcome == "wait" ? "…" : "✗") \(gate.gate): \(gate.reason)") }
        case "progress": Output.progress(try APIJSON.decoder().decode(ProgressResource.self, from: data))
        default: break
        }
    }
}

/// One event of a stream (HTML §9.2).
struct ServerSentEvent: Equatable {
    var name = "message"
    var id: String?
    var data = ""
}

/// Reads a stream of server-sent events piece by piece.
struct ServerSentEventReader {
    private static let mostBytes = 1 << 20
    private var pending: [UInt8] = []

    /// The events that are complete with these bytes.
    ///
    /// - Throws: `ClientError` where an event is larger than any of the service's.
    mutating func take(_ bytes: some Sequence<UInt8>) throws -> [ServerSentEvent] {
        pending += bytes
        var events: [ServerSentEvent] = []
        while let end = pending.firstRange(of: [0x0A, 0x0A]) {
            let block = String(decoding: pending[..<end.lowerBound], as: UTF8.self)
            pending.removeSubrange(..<end.upperBound)
            if let event = Self.event(block) { events.append(event) }
        }
        guard pending.count <= Self.mostBytes else { throw ClientError.unexpected("the service sent an event without an end") }
        return events
    }

    private static func event(_ block: String) -> ServerSentEvent? {
        var event = ServerSentEvent()
        var lines: [Substring] = []
        for line in block.split(separator: "\n") where !line.hasPrefix(":") {
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            let value = parts.count > 1 ? (parts[1].hasPrefix(" ") ? parts[1].dropFirst() : parts[1]) : ""
            switch parts[0] {
            case "event": event.name = String(value)
            case "id": event.id = String(value)
            case "data": lines.append(value)
            default: break
            }
        }
        event.data = lines.joined(separator: "\n")
        return lines.isEmpty ? nil : event
    }
}
