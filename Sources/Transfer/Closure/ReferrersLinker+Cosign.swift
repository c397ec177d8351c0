import Foundation
import OCI
import Registry

extension ReferrersLinker {
    /// Largest configuration of an attachment that is read, in bytes.
    private static let maximumConfigurationBytes = 1 << 20

    /// Points one of cosign's tags at an attachment, without losing what was attached at the target itself.
    func tag(_ referrer: Referrer, as attachment: CosignTag) async throws(TransferError) -> Outcome {
        try await knowledge.turns.take(key(attachment.tag)) { () async throws(TransferError) in try await point(attachment, at: referrer) }
    }

    private func point(_ attachment: CosignTag, at referrer: Referrer) async throws(TransferError) -> Outcome {
        let ours = referrer.manifest
        var previous: Digest?
        var isWritten = false
        for attempt in 1...Self.attempts {
            let current: Digest?
            do { current = try await site.client.headManifest(site.repository, .tag(attachment.tag), meter: meter)?.digest } catch {
                throw .registry(error)
            }
            if !isWritten { previous = current }
            guard let wanted = try await wanted(ours, over: current, attachment) else {
                return linked(referrer, attachment, previous, current ?? ours.digest, isWritten)
            }
            switch try await write(wanted, as: attachment.tag) {
            case .stands: return linked(referrer, attachment, previous, wanted.digest, true)
            case .overwritten:
                isWritten = true
                try await pause(attempt)
            case .misses(let digests):
                guard wanted == ours else { throw .repairExhausted(place(attachment.tag.description), digests) }
                return .lost([ours.digest])
            }
        }
        throw .referrersTagContended(place(attachment.tag.description))
    }

    private func linked(_ referrer: Referrer, _ attachment: CosignTag, _ previous: Digest?, _ digest: Digest, _ isWritten: Bool) -> Outcome {
        let way = Attachment.Way.tag(attachment.tag, previous: previous, digest: digest, written: isWritten)
        return .linked(Attachment(subject: attachment.subject, referrers: [referrer.manifest.digest], way: way))
    }

    /// What the tag should name instead of `current`; `nil` where it is right as it is.
    private func wanted(_ ours: Manifest, over current: Digest?, _ attachment: CosignTag) async throws(TransferError) -> Manifest? {
        guard let current else { return ours }
        guard current != ours.digest else { return nil }
        guard attachment.kind.isShared else { return ours }
        let theirs = try await TreeReader(memory: memory).one(current, from: site)
        switch CosignMerge.compare(theirs: theirs, ours: ours) {
        case .keepTheirs: return nil
        case .takeOurs: return ours
        case .diverged: return try await joined(theirs, ours, attachment)
        }
    }

    private func joined(_ theirs: Manifest, _ ours: Manifest, _ attachment: CosignTag) async throws(TransferError) -> Manifest {
        guard case .image(let theirConfig, _) = theirs.content, case .image(let ourConfig, _) = ours.content,
            let (manifest, config) = CosignMerge.join(
                theirs: theirs, theirConfig: try await configuration(theirConfig, at: site, meter),
                ours: ours, ourConfig: try await configuration(ourConfig, at: source, sourceMeter))
        else { throw .referrersTagTaken(place(attachment.tag.description), reason: "what it holds can't be joined with what arrives") }
        do throws(RegistryError) {
            let session = try await site.client.startUpload(site.repository, meter: meter)
            try await site.client.finishUpload(session, bytes: config, digest: Digest(hashing: config), meter: meter)
        } catch { throw .registry(error) }
        return manifest
    }

    private func configuration(_ config: Descriptor, at site: Site, _ meter: RequestMeter) async throws(TransferError) -> Data {
        do { return try await site.client.blob(site.repository, config.digest, limit: Self.maximumConfigurationBytes, meter: meter) } catch {
            throw .registry(error)
        }
    }
}
