import Foundation
import OCI
import Testing

/// Lists of referrers under a tag: what is believed, and what stays when one is extended.
@Suite struct ReferrersIndexTests {
    private static let subject = Digest(hashing: Data("image".utf8))
    private static let type = MediaType.ociIndex.description

    private func entry(_ text: String, members: String = "", mediaType: MediaType = .ociManifest, size: Int = 7) -> String {
        #"{"mediaType":"\#(mediaType)","digest":"\#(digest(text))","size":\#(size)\#(members)}"#
    }

    private func digest(_ text: String) -> Digest { Digest(hashing: Data(text.utf8)) }

    private func manifest(_ entries: [String], members: String = "", mediaType: String = type) throws -> Manifest {
        let text = #"{"schemaVersion":2,"mediaType":"\#(mediaType)","manifests":[\#(entries.joined(separator: ","))]\#(members)}"#
        return try Manifest(bytes: Data(text.utf8), servedAs: nil, expected: nil)
    }

    private func descriptor(_ text: String, annotations: [String: String] = [:], artifactType: String? = nil) -> Descriptor {
        Descriptor(mediaType: .ociManifest, digest: digest(text), size: 7, annotations: annotations, artifactType: artifactType)
    }

    private func members(_ index: ReferrersIndex) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: index.manifest.bytes) as? [String: Any])
    }

    @Test func readsItsEntries() throws {
        let text = entry("signature", members: #","artifactType":"application/vnd.example.signature","annotations":{"by":"ci"}"#)
        let index = try ReferrersIndex(manifest([text, entry("sbom")]), of: Self.subject)
        #expect(index.referrers.map(\.digest) == [digest("signature"), digest("sbom")])
        #expect(index.referrers[0].artifactType == "application/vnd.example.signature")
        #expect(index.referrers[0].annotations == ["by": "ci"])
    }

    /// A tag can name anything: GitLab's registry answers this one with the image itself (oras #2148).
    @Test func whatIsNoListOfReferrersIsNotBelieved() throws {
        let image = try manifest([entry("child")])
        #expect(throws: ReferrersIndexError.subjectItself(image.digest)) { try ReferrersIndex(image, of: image.digest) }
        let about = #","subject":\#(entry("other"))"#
        #expect(throws: ReferrersIndexError.hasSubject(digest("other"))) { try ReferrersIndex(manifest([], members: about), of: Self.subject) }
        let list = MediaType.dockerManifestList
        #expect(throws: ReferrersIndexError.notAnIndex(list)) { try ReferrersIndex(manifest([entry("a")], mediaType: list.description), of: Self.subject) }
        let single = #"{"schemaVersion":2,"mediaType":"\#(MediaType.ociManifest)","config":\#(entry("config")),"layers":[]}"#
        #expect(throws: ReferrersIndexError.notAnIndex(.ociManifest)) {
            try ReferrersIndex(Manifest(bytes: Data(single.utf8), servedAs: nil, expected: nil), of: Self.subject)
        }
    }

    @Test(arguments: [(MediaType.octetStream, 7), (MediaType.ociConfig, 7), (MediaType.ociManifest, 0), (MediaType.ociManifest, ManifestLimits.bytes + 1)])
    func anIndexWithABadEntryIsNotBelieved(mediaType: MediaType, size: Int) throws {
        let spoilt = try manifest([entry("good"), entry("bad", mediaType: mediaType, size: size)])
        #expect(throws: ReferrersIndexError.self) { try ReferrersIndex(spoilt, of: Self.subject) }
    }

    @Test func anIndexThatListsTheSubjectIsNotBelieved() throws {
        let spoilt = try manifest([entry("image")])
        #expect(throws: ReferrersIndexError.badEntry(Self.subject, reason: "is the subject itself")) { try ReferrersIndex(spoilt, of: Self.subject) }
    }

    /// cosign #4641: whoever writes the list anew loses what others wrote into it.
    @Test func whatItSaidBeforeStaysWhenItIsExtended() throws {
        let old = entry("old", members: #","artifactType":"application/vnd.example.old","annotations":{"by":"a"},"data":"e30=","future":[1,{"x":null}]"#)
        let index = try ReferrersIndex(manifest([old], members: #","annotations":{"kept":"yes"},"unknown":{"deep":[true]}"#), of: Self.subject)
        let longer = try index.adding([descriptor("new", annotations: ["by": "b"], artifactType: "application/vnd.example.new")])
        #expect(longer.referrers.map(\.digest) == [digest("old"), digest("new")])
        #expect(longer.referrers[1].artifactType == "application/vnd.example.new")
        #expect(longer.referrers[1].annotations == ["by": "b"])
        let members = try members(longer)
        #expect(members["annotations"] as? [String: String] == ["kept": "yes"])
        #expect((members["unknown"] as? [String: [Bool]]) == ["deep": [true]])
        let first = try #require((members["manifests"] as? [[String: Any]])?.first)
        let expected = try #require(try JSONSerialization.jsonObject(with: Data(old.utf8)) as? [String: Any])
        #expect(NSDictionary(dictionary: first) == NSDictionary(dictionary: expected))
    }

    @Test func whoIsListedIsNotListedTwice() throws {
        let index = try ReferrersIndex(listing: [descriptor("a")])
        let longer = try index.adding([descriptor("a", annotations: ["other": "words"]), descriptor("b")])
        #expect(longer.referrers.map(\.digest) == [digest("a"), digest("b")])
        #expect(longer.referrers[0].annotations == [:])
        #expect((try members(longer)["manifests"] as? [Any])?.count == 2)
    }

    @Test func whoseManifestsAreGoneIsLeftOut() throws {
        let index = try ReferrersIndex(listing: [descriptor("a"), descriptor("gone"), descriptor("b")])
        let next = try index.adding([descriptor("c")], without: [digest("gone")])
        #expect(next.referrers.map(\.digest) == [digest("a"), digest("b"), digest("c")])
    }

    @Test func aNewListIsWhatTheSpecificationSays() throws {
        let index = try ReferrersIndex(listing: [descriptor("a", artifactType: "application/vnd.example.a")])
        let expected =
            #"{"manifests":[{"artifactType":"application/vnd.example.a","digest":"\#(digest("a"))","mediaType":"\#(MediaType.ociManifest)","size":7}],"#
            + #""mediaType":"\#(MediaType.ociIndex)","schemaVersion":2}"#
        #expect(String(decoding: index.manifest.bytes, as: UTF8.self) == expected)
        #expect(try ReferrersIndex(index.manifest, of: Self.subject) == index)
    }

    @Test func aListThatWouldBeTooLargeIsNotMade() throws {
        let long = String(repeating: "x", count: ManifestLimits.bytes)
        #expect(throws: ReferrersIndexError.self) { try ReferrersIndex(listing: [descriptor("a", annotations: ["long": long])]) }
    }

    @Test func theTagIsTheDigestCutToATag() throws {
        #expect(Tag(referrersOf: Self.subject).description == "sha256-\(Self.subject.hex)")
        let long = Digest(hashing: Data("image".utf8), with: .sha512)
        #expect(Tag(referrersOf: long).description == "sha512-\(long.hex.prefix(64))")
        #expect(try Tag(parsing: Tag(referrersOf: long).description) == Tag(referrersOf: long))
    }

    @Test func aManifestIsListedWithItsKindAndAnnotations() throws {
        let config = #"{"mediaType":"application/vnd.example.config","digest":"\#(digest("config"))","size":2}"#
        func descriptor(_ members: String) throws -> Descriptor {
            let text = #"{"schemaVersion":2,"mediaType":"\#(MediaType.ociManifest)","config":\#(config),"layers":[]\#(members)}"#
            return try Manifest(bytes: Data(text.utf8), servedAs: nil, expected: nil).referrerDescriptor
        }
        let plain = try descriptor("")
        #expect(plain.artifactType == "application/vnd.example.config")
        let rich = try descriptor(#","artifactType":"application/vnd.example.sbom","annotations":{"a":"b"}"#)
        #expect(rich.artifactType == "application/vnd.example.sbom")
        #expect(rich.annotations == ["a": "b"])
        #expect(rich.mediaType == .ociManifest)
    }
}
