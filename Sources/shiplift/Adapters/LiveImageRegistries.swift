import Foundation
import Logging
import OCI
import PolicyEngine
import PromotionCore
import Registry
import Storage
import Transfer

/// Reads what is where from the registries themselves, and writes down what it saw.
struct LiveImageRegistries: ImageRegistries {
    let sites: RegistrySites
    let memory: StoredTransferMemory
    let content: PostgresContentMemory
    let catalog: any Catalog
    let recent: RecentSightings
    let absent: AbsentTags
    let engine: CopyEngine
    /// Which registries keep referrers in which way.
    let referrers: ReferrersKnowledge
    let logger: Logger

    func resolve(
        _ image: ImageName, _ reference: ManifestReference, in environment: EnvironmentDefinition, tally: RequestTally
    ) async throws(PromotionFailure) -> ResolvedArtifact? {
        var failure: PromotionFailure?
        for definition in environment.registries {
            let site = try sites.site(image, in: definition)
            if case .digest(let digest) = reference, recent.holds(digest, at: site) {
                return ResolvedArtifact(registry: definition.name, repository: site.repository, digest: digest)
            }
            let meter = RequestMeter()
            defer { tally.add(meter.requests) }
            let began = ContinuousClock.now
            do throws(RegistryError) {
                let digest = try await look(reference, definition, site, meter)
                try await noteTag(reference, digest, image, environment, definition, site, since: began)
                if let digest {
                    recent.note(.digest(digest), .names(digest), at: site)
                    return ResolvedArtifact(registry: definition.name, repository: site.repository, digest: digest)
                }
            } catch { failure = failure ?? PromotionFailure(error) }
        }
        if let failure { throw failure }
        return nil
    }

    func holds(_ digest: Digest, image: ImageName, in environment: EnvironmentDefinition) async throws(PromotionFailure) -> Bool {
        var failure: PromotionFailure?
        for definition in environment.registries {
            let site = try sites.site(image, in: definition)
            do throws(RegistryError) {
                guard try await site.client.headManifest(site.repository, .digest(digest)) != nil else {
                    recent.forget(.digest(digest), at: site)
                    continue
                }
                return true
            } catch { failure = failure ?? PromotionFailure(error) }
        }
        if let failure { throw failure }
        return false
    }

    /// A tag whose manifest we have is asked for its digest alone; any other for its manifest, which would have to be read next.
    private func look(
        _ reference: ManifestReference, _ definition: RegistryDefinition, _ site: Site, _ meter: RequestMeter
    ) async throws(RegistryError) -> Digest? {
        guard case .tag(let tag) = reference, await !isKept(tag, definition, site) else {
            return try await site.client.headManifest(site.repository, reference, meter: meter)?.digest
        }
        let manifest: Manifest
        do throws(RegistryError) { manifest = try await site.client.manifest(site.repository, reference, meter: meter) } catch {
            if case .notFound = error { return nil }
            throw error
        }
        do { try await memory.keep([manifest]) } catch {
            logger.warning("a manifest could not be kept", metadata: ["error": "\(error)", "registry": "\(definition.name)"])
        }
        return manifest.digest
    }

    private func isKept(_ tag: Tag, _ definition: RegistryDefinition, _ site: Site) async -> Bool {
        do { return try await content.keepsManifest(of: tag, target: TargetRepository(registry: definition.name, repository: site.repository)) } catch {
            return false
        }
    }

    /// The record of what was seen is no condition of the look itself.
    private func noteTag(
        _ reference: ManifestReference, _ digest: Digest?, _ image: ImageName, _ environment: EnvironmentDefinition, _ definition: RegistryDefinition,
        _ site: Site, since began: ContinuousClock.Instant
    ) async throws(RegistryError) {
        do {
            if case .tag(let tag) = reference {
                try await catalog.observe(
                    tag: tag, target: TargetRepository(registry: definition.name, repository: site.repository), image: image, environment: environment.name,
                    digest: digest, seenBy: "request", age: began.duration(to: .now))
            }
            if let digest { try await memory.record([.manifest(digest, blobs: [])], server: site.server, repository: site.repository) }
        } catch {
            logger.warning("a sighting could not be written down", metadata: ["error": "\(error)", "registry": "\(definition.name)"])
        }
    }

    func facts(
        of digest: Digest, image: ImageName, in environment: EnvironmentDefinition, needs: FactNeeds, tally: RequestTally
    ) async throws(PromotionFailure) -> ArtifactFacts {
        var missing: PromotionFailure?
        for definition in environment.registries {
            do throws(PromotionFailure) { return try await facts(of: digest, at: try sites.site(image, in: definition), needs, tally) } catch {
                // One registry may lack what another has; any other trouble is not to be passed over.
                guard error.kind == .contentMissing else { throw error }
                missing = missing ?? error
            }
        }
        throw missing ?? PromotionFailure(.configuration, "environment \(environment.name) has no registry")
    }

    private func facts(of digest: Digest, at site: Site, _ needs: FactNeeds, _ tally: RequestTally) async throws(PromotionFailure) -> ArtifactFacts {
        let meter = RequestMeter()
        defer { tally.add(meter.requests) }
        let tree: ManifestTree
        do { tree = try await TreeReader(memory: memory).read(digest, from: site, meter: meter) } catch { throw PromotionFailure(error) }
        var declared: [Digest: Platform] = [:]
        for child in tree.manifests.flatMap(\.children) { declared[child.digest] = child.platform }
        var platforms: [PlatformFacts] = []
        var created: String?
        for manifest in tree.manifests {
            guard case .image(let config, _) = manifest.content, config.mediaType.isImageConfig, declared[manifest.digest]?.isUnknown != true else { continue }
            let platform = declared[manifest.digest]
            if needs.configurations || (needs.platforms && platform == nil) {
                let configuration = try await configuration(config, site, meter)
                platforms.append(PlatformFacts(platform: platform ?? configuration.platform, labels: configuration.labels, user: configuration.user, digest: manifest.digest))
                created = created ?? configuration.created
            } else if let platform {
                platforms.append(PlatformFacts(platform: platform, labels: [:], user: nil, digest: manifest.digest))
            }
        }
        return ArtifactFacts(
            mediaType: tree.root.mediaType, artifactType: tree.root.artifactType, annotations: tree.root.annotations, platforms: platforms,
            sizeBytes: tree.totalBytes, created: created)
    }

    private func configuration(_ config: Descriptor, _ site: Site, _ meter: RequestMeter) async throws(PromotionFailure) -> ImageConfiguration {
        let limit = ImageConfiguration.maximumBytes
        let bytes = try await smallBlob(config.digest, limit: limit, keptUpTo: limit, site, meter)
        do throws(ManifestError) { return try ImageConfiguration(bytes: bytes, digest: config.digest) } catch {
            throw PromotionFailure(.malformedContent, error.description, registry: site.registry, repository: site.repository)
        }
    }

    /// A blob of at most `limit` bytes: as it is kept in the database, else from the registry, checked by the client against its digest.
    func smallBlob(_ digest: Digest, limit: Int, keptUpTo most: Int, _ site: Site, _ meter: RequestMeter) async throws(PromotionFailure) -> Data {
        do {
            if let kept = try await content.smallBlob(digest) { return kept }
            let bytes = try await site.client.blob(site.repository, digest, limit: limit, meter: meter)
            if bytes.count <= most { try await content.keepSmallBlob(digest, bytes: bytes) }
            return bytes
        } catch let error as RegistryError { throw PromotionFailure(error) } catch { throw PromotionFailure(.storage, "\(error)", isTransient: true) }
    }

    func currentTargets(
        _ image: ImageName, tag: Tag, in environment: EnvironmentDefinition, tally: RequestTally
    ) async throws(PromotionFailure) -> [(target: TargetRepository, digest: Digest)] {
        var found: [(target: TargetRepository, digest: Digest)] = []
        for definition in environment.registries {
            let site = try sites.site(image, in: definition)
            let target = TargetRepository(registry: definition.name, repository: site.repository)
            let meter = RequestMeter()
            defer { tally.add(meter.requests) }
            do throws(RegistryError) {
                // A sighting may be a second old: it does not say what was before that.
                let began = ContinuousClock.now - .seconds(1)
                let digest = try await sight(tag, definition, site, meter).digest
                try await noteTag(.tag(tag), digest, image, environment, definition, site, since: began)
                if let digest { found.append((target, digest)) }
            } catch { throw PromotionFailure(error) }
        }
        return found
    }

    /// What the tag names, or named within the last second.
    private func sight(_ tag: Tag, _ definition: RegistryDefinition, _ site: Site, _ meter: RequestMeter) async throws(RegistryError) -> TagSighting {
        if let fresh = recent.sighting(.tag(tag), at: site, within: .seconds(1)) { return fresh }
        let began = ContinuousClock.now
        // A list may be older than our own last write: of a tag that we know to name something, the registry is asked.
        let isListedAbsent = await absent.contains(tag, at: site, meter: meter)
        let isAbsent = if isListedAbsent { await !isKept(tag, definition, site) } else { false }
        let head = isAbsent ? nil : try await site.client.headManifest(site.repository, .tag(tag), meter: meter)
        let sighting = TagSighting(head?.digest)
        recent.note(.tag(tag), sighting, at: site, when: began)
        return sighting
    }

    func lookAhead(_ image: ImageName, tags: [Tag], in environment: EnvironmentDefinition, tally: RequestTally) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await look(image, tags, environment, tally) }
            group.addTask {
                // Whoever asks for a promotion does not wait for a target that does not answer.
                do { try await Task.sleep(for: .seconds(1)) } catch { return }
            }
            await group.next()
            group.cancelAll()
        }
    }

    private func look(_ image: ImageName, _ tags: [Tag], _ environment: EnvironmentDefinition, _ tally: RequestTally) async {
        for definition in environment.registries {
            let meter = RequestMeter()
            defer { tally.add(meter.requests) }
            do {
                let site = try sites.site(image, in: definition)
                for tag in tags { _ = try await sight(tag, definition, site, meter) }
            } catch {
                logger.debug("a tag could not be looked at ahead", metadata: ["registry": "\(definition.name)", "error": "\(error)"])
            }
        }
    }

    func refreshTags(_ image: ImageName, in environment: EnvironmentDefinition, limit: Int) async throws(PromotionFailure) -> Int {
        var count = 0
        for definition in environment.registries {
            let site = try sites.site(image, in: definition)
            do throws(RegistryError) {
                var cursor: TagCursor?
                repeat {
                    let page = try await site.client.tags(site.repository, after: cursor, pageSize: min(limit, 100))
                    for tag in page.tags where count < limit {
                        let began = ContinuousClock.now
                        let head = try await site.client.headManifest(site.repository, .tag(tag))
                        try await noteTag(.tag(tag), head?.digest, image, environment, definition, site, since: began)
                        count += 1
                    }
                    cursor = page.next
                } while cursor != nil && count < limit
            } catch { throw PromotionFailure(error) }
        }
        return count
    }
}
