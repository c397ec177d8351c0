import OCI

/// Layers that two versions share, and those that they do not.
public struct LayerDifference: Sendable, Hashable {
    public struct Tally: Sendable, Hashable {
        public let layers: Int
        /// As they travel, compressed.
        public let bytes: Int64

        init(_ layers: [Descriptor]) {
            self.layers = layers.count
            bytes = layers.reduce(0) { $0.addingReportingOverflow($1.size).partialValue }
        }
    }

    public let shared: Tally
    public let added: Tally
    public let removed: Tally

    init(from before: [Descriptor], to after: [Descriptor]) {
        let (old, new) = (Set(before.map(\.digest)), Set(after.map(\.digest)))
        shared = Tally(after.filter { old.contains($0.digest) })
        added = Tally(after.filter { !old.contains($0.digest) })
        removed = Tally(before.filter { !new.contains($0.digest) })
    }
}
