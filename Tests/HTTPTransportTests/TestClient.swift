import HTTPTransport
import Logging

/// Runs `body` with a client of its own and shuts it down afterwards.
func withClient<R>(_ body: (HTTPClient) async throws -> R) async throws -> R {
    let client = try HTTPClient(logger: Logger(label: "test"))
    do {
        let result = try await body(client)
        await client.shutdown()
        return result
    } catch {
        await client.shutdown()
        throw error
    }
}

/// Settings with which a broken test ends soon.
func quickSettings(_ change: (inout ConnectionSettings) -> Void = { _ in }) -> ConnectionSettings {
    var settings = ConnectionSettings()
    settings.stallTimeout = .seconds(10)
    change(&settings)
    return settings
}

/// The error that `body` throws, nil when it throws none or another one.
func transportError(_ body: () async throws -> Void) async -> HTTPTransportError? {
    do {
        try await body()
        return nil
    } catch {
        return error as? HTTPTransportError
    }
}
