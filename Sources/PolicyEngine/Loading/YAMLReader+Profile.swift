import Yams

extension YAMLReader {
    /// What an environment says of a registry's abilities.
    mutating func profile(_ node: Node?) -> RegistryDefinition.Profile {
        var profile = RegistryDefinition.Profile()
        let keys = ["mount", "origin", "upload", "chunkSize", "resume", "referrers", "conditionalPut", "tags", "probe"]
        guard let node, let members = members(node, of: "profile", allowed: keys) else { return profile }
        profile.mount = members["mount"].flatMap { choice($0, "mount", RegistryDefinition.Profile.Mount.self) }
        profile.origin = members["origin"].flatMap { bool($0, "origin") }
        profile.upload = members["upload"].flatMap { choice($0, "upload", RegistryDefinition.Profile.Upload.self) }
        profile.chunkSize = members["chunkSize"].flatMap { size($0, "chunkSize", in: 65_536...1 << 40) }
        profile.resume = members["resume"].flatMap { bool($0, "resume") }
        profile.referrers = members["referrers"].flatMap { choice($0, "referrers", RegistryDefinition.Profile.Referrers.self) }
        profile.conditionalPut = members["conditionalPut"].flatMap { bool($0, "conditionalPut") }
        profile.tags = members["tags"].flatMap { choice($0, "tags", RegistryDefinition.Profile.Tags.self) }
        profile.probe = members["probe"].flatMap { bool($0, "probe") }
        return profile
    }

    /// A number of bytes: `8MiB`, or a whole number.
    mutating func size(_ node: Node, _ what: String, in range: ClosedRange<Int64>) -> Int64? {
        guard let text = string(node, what) else { return nil }
        guard let bytes = Int64(text) ?? ByteSize(parsing: text)?.bytes, range.contains(bytes) else {
            report(node, "'\(text)' is no \(what)", "write a size such as 8MiB, from \(range.lowerBound) bytes")
            return nil
        }
        return bytes
    }
}
