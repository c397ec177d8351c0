import Foundation
import OCI
import Testing

@testable import Transfer

/// The plan: a pure function of the tree, the places and what is believed.
struct CopyPlanTests {
    private let source = PlanSite(server: "http://a.test", repository: Fixture.name("dev/shop/api"))
    private let near = PlanSite(server: "http://a.test", repository: Fixture.name("test/shop/api"))
    private let far = PlanSite(server: "http://b.test", repository: Fixture.name("shop/api"))

    private func plan(_ tree: ManifestTree, to target: PlanSite, _ known: KnowledgeSnapshot = KnowledgeSnapshot()) -> CopyPlan.TargetPlan? {
        CopyPlan(tree: tree, source: source, targets: [target], knowledge: [known]).targets.first
    }

    @Test func copiesAllToAnotherServerOfWhichNothingIsKnown() throws {
        let tree = try Fixture.index()
        let plan = plan(tree, to: far)
        #expect(plan?.blobs.map(\.action) == tree.blobs.map { _ in .copy })
        #expect(plan?.manifests.map(\.digest) == tree.manifests.map(\.digest))
        #expect(plan?.manifests.last?.digest == tree.root.digest)
        #expect(plan?.isEmpty == false)
    }

    @Test func mountsFromTheSourceOnItsOwnServer() throws {
        let plan = plan(try Fixture.index(), to: near)
        #expect(plan?.blobs.allSatisfy { $0.action == .mount(from: [source.repository]) } == true)
    }

    @Test func leavesWhatIsThere() throws {
        let tree = try Fixture.image()
        let first = tree.blobs[0].digest
        let plan = plan(tree, to: far, KnowledgeSnapshot(holders: [first: [BlobHolder(repository: far.repository, isCommitted: false)]]))
        #expect(plan?.blobs.map(\.action) == [.present, .copy, .copy])
    }

    @Test func mountsFromAnyHolderOfTheServerTheBestThreeFirst() throws {
        let tree = try Fixture.image()
        let first = tree.blobs[0].digest
        let holders = [
            BlobHolder(repository: Fixture.name("zoo/other"), isCommitted: true),
            BlobHolder(repository: Fixture.name("shop/fresh"), isCommitted: false),
            BlobHolder(repository: Fixture.name("shop/web"), isCommitted: true),
            BlobHolder(repository: Fixture.name("base/debian"), isCommitted: true),
        ]
        let expected = CopyPlan.BlobAction.mount(from: ["shop/web", "zoo/other", "base/debian"].map(Fixture.name))
        for order in [holders, holders.reversed()] {
            #expect(plan(tree, to: far, KnowledgeSnapshot(holders: [first: order]))?.blobs.first?.action == expected)
        }
    }

    @Test func prefersTheSourceOverOtherHolders() throws {
        let tree = try Fixture.image()
        let holder = BlobHolder(repository: Fixture.name("test/shop/web"), isCommitted: true)
        let plan = plan(tree, to: near, KnowledgeSnapshot(holders: [tree.blobs[0].digest: [holder]]))
        #expect(plan?.blobs.first?.action == .mount(from: [source.repository, holder.repository]))
    }

    @Test func aKnownManifestProvesWhatIsBelowIt() throws {
        let tree = try Fixture.index()
        let child = tree.manifests[0]
        let partly = plan(tree, to: far, KnowledgeSnapshot(manifests: [child.digest]))
        #expect(partly?.blobs.filter { $0.action == .present }.map(\.descriptor.digest) == child.blobs.map(\.digest))
        #expect(partly?.manifests.map(\.isPresent) == [true, false, false])
        let whole = plan(tree, to: far, KnowledgeSnapshot(manifests: [tree.root.digest]))
        #expect(whole?.isEmpty == true)
        #expect(whole?.blobs.allSatisfy { $0.action == .present } == true)
    }

    @Test func foreignLayersStayWhereTheyAre() throws {
        let foreign = MediaType("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")
        let plan = plan(try Fixture.image(lastLayer: foreign), to: near)
        #expect(plan?.blobs.last?.action == .leave)
    }

    @Test func aBlobNamedTwiceIsPlannedOnce() throws {
        let tree = try Fixture.image(repeatedLayer: true)
        #expect(plan(tree, to: far)?.blobs.count == 3)
    }
}

/// Trees without a registry.
enum Fixture {
    static func name(_ text: String) -> RepositoryName {
        do { return try RepositoryName(parsing: text) } catch { preconditionFailure("\(error)") }
    }

    static func descriptor(_ text: String, _ mediaType: MediaType) -> Descriptor {
        Descriptor(mediaType: mediaType, digest: Digest(hashing: Data(text.utf8)), size: Int64(text.utf8.count))
    }

    static func manifest(_ name: String, lastLayer: MediaType = layer, repeatedLayer: Bool = false) throws -> Manifest {
        let layers = [descriptor("\(name) layer 1", layer), descriptor("\(name) layer 2", lastLayer)]
        return try encode(
            Document(
                mediaType: .ociManifest, config: descriptor("\(name) config", .ociConfig), layers: repeatedLayer ? layers + layers : layers))
    }

    static func image(lastLayer: MediaType = layer, repeatedLayer: Bool = false) throws -> ManifestTree {
        let manifest = try manifest("image", lastLayer: lastLayer, repeatedLayer: repeatedLayer)
        return ManifestTree(manifests: [manifest], root: manifest)
    }

    static func index() throws -> ManifestTree {
        let children = [try manifest("amd64"), try manifest("arm64")]
        let root = try encode(
            Document(
                mediaType: .ociIndex,
                manifests: children.map { Descriptor(mediaType: $0.mediaType, digest: $0.digest, size: Int64($0.bytes.count)) }))
        return ManifestTree(manifests: children + [root], root: root)
    }

    private static let layer = MediaType("application/vnd.oci.image.layer.v1.tar+gzip")

    private struct Document: Encodable {
        var schemaVersion = 2
        let mediaType: MediaType
        var config: Descriptor?
        var layers: [Descriptor]?
        var manifests: [Descriptor]?
    }

    private static func encode(_ document: Document) throws -> Manifest {
        try Manifest(bytes: JSONEncoder().encode(document), servedAs: document.mediaType, expected: nil)
    }
}
