import APIModel
import Foundation
import Logging

/// Writes a log line as one JSON object to standard error.
struct JSONLogHandler: LogHandler {
    let label: String
    var logLevel: Logger.Level = .info
    var metadata: Logger.Metadata = [:]

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var line = [
            "time": Date().formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true)), "level": event.level.rawValue, "message": "\(event.message)", "logger": label,
        ]
        for (key, value) in metadata.merging(event.metadata ?? [:], uniquingKeysWith: { _, new in new }) { line[key] = "\(value)" }
        // A dictionary of strings always encodes; where it does not, the message still gets out.
        let bytes: Data
        do { bytes = try APIJSON.encoder().encode(line) } catch { bytes = Data("{\"message\":\"a log line could not be encoded\"}".utf8) }
        FileHandle.standardError.write(bytes + Data("\n".utf8))
    }
}
