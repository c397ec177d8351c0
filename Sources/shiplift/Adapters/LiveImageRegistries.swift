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
    let logger: Logger

    func resolve(
        _ image: ImageName, _ reference: ManifestReference, in environment: EnvironmentDefinition, tally: RequestTally
    ) async throws(PromotionFailure) -> ResolvedArtifact? {
        var failure: PromotionFailure?
        for definition in environment.registries {
            let site = try sites.site(image, in: definition)
            if case .digest(let digest) = reference, recent.digest(reference, at: site) == digest {
                return ResolvedArtifact(registry: definition.name, repository: site.repository, digest: digest)
            }
            let meter = RequestMeter()
            defer { tally.add(meter.requests) }
            do throws(RegistryError) {
                let head = try await site.client.headManifest(site.repository, reference, meter: meter)
                try await noteTag(reference, head?.digest, image, environment, definition, site)
                if let head {
                    recent.note(.digest(head.digest), head.digest, at: site)
                    return ResolvedArtifact(registry: definition.name, repository: site.repository, digest: head.digest)
                }
            } catch { failure = failure ?? PromotionFailure(error) }
        }
        if let failure { throw failure }
        return nil
    }

    /// The record of what was seen is no condition of the look itself.
    private func noteTag(
        _ reference: ManifestReference, _ digest: Digest?, _ image: ImageName, _ environment: EnvironmentDefinition, _ definition: RegistryDefinition,
        _ site: Site
    ) async throws(RegistryError) {
        do {
            if case .tag(let tag) = reference {
                try await catalog.observe(
                    tag: tag, target: TargetRepository(registry: definition.name, repository: site.repository), image: image, environment: environment.name,
                    digest: digest, seenBy: "request")
            }
            if let digest { try await memory.record([.manifest(digest, blobs: [])], server: site.server, repository: site.repository) }
        } catch {
            logger.warning("a sighting could not be written down", metadata: ["error": "\(error)", "registry": "\(definition.name)"])
        }
    }

    func facts(of digest: Digest, image: ImageName, in environment: EnvironmentDefinition, tally: RequestTally) async throws(PromotionFailure) -> ArtifactFacts {
        guard let definition = environment.registries.first else {
            throw PromotionFailure(.configuration, "environment \(environment.name) has no registry")
        }
        let site = try sites.site(image, in: definition)
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
            let configuration = try await configuration(config, site, meter)
            platforms.append(
                PlatformFacts(platform: declared[manifest.digest] ?? configuration.platform, labels: configuration.labels, user: configuration.user))
            created = created ?? configuration.created
        }
        return ArtifactFacts(
            mediaType: tree.root.mediaType, artifactType: tree.root.artifactType, annotations: tree.root.annotations, platforms: platforms,
            sizeBytes: tree.totalBytes, created: created)
    }

    private func configuration(_ config: Descriptor, _ site: Site, _ meter: RequestMeter) async throws(PromotionFailure) -> ImageConfiguration {
        do {
            let bytes: Data
            if let kept = try await content.smallBlob(config.digest) {
                bytes = kept
            } else {
                bytes = try await site.client.blob(site.repository, config.digest, limit: ImageConfiguration.maximumBytes, meter: meter)
                try await content.keepSmallBlob(config.digest, bytes: bytes)
            }
            return try ImageConfiguration(bytes: bytes, digest: config.digest)
        } catch let error as RegistryError { throw PromotionFailure(error) } catch let error as ManifestError {
            throw PromotionFailure(.malformedContent, error.description, registry: site.registry, repository: site.repository)
        } catch { throw PromotionFailure(.storage, "\(error)", isTransient: true) }
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
                let head = try await site.client.headManifest(site.repository, .tag(tag), meter: meter)
                try await noteTag(.tag(tag), head?.digest, image, environment, definition, site)
                guard let head else { continue }
                recent.note(.tag(tag), head.digest, at: site)
                found.append((target, head.digest))
            } catch { throw PromotionFailure(error) }
        }
        return found
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
                        let head = try await site.client.headManifest(site.repository, .tag(tag))
                        try await noteTag(.tag(tag), head?.digest, image, environment, definition, site)
                        count += 1
                    }
                    cursor = page.next
                } while cursor != nil && count < limit
            } catch { throw PromotionFailure(error) }
        }
        return count
    }
}
