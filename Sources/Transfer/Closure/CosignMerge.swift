import Foundation
import OCI

/// Two of cosign's attachments of one kind to the same digest, one at the target and one that arrives.
///
/// Each layer is one signature or attestation, and everybody who signs adds a layer to the same manifest: whoever put the arriving one
/// over the target's own would delete the signatures that were made there.
enum CosignMerge {
    enum Outcome: Equatable {
        /// The target's own holds everything that arrives.
        case keepTheirs
        /// What arrives holds everything that the target has.
        case takeOurs
        /// Each holds something that the other has not.
        case diverged
    }

    /// Layers are told apart by their descriptors: every signature of one digest has the same payload, and its bytes in an annotation.
    static func compare(theirs: Manifest, ours: Manifest) -> Outcome {
        guard case .image(_, let theirLayers) = theirs.content, case .image(_, let ourLayers) = ours.content else { return .diverged }
        if Set(ourLayers).isSubset(of: theirLayers) { return .keepTheirs }
        return Set(theirLayers).isSubset(of: ourLayers) ? .takeOurs : .diverged
    }

    /// The target's attachment with the layers behind it that only the arriving one has; `nil` where either is no image manifest.
    static func join(theirs: Manifest, theirConfig: Data, ours: Manifest, ourConfig: Data) -> (manifest: Manifest, config: Data)? {
        guard case .image(_, let theirLayers) = theirs.content, case .image(_, let ourLayers) = ours.content,
            var document = object(theirs.bytes), let ourDocument = object(ours.bytes),
            let layers = document["layers"] as? [Any], let others = ourDocument["layers"] as? [Any], others.count == ourLayers.count,
            var reference = document["config"] as? [String: Any]
        else { return nil }
        let held = Set(theirLayers)
        let added = ourLayers.indices.filter { !held.contains(ourLayers[$0]) }
        guard let config = joinConfig(theirConfig, theirLayers.count, ourConfig, ourLayers, added) else { return nil }
        reference["digest"] = Digest(hashing: config).description
        reference["size"] = config.count
        document["config"] = reference
        document["layers"] = layers + added.map { others[$0] }
        guard let bytes = encode(document) else { return nil }
        do { return (try Manifest(bytes: bytes, servedAs: theirs.mediaType, expected: nil), config) } catch { return nil }
    }

    /// The configuration counts the layers too (`rootfs.diff_ids`, `history`): readers of images check that both agree.
    private static func joinConfig(_ theirs: Data, _ count: Int, _ ours: Data, _ layers: [Descriptor], _ added: [Int]) -> Data? {
        guard var config = object(theirs) else { return nil }
        let other = object(ours) ?? [:]
        if var filesystem = config["rootfs"] as? [String: Any], let known = filesystem["diff_ids"] as? [String], known.count == count {
            let theirsOfOurs = (other["rootfs"] as? [String: Any])?["diff_ids"] as? [String] ?? []
            // Attachments are not compressed, so a layer without a stated diff_id has its own digest.
            filesystem["diff_ids"] = known + added.map { theirsOfOurs.count == layers.count ? theirsOfOurs[$0] : layers[$0].digest.description }
            config["rootfs"] = filesystem
        }
        if let known = config["history"] as? [Any], known.count == count, let more = other["history"] as? [Any], more.count == layers.count {
            config["history"] = known + added.map { more[$0] }
        }
        return encode(config)
    }

    private static func object(_ bytes: Data) -> [String: Any]? {
        do { return try JSONSerialization.jsonObject(with: bytes) as? [String: Any] } catch { return nil }
    }

    private static func encode(_ object: [String: Any]) -> Data? {
        do { return try JSONSerialization.data(withJSONObject: object, options: [.sortedKeys, .withoutEscapingSlashes]) } catch { return nil }
    }
}
