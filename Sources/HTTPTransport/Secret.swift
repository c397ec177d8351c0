/// A credential that does not print itself: description, debugger, `dump` and string interpolation show `***`.
///
/// Two secrets are compared in time that depends on their lengths only. It is deliberately not `Codable`.
public struct Secret: Sendable, Equatable {
    private let value: String

    /// Wraps a credential.
    public init(_ value: String) {
        self.value = value
    }

    /// The credential itself. Each call is a place to look at when one asks where secrets go.
    public func reveal() -> String {
        value
    }

    /// Whether there is nothing in it.
    public var isEmpty: Bool { value.isEmpty }

    /// Compares every byte, whatever the first ones say, so that the time taken tells nothing about where they differ.
    public static func == (left: Secret, right: Secret) -> Bool {
        var difference: UInt8 = left.value.utf8.count == right.value.utf8.count ? 0 : 1
        for (a, b) in zip(left.value.utf8, right.value.utf8) { difference |= a ^ b }
        return difference == 0
    }
}

extension Secret: Hashable {
    /// Hashes the credential with the process's random seed; the result does not leave the process.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(value)
    }
}

extension Secret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Always `***`.
    public var description: String { "***" }
    /// Always `***`.
    public var debugDescription: String { "***" }
    /// No children.
    public var customMirror: Mirror { Mirror(self, children: [], displayStyle: .struct) }
}
