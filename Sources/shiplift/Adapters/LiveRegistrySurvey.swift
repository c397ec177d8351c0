import Foundation
import Logging
import OCI
import PolicyEngine
import PromotionCore
import Registry
import Storage
import Transfer

/// Reads whole registries. Beside promotions it is the lesser thing: it takes a part of what a registry bears at once.
struct LiveRegistrySurvey: RegistrySurvey {
    let sites: RegistrySites
    let memory: StoredTransferMemory
    let content: PostgresContentMemory
    let logger: Logger

    private static let mostRepositories = 200_000
    private static let mostTags = 1_000_000
    private static let mostPages = 10_000
    private static let pageSize = 1_000
    /// Looks at once; the registry's own limit holds for all requests together.
    private static let width = 8
    /// Configurations of images that few have: larger ones are left out.
    private static let largestConfiguration = 1 << 20
    private static let mostBytesAtOnce = 8 << 20

    func catalog(of registry: RegistryDefinition, tally: RequestTally) async throws(PromotionFailure) -> [RepositoryName]? {
        let client = try sites.client(registry)
        let meter = RequestMeter()
        defer { tally.add(meter.requests) }
        var names: Set<RepositoryName> = []
        var cursor: CatalogCursor?
        var pages = 0
        do throws(RegistryError) {
            repeat {
                guard let page = try await client.catalog(after: cursor, pageSize: Self.pageSize, meter: meter) else { return names.isEmpty ? nil : Array(names) }
                let before = names.count
                names.formUnion(page.repositories)
                // A page that brings nothing new would go on for ever.
                cursor = names.count > before ? page.next : nil
                pages += 1
            } while cursor != nil && names.count < Self.mostRepositories && pages < Self.mostPages
        } catch { throw PromotionFailure(error) }
        return Array(names)
    }

    func tags(
        of image: ImageName, in registry: RegistryDefinition, tally: RequestTally, page body: @escaping ([Tag]) async throws(PromotionFailure) -> Void
    ) async throws(PromotionFailure) {
        let site = try sites.site(image, in: registry)
        var seen: Set<Tag> = []
        var cursor: TagCursor?
        var pages = 0
        repeat {
            let meter = RequestMeter()
            let page: TagPage
            do throws(RegistryError) {
                defer { tally.add(meter.requests) }
                page = try await site.client.tags(site.repository, after: cursor, pageSize: Self.pageSize, meter: meter)
            } catch { throw PromotionFailure(error) }
            let new = page.tags.filter { seen.insert($0).inserted }
            if !new.isEmpty { try await body(new) }
            cursor = new.isEmpty ? nil : page.next
            pages += 1
        } while cursor != nil && seen.count < Self.mostTags && pages < Self.mostPages
    }

    func look(
        at tags: [Tag], unknown: Set<Tag>, of image: ImageName, in registry: RegistryDefinition, tally: RequestTally
    ) async throws(PromotionFailure) -> [TagLook] {
        let site = try sites.site(image, in: registry)
        let meter = RequestMeter()
        defer { tally.add(meter.requests) }
        var looks: [TagLook] = []
        var read: [Manifest] = []
        do {
            try await withThrowingTaskGroup(of: (TagLook, Manifest?).self) { group in
                func take(_ found: (look: TagLook, manifest: Manifest?)) async throws {
                    looks.append(found.look)
                    if let manifest = found.manifest { read.append(manifest) }
                    // Whatever a registry serves, little of it is in memory at once.
                    guard read.reduce(0, { $0 + $1.bytes.count }) > Self.mostBytesAtOnce else { return }
                    try await keep(read, site)
                    read = []
                }
                for (index, tag) in tags.enumerated() {
                    if index >= Self.width, let found = try await group.next() { try await take(found) }
                    group.addTask { try await self.look(tag, isKnown: !unknown.contains(tag), site, meter) }
                }
                for try await found in group { try await take(found) }
            }
        } catch let error as RegistryError { throw PromotionFailure(error) } catch let failure as PromotionFailure { throw failure } catch {
            throw PromotionFailure(.timedOut, "the look was stopped", isTransient: true)
        }
        try await keep(read, site)
        return looks
    }

    /// A tag that is known costs its digest alone; of any other the manifest would be read next.
    private func look(_ tag: Tag, isKnown: Bool, _ site: Site, _ meter: RequestMeter) async throws(RegistryError) -> (TagLook, Manifest?) {
        guard !isKnown else { return (try await head(tag, site, meter), nil) }
        do throws(RegistryError) {
            let manifest = try await site.client.manifest(site.repository, .tag(tag), meter: meter)
            return (TagLook(tag: tag, digest: manifest.digest), manifest)
        } catch {
            switch error {
            case .notFound: return (TagLook(tag: tag, digest: nil), nil)
            // What is no manifest that we carry is there all the same.
            case .malformed, .contentMismatch: return (try await head(tag, site, meter), nil)
            default: throw error
            }
        }
    }

    private func head(_ tag: Tag, _ site: Site, _ meter: RequestMeter) async throws(RegistryError) -> TagLook {
        TagLook(tag: tag, digest: try await site.client.headManifest(site.repository, .tag(tag), meter: meter)?.digest)
    }

    private func keep(_ manifests: [Manifest], _ site: Site) async throws(PromotionFailure) {
        guard !manifests.isEmpty else { return }
        do {
            try await memory.keep(manifests)
            try await memory.record(
                manifests.map { .manifest($0.digest, blobs: $0.blobs.filter { !$0.mediaType.isForeignLayer }.map(\.digest)) }, server: site.server,
                repository: site.repository)
        } catch { throw PromotionFailure(.storage, "\(error)", isTransient: true) }
    }

    func describe(
        _ digest: Digest, of image: ImageName, in registry: RegistryDefinition, tally: RequestTally?
    ) async throws(PromotionFailure) -> ArtifactDescription? {
        let site = try sites.site(image, in: registry)
        let meter = RequestMeter()
        defer { tally?.add(meter.requests) }
        guard let tree = try await tree(digest, site, mayAsk: tally != nil, meter) else { return nil }
        if tally != nil { try await keep(tree.manifests, site) }
        let configuration = try await configuration(of: tree, site, mayAsk: tally != nil, meter)
        return Self.description(of: tree, configuration.value, isComplete: configuration.isSettled)
    }

    /// `nil` where it can't be read: the tag is recorded all the same.
    private func tree(_ digest: Digest, _ site: Site, mayAsk: Bool, _ meter: RequestMeter) async throws(PromotionFailure) -> ManifestTree? {
        if !mayAsk {
            do {
                guard let root = try await memory.manifests([digest])[digest] else { return nil }
                let children = try await memory.manifests(root.children.map(\.digest))
                guard children.count == root.children.count, children.values.allSatisfy({ $0.children.isEmpty }) else { return nil }
                return ManifestTree(manifests: children.values.sorted { $0.digest < $1.digest } + [root], root: root)
            } catch { throw PromotionFailure(.storage, "\(error)", isTransient: true) }
        }
        do throws(TransferError) { return try await TreeReader(memory: memory).read(digest, from: site, meter: meter) } catch {
            let failure = PromotionFailure(error)
            if failure.isTransient { throw failure }
            logger.info("an artifact could not be described", metadata: ["digest": "\(digest)", "registry": "\(site.registry)", "reason": "\(failure.message)"])
            return nil
        }
    }

    private struct ReadConfiguration {
        var value: ImageConfiguration?
        /// Whether there is nothing more to read.
        var isSettled: Bool
    }

    /// The configuration of the image for the first platform, which has the labels: builders write them alike into all.
    private func configuration(of tree: ManifestTree, _ site: Site, mayAsk: Bool, _ meter: RequestMeter) async throws(PromotionFailure) -> ReadConfiguration {
        let declared = Dictionary(tree.manifests.flatMap(\.children).map { ($0.digest, $0.platform) }) { first, _ in first }
        let configurations = tree.manifests.compactMap { manifest -> Descriptor? in
            guard case .image(let config, _) = manifest.content, config.mediaType.isImageConfig, declared[manifest.digest]??.isUnknown != true else { return nil }
            return config
        }
        guard let first = configurations.first, first.size <= Self.largestConfiguration else { return ReadConfiguration(isSettled: true) }
        do {
            if let kept = try await content.smallBlob(first.digest) { return Self.read(kept, first.digest) }
            guard mayAsk else { return ReadConfiguration(isSettled: false) }
            let bytes = try await site.client.blob(site.repository, first.digest, limit: Self.largestConfiguration, meter: meter)
            try await content.keepSmallBlob(first.digest, bytes: bytes)
            return Self.read(bytes, first.digest)
        } catch let error as RegistryError {
            if error.isTransient { throw PromotionFailure(error) }
            return ReadConfiguration(isSettled: true)
        } catch { throw PromotionFailure(.storage, "\(error)", isTransient: true) }
    }

    private static func read(_ bytes: Data, _ digest: Digest) -> ReadConfiguration {
        do { return ReadConfiguration(value: try ImageConfiguration(bytes: bytes, digest: digest), isSettled: true) } catch { return ReadConfiguration(isSettled: true) }
    }

    private static func description(of tree: ManifestTree, _ configuration: ImageConfiguration?, isComplete: Bool) -> ArtifactDescription {
        var platforms = tree.manifests.flatMap(\.children).compactMap(\.platform).filter { !$0.isUnknown }
        if platforms.isEmpty, let own = configuration?.platform { platforms = [own] }
        var seen: Set<Platform> = []
        let annotations = tree.root.annotations
        let created = configuration?.created ?? annotations["org.opencontainers.image.created"]
        return ArtifactDescription(
            digest: tree.root.digest, mediaType: tree.root.mediaType, artifactType: tree.root.artifactType, subject: tree.root.subject?.digest,
            size: tree.totalBytes, created: created.flatMap(Timestamp.date), platforms: platforms.filter { seen.insert($0).inserted },
            labels: annotations.merging(configuration?.labels ?? [:]) { $1 }, blobs: tree.blobs.filter { !$0.mediaType.isForeignLayer },
            isComplete: isComplete)
    }
}
