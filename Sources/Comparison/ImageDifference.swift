public import OCI

/// A value on both sides of a comparison; `nil` where that side has none. Texts are fit to be shown.
public struct Change: Sendable, Hashable {
    public let name: String
    public let before: String?
    public let after: String?
    /// The platforms that it concerns; empty where it concerns all.
    public let platforms: [Platform]

    public init(name: String, before: String?, after: String?, platforms: [Platform] = []) {
        self.name = name
        self.before = before
        self.after = after
        self.platforms = platforms
    }
}

/// What a person has to know before one version of an image takes another one's place.
///
/// A pure function of the two; where there is nothing before, everything is new.
public struct ImageDifference: Sendable, Hashable {
    public let source: SourceDifference
    /// What the image says it was built on; `nil` where neither says so.
    public let base: [Change]
    public let platformsAdded: [Platform]
    public let platformsRemoved: [Platform]
    public let platformsKept: [Platform]
    /// Entry point, command, user, working folder, ports, volumes, stop signal, and environment variables as `env NAME`.
    public let configuration: [Change]
    public let labels: [Change]
    public let annotations: [Change]
    /// `nil` where no bill of materials of the new version was found.
    public let packages: PackageDifference?
    /// `nil` where no scan of the new version is known.
    public let vulnerabilities: VulnerabilityDifference?
    public let layers: LayerDifference
    public let sizeBefore: Int64?
    public let sizeAfter: Int64
    /// What limits how far the two can be compared, in sentences.
    public let remarks: [String]

    public init(from before: ImageContents?, to after: ImageContents) {
        let parts = PairedParts(before?.parts ?? [], after.parts)
        source = SourceDifference(from: before, to: after)
        base = SourceDifference.baseChanges(from: before, to: after)
        platformsAdded = parts.added
        platformsRemoved = parts.removed
        platformsKept = parts.pairs.compactMap { $0.before == nil ? nil : $0.after.platform }
        configuration = parts.changes { Self.settings($0) }
        labels = parts.changes { ($0.runtime?.labels ?? [:]).map { (Shown.text($0.key), SecretMask.shown($0.value, named: $0.key), $0.value) } }
        annotations = Self.changes(Self.annotations(before), Self.annotations(after), platforms: [])
        layers = LayerDifference(from: before?.layers ?? [], to: after.layers)
        sizeBefore = before?.sizeBytes
        sizeAfter = after.sizeBytes
        var remarks: [String] = []
        packages = PackageDifference(from: before, to: after, remarks: &remarks)
        vulnerabilities = VulnerabilityDifference(from: before, to: after, remarks: &remarks)
        self.remarks = remarks
    }

    /// A value to be shown, with the one to be compared: two secrets differ although they look alike.
    typealias Setting = (name: String, shown: String, value: String)

    private static func annotations(_ contents: ImageContents?) -> [Setting] {
        (contents?.annotations ?? [:]).map { (Shown.text($0.key), SecretMask.shown($0.value, named: $0.key), $0.value) }
    }

    /// What the configuration says of how the image runs.
    private static func settings(_ part: ImageContents.Part) -> [Setting] {
        guard let runtime = part.runtime else { return [] }
        var settings: [Setting] = []
        func list(_ name: String, _ values: [String], _ shown: [String]) {
            guard !values.isEmpty else { return }
            settings.append((name, Shown.text(shown.joined(separator: " ")), values.joined(separator: "\u{0}")))
        }
        for (name, value) in [("user", runtime.user), ("working folder", runtime.workingFolder), ("stop signal", runtime.stopSignal)] {
            if let value { settings.append((name, Shown.text(value), value)) }
        }
        list("entrypoint", runtime.entrypoint, SecretMask.arguments(runtime.entrypoint))
        list("command", runtime.command, SecretMask.arguments(runtime.command))
        list("ports", runtime.ports, runtime.ports)
        list("volumes", runtime.volumes, runtime.volumes)
        for variable in runtime.environment {
            let equals = variable.firstIndex(of: "=") ?? variable.endIndex
            let name = String(variable[..<equals])
            let value = equals == variable.endIndex ? "" : String(variable[variable.index(after: equals)...])
            settings.append(("env \(Shown.text(name, limit: 100))", SecretMask.shown(value, named: name), value))
        }
        return settings
    }

    static func changes(_ before: [Setting], _ after: [Setting], platforms: [Platform]) -> [Change] {
        let (old, new) = (Dictionary(before.map { ($0.name, $0) }) { $1 }, Dictionary(after.map { ($0.name, $0) }) { $1 })
        return Set(old.keys).union(new.keys).sorted().compactMap { name in
            old[name]?.value == new[name]?.value ? nil : Change(name: name, before: old[name]?.shown, after: new[name]?.shown, platforms: platforms)
        }
    }
}

/// The platforms of two versions, side by side.
private struct PairedParts {
    let pairs: [(before: ImageContents.Part?, after: ImageContents.Part)]
    let added: [Platform]
    let removed: [Platform]

    init(_ before: [ImageContents.Part], _ after: [ImageContents.Part]) {
        let old = Dictionary(before.map { ($0.platform, $0) }) { first, _ in first }
        var seen: Set<Platform> = []
        let new = after.filter { seen.insert($0.platform).inserted }
        pairs = new.map { (old[$0.platform], $0) }
        added = new.map(\.platform).filter { old[$0] == nil }
        removed = old.keys.filter { !seen.contains($0) }.sorted { "\($0)" < "\($1)" }
    }

    /// What changed on each platform; what is the same everywhere stands once. A platform that is new has nothing to compare with, unless
    /// all are.
    func changes(_ settings: (ImageContents.Part) -> [ImageDifference.Setting]) -> [Change] {
        let compared = pairs.filter { $0.before != nil }
        let pairs = compared.isEmpty ? pairs : compared
        var order: [Change] = []
        var platforms: [Change: [Platform]] = [:]
        for (before, after) in pairs {
            for change in ImageDifference.changes(before.map(settings) ?? [], settings(after), platforms: []) {
                if platforms[change] == nil { order.append(change) }
                platforms[change, default: []].append(after.platform)
            }
        }
        return order.map { change in
            let own = platforms[change] ?? []
            return Change(name: change.name, before: change.before, after: change.after, platforms: own.count == pairs.count ? [] : own)
        }.sorted { $0.name < $1.name }
    }
}
