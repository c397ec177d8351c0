import Foundation
import OCI
import Registry
import Synchronization

/// Sends blobs to the targets that need them, each blob into each server once: what somebody else is already sending there, in this
/// process or in another replica, is waited for and mounted.
///
/// Nobody waits while holding a claim, so nobody waits for each other. Where a server mounts only what a manifest refers to, claims are held
/// until the manifests are there, also while waiting: there, one waits only for those who began earlier, so that nobody waits in a circle.
final class BlobCopier: Sendable {
    let relaying: BlobRelaying
    let memory: any TransferMemory
    let runs: [TargetRun]
    /// When the knowledge was read that the needs come from.
    let knownSince: ContinuousClock.Instant
    private let sender = UUID.ordered(at: Date())
    /// Claims that are held until the manifests are there, by run.
    private let held = Mutex<[Int: Set<Digest>]>([:])

    /// Blobs that are made ready at once; the engine bounds those that travel, of all transfers together.
    private static let width = 64
    /// Well within a claim's life, which is short: a dead sender's blobs are free again after three seconds.
    private static let renewal = Duration.seconds(1)
    /// Whoever has waited so long for somebody else's blob sends it as well.
    private static let longestWait = Duration.seconds(600)
    /// From this size on, bytes, a blob's claim ends with the blob and not with the batch.
    private static let releasedAtOnce: Int64 = 16 << 20

    init(relaying: BlobRelaying, memory: any TransferMemory, runs: [TargetRun], knownSince: ContinuousClock.Instant) {
        self.relaying = relaying
        self.memory = memory
        self.runs = runs
        self.knownSince = knownSince
    }

    /// What became of each target: the first error of any of its blobs.
    typealias Failures = [Int: TransferError]

    /// Sends what each target needs. A target that fails does not stop the others.
    func copy(_ needs: [Int: [BlobNeed]]) async throws(TransferError) -> Failures {
        var left = needs.filter { !$0.value.isEmpty }
        guard !left.isEmpty else { return [:] }
        relaying.tracker.expect(Dictionary(left.values.joined().map { ($0.descriptor.digest, $0.descriptor) }) { first, _ in first }.values.map(\.self))
        do {
            return try await withThrowingTaskGroup(of: Failures?.self) { group in
                group.addTask { try await self.renewClaims() }
                defer { group.cancelAll() }
                var failures: Failures = [:]
                var pause = Duration.milliseconds(10)
                let patience = ContinuousClock.now + Self.longestWait
                while !left.isEmpty {
                    try Task.checkCancellation()
                    let mine = ContinuousClock.now < patience ? try await claim(&left) : left
                    if mine.isEmpty {
                        try await Task.sleep(for: pause)
                        pause = min(pause * 2, .milliseconds(250))
                    } else {
                        failures.merge(try await sendAndRelease(mine)) { first, _ in first }
                        pause = .milliseconds(10)
                    }
                    if ContinuousClock.now >= patience { return failures }
                    left = left.filter { failures[$0.key] == nil }
                    try await adopt(&left, &failures)
                }
                return failures
            }
        } catch let error as TransferError { throw error } catch { throw .cancelled }
    }

    /// Whether the run's server mounts only what a manifest refers to.
    private func mountsCommittedOnly(_ index: Int) -> Bool { runs[index].site.planned.mounts == .committed }

    /// Runs `body` while what is held stays ours.
    func holding<Success: Sendable>(_ body: @escaping @Sendable () async throws(TransferError) -> Success) async throws(TransferError) -> Success {
        guard held.withLock({ !$0.isEmpty }) else { return try await body() }
        do {
            return try await withThrowingTaskGroup(of: Success?.self) { group in
                group.addTask {
                    _ = try await self.renewClaims()
                    return nil
                }
                group.addTask { try await body() }
                defer { group.cancelAll() }
                while let result = try await group.next() { if let result { return result } }
                throw TransferError.cancelled
            }
        } catch let error as TransferError { throw error } catch { throw .cancelled }
    }

    /// Gives back what was held for the manifests' sake.
    func releaseHeld() async {
        let all = held.withLock { held in
            defer { held = [:] }
            return held
        }
        for (index, digests) in all { await release(Array(digests), at: index) }
    }

    private func renewClaims() async throws -> Failures? {
        while true {
            try await Task.sleep(for: Self.renewal)
            // A claim that can't be renewed ends: at worst a blob is sent twice, which harms nobody.
            do { try await memory.renewClaims(of: sender) } catch { continue }
        }
    }

    /// Takes out of `left` what is ours to send now.
    private func claim(_ left: inout [Int: [BlobNeed]]) async throws(TransferError) -> [Int: [BlobNeed]] {
        var mine: [Int: [BlobNeed]] = [:]
        for (index, list) in left.sorted(by: { $0.key < $1.key }) {
            let claim: UploadClaim
            do {
                claim = try await memory.claim(
                    list.map(\.descriptor.digest), server: runs[index].site.server, by: sender, knownFor: knownSince.duration(to: .now))
            } catch { throw .memory("\(error)") }
            let committedOnly = mountsCommittedOnly(index)
            let ready = list.filter { need in
                let digest = need.descriptor.digest
                guard claim.granted.contains(digest) else { return committedOnly && !claim.older.contains(digest) }
                return !claim.arrived.contains(digest) || need.isCertain
            }
            if !ready.isEmpty { mine[index] = ready }
            let taken = Set(ready.map(\.descriptor.digest))
            var rest = list.filter { !taken.contains($0.descriptor.digest) }
            left[index] = rest.isEmpty ? nil : rest
            if committedOnly {
                // Whoever had it has ended, and no manifest refers to it: a look at what is known decides, then it is ours to send.
                for position in rest.indices where claim.arrived.contains(rest[position].descriptor.digest) { rest[position].mayBeUncommitted = true }
                left[index] = rest.isEmpty ? nil : rest
            }
            let unused = claim.granted.subtracting(taken)
            if !unused.isEmpty { await release(Array(unused), at: index) }
        }
        return mine
    }

    private func sendAndRelease(_ needs: [Int: [BlobNeed]]) async throws(TransferError) -> Failures {
        let result: Result<Failures, TransferError>
        do throws(TransferError) { result = .success(try await send(needs)) } catch { result = .failure(error) }
        for (index, list) in needs {
            // Whoever waits for these must find them: first the memory, then the claims. Where the memory can't be written, they find
            // nothing either way: sooner is better, and the run writes it down later.
            do throws(TransferError) { try await runs[index].remember(in: memory) } catch {}
            if mountsCommittedOnly(index) {
                held.withLock { $0[index, default: []].formUnion(list.map(\.descriptor.digest)) }
                continue
            }
            await release(list.map(\.descriptor.digest), at: index)
        }
        return try result.get()
    }

    /// The largest blobs first.
    private func send(_ needs: [Int: [BlobNeed]]) async throws(TransferError) -> Failures {
        var byDigest: [Digest: (descriptor: Descriptor, sessions: [Int: UploadSession?])] = [:]
        for (index, list) in needs {
            for need in list {
                byDigest[need.descriptor.digest, default: (need.descriptor, [:])].sessions[index] = .some(need.session)
            }
        }
        let work = byDigest.values.sorted { ($0.descriptor.size, $0.descriptor.digest) > ($1.descriptor.size, $1.descriptor.digest) }
        let results = try await bounded(work, width: Self.width) { [self] item throws(TransferError) in
            let failures = try await relaying.send(item.descriptor, item.sessions, runs)
            relaying.tracker.finished(item.descriptor)
            if item.descriptor.size >= Self.releasedAtOnce {
                for index in item.sessions.keys where failures[index] == nil && !self.mountsCommittedOnly(index) {
                    do throws(TransferError) { try await runs[index].remember(in: memory) } catch {}
                    await release([item.descriptor.digest], at: index)
                }
            }
            return failures
        }
        return results.reduce(into: [:]) { all, failures in all.merge(failures) { first, _ in first } }
    }

    /// Looks whether what others were sending has arrived: then it is mounted, or is there already.
    private func adopt(_ left: inout [Int: [BlobNeed]], _ failures: inout Failures) async throws(TransferError) {
        for (index, list) in left {
            let run = runs[index]
            let known: KnowledgeSnapshot
            do {
                known = try await memory.snapshot(
                    server: run.site.server, repository: run.site.repository, blobs: list.map(\.descriptor.digest), manifests: [])
            } catch { throw .memory("\(error)") }
            var rest: [BlobNeed] = []
            do throws(TransferError) {
                for need in list {
                    let holders = (known.holders[need.descriptor.digest] ?? []).filter {
                        !mountsCommittedOnly(index) || $0.isCommitted || $0.repository == run.site.repository
                    }
                    guard !need.isCertain, !holders.isEmpty else {
                        var waiting = need
                        waiting.isCertain = need.isCertain || need.mayBeUncommitted
                        rest.append(waiting)
                        continue
                    }
                    if let session = need.session { await run.site.client.cancelUpload(session, meter: run.meter) }
                    if var refused = try await run.adopt(need.descriptor, heldBy: holders) {
                        refused.isCertain = true
                        rest.append(refused)
                    } else {
                        relaying.tracker.finished(need.descriptor)
                    }
                }
                left[index] = rest.isEmpty ? nil : rest
            } catch {
                if case .cancelled = error { throw error }
                failures[index] = error
                left[index] = nil
            }
        }
    }

    private func release(_ blobs: [Digest], at index: Int) async {
        // A claim that can't be given back ends by itself.
        do { try await memory.release(blobs, server: runs[index].site.server, by: sender) } catch { return }
    }
}

extension UUID {
    /// A random id that sorts by its time: 48 bits of milliseconds since 1970 come first (RFC 9562 §5.7).
    static func ordered(at time: Date) -> UUID {
        var bytes = withUnsafeBytes(of: UUID().uuid) { Array($0) }
        let milliseconds = UInt64(max(0, time.timeIntervalSince1970 * 1_000))
        for index in 0..<6 { bytes[index] = UInt8(truncatingIfNeeded: milliseconds >> (40 - 8 * UInt64(index))) }
        bytes[6] = 0x70 | (bytes[6] & 0x0F)
        return UUID(
            uuid: (
                bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7], bytes[8], bytes[9], bytes[10], bytes[11], bytes[12], bytes[13],
                bytes[14], bytes[15]
            ))
    }
}
