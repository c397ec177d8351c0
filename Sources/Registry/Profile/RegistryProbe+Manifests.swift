import Foundation
import HTTPTransport
import OCI

/// What a probe puts: small, and nobody else's.
struct ProbeContent {
    let first: Data
    let second: Data
    let third: Data
    let empty = Data("{}".utf8)
    let tag: String
    private let id: UUID

    static let artifactType = "application/vnd.shiplift.probe.v1"

    init(id: UUID) {
        self.id = id
        let text = "Written by Shiplift to find out what this registry can do. It may be deleted. \(id.uuidString.lowercased())"
        first = Data("1: \(text)\n".utf8)
        second = Data("2: \(text)\n".utf8)
        third = Data("3: \(text)\n".utf8)
        tag = "probe-" + id.uuidString.lowercased().suffix(12)
    }

    /// The manifest that is tagged, and another one.
    var subject: Data { manifest("1", subject: nil) }
    var other: Data { manifest("2", subject: nil) }
    var referrer: Data { manifest("3", subject: subject) }

    private func manifest(_ number: String, subject: Data?) -> Data {
        func descriptor(_ bytes: Data, _ type: MediaType) -> String {
            #"{"mediaType":"\#(type)","digest":"\#(Digest(hashing: bytes))","size":\#(bytes.count)}"#
        }
        let about = subject.map { #","subject":\#(descriptor($0, .ociManifest))"# } ?? ""
        return Data(
            (#"{"schemaVersion":2,"mediaType":"\#(MediaType.ociManifest)","artifactType":"\#(Self.artifactType)","config":\#(descriptor(empty, .emptyJSON)),"#
                + #""layers":[\#(descriptor(first, .octetStream))]\#(about),"annotations":{"dev.shiplift.probe":"\#(number) \#(id.uuidString.lowercased())"}}"#)
                .utf8)
    }
}

extension RegistryProbe {
    private func put(_ manifest: Data, as reference: String, _ condition: (String, String)? = nil) async throws(RegistryError) -> HTTPResponse {
        let fields = [("Content-Type", MediaType.ociManifest.description)] + [condition].compactMap(\.self)
        return try await send(.put, try client.url("\(scratch)/manifests/\(reference)"), scratch, fields: fields, body: manifest)
    }

    /// Whether the registry took a manifest. Finds out about conditions, and whether a tag can be moved.
    func putManifests(_ content: ProbeContent, _ report: inout ProbeReport) async throws(RegistryError) -> Bool {
        let first = try await put(content.subject, as: content.tag)
        report.findings.append("manifest: \(first.status)")
        guard (200..<300).contains(first.status) else { return false }
        // The same manifest again: whatever the registry makes of the condition, nothing changes.
        let absent = try await put(content.subject, as: content.tag, ("If-None-Match", "*"))
        let another = try await put(content.subject, as: content.tag, ("If-Match", #""\#(Digest(hashing: content.other))""#))
        let same = try await put(content.subject, as: content.tag, ("If-Match", #""\#(Digest(hashing: content.subject))""#))
        report.profile.conditionalPut = absent.status == 412 && another.status == 412 && (200..<300).contains(same.status)
        report.findings.append("write on a condition that does not hold: \(absent.status), \(another.status); on one that holds: \(same.status)")
        let moved = try await put(content.other, as: content.tag)
        report.profile.movableTags = (200..<300).contains(moved.status) ? true : moved.status < 500 ? false : nil
        report.findings.append("tag that is moved: \(moved.status)")
        return true
    }

    func askForReferrers(_ content: ProbeContent, _ report: inout ProbeReport) async throws(RegistryError) {
        let subject = Digest(hashing: content.subject)
        let referrer = Digest(hashing: content.referrer)
        // An immutable tag or a moved one: the subject is there by its digest in any case.
        _ = try await put(content.subject, as: subject.description)
        let answer = try await put(content.referrer, as: referrer.description)
        report.findings.append("manifest about another one: \(answer.status)\(answer.fields["OCI-Subject"] == nil ? "" : ", OCI-Subject")")
        guard (200..<300).contains(answer.status) else { return }
        let isListed = try await lists(referrer, about: subject, &report)
        report.profile.referrers = isListed ? .api : .tagSchema
        report.profile.subjectOnly = !isListed && answer.fields["OCI-Subject"] != nil
        let tag = try await send(
            .get, try client.url("\(scratch)/manifests/\(Tag(referrersOf: subject))"), scratch, fields: RegistryClient.accept, access: .pull)
        report.profile.fallbackTag = Self.fallbackTag(tag)
        report.findings.append("referrers tag that nobody wrote: \(tag.status)")
    }

    private func lists(_ referrer: Digest, about subject: Digest, _ report: inout ProbeReport) async throws(RegistryError) -> Bool {
        for attempt in 0..<3 {
            let answer: ReferrersAnswer
            do throws(RegistryError) { answer = try await client.referrers(scratch, of: subject, limit: 100, meter: meter) } catch {
                switch error {
                case .cancelled, .unreachable, .rateLimited: throw error
                default: answer = .noAPI
                }
            }
            switch answer {
            case .listed(let list, _) where list.contains { $0.digest == referrer }:
                report.findings.append("referrers API: lists it")
                return true
            case .listed:
                // Some registries list it a moment later.
                guard attempt < 2 else { break }
                do { try await Task.sleep(for: .milliseconds(300)) } catch { throw .cancelled(client.place(scratch)) }
                continue
            case .noAPI, .unclear:
                report.findings.append("referrers API: none")
                return false
            }
        }
        report.findings.append("referrers API: answers, and does not list it")
        return false
    }

    private static func fallbackTag(_ response: HTTPResponse) -> RegistryProfile.FallbackTag? {
        guard response.status == 200 else { return response.status == 404 ? .absent : nil }
        do {
            let manifest = try Manifest(bytes: Data(response.body), servedAs: response.fields["Content-Type"].map(MediaType.init), expected: nil)
            return manifest.mediaType.isIndex ? .served : .lies
        } catch { return .lies }
    }

    // MARK: Cleaning up

    /// Takes away what was put, as far as the registry lets us; what stays is said.
    func clean(_ content: ProbeContent, _ report: inout ProbeReport) async throws(RegistryError) {
        for manifest in [content.referrer, content.other, content.subject] {
            let digest = Digest(hashing: manifest)
            try await delete("manifests/\(digest)", in: scratch, "\(scratch)@\(digest)", &report)
        }
        let tag = try await send(.head, try client.url("\(scratch)/manifests/\(content.tag)"), scratch, fields: RegistryClient.accept, access: .pull)
        if tag.status == 200 { report.leftBehind.append("\(scratch):\(content.tag)") }
        for blob in [content.first, content.second, content.third] {
            let digest = Digest(hashing: blob)
            try await delete("blobs/\(digest)", in: scratch, "\(scratch)@\(digest) (a blob of \(blob.count) bytes)", &report)
        }
        if report.profile.mount == .any || report.profile.mount == .committed {
            let digest = Digest(hashing: content.first)
            try await delete("blobs/\(digest)", in: second, "\(second)@\(digest) (a blob of \(content.first.count) bytes)", &report)
        }
    }

    private func delete(_ path: String, in repository: RepositoryName, _ name: String, _ report: inout ProbeReport) async throws(RegistryError) {
        let answer = try await send(.delete, try client.url("\(repository)/\(path)"), repository, access: .delete)
        if answer.status != 202, answer.status != 404, answer.status != 200, answer.status != 204 { report.leftBehind.append(name) }
    }
}
