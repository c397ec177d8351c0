public import Foundation
public import OCI
import X509

/// Verifies what was found beside an image, with nothing but what is pinned: no request is made, whatever the material names.
public struct SignatureVerifier: Sendable {
    private let signers: [Signer]

    public init(signers: [Signer]) { self.signers = signers }

    /// What an attachment is worth as evidence about a manifest.
    ///
    /// - Returns: one answer for each signer whose key or identity it bears, and at least one.
    public func verify(_ attachment: SignedAttachment, about subject: Digest, at now: Date) async -> [Verification] {
        do throws(TrustError) {
            switch attachment.form {
            case .simpleSigning(let payload):
                return await verify(try SignedMaterial(simpleSigning: payload, annotations: attachment.annotations), attachment, subject, now)
            case .envelope(let data):
                return await verify(try SignedMaterial(envelope: data, annotations: attachment.annotations), attachment, subject, now)
            case .bundle(let data): return await verify(try SigstoreBundle.parse(data), attachment, subject, now)
            case .notation(let data): return await verify(try NotationEnvelope(parsing: data), attachment, subject, now)
            }
        } catch {
            return [Verification(signer: nil, identity: "", content: .unverified(claim: nil), failure: error, signedAt: nil, evidence: attachment.evidence)]
        }
    }

    // MARK: sigstore

    private func verify(_ material: SignedMaterial, _ attachment: SignedAttachment, _ subject: Digest, _ now: Date) async -> [Verification] {
        var found: [Verification] = []
        var identity: CertificateIdentity?
        var unread: TrustError?
        if let certificate = material.certificate {
            do throws(TrustError) { identity = try CertificateIdentity(certificate) } catch { unread = error }
        }
        for signer in signers {
            switch signer.method {
            case .key(let key):
                guard let signature = material.signatures.first(where: { key.isValid($0, of: material.message) }) else { continue }
                let identity = key.fingerprint.description
                found.append(
                    await verification(signer, identity, material, attachment, subject) { () throws(TrustError) in
                        (now, try loggedTime(material, signature, signer, key))
                    })
            case .keyless(let issuer, let pattern, let root):
                guard let certificate = material.certificate, let identity, identity.issuer == issuer, pattern.matches(identity.subject) else { continue }
                found.append(
                    await verification(signer, identity.description, material, attachment, subject) { () throws(TrustError) in
                        let time = try await checkKeyless(material, certificate, root)
                        return (time, time)
                    })
            case .notation: continue
            }
        }
        guard found.isEmpty else { return found }
        let reason = identity.map { "it is signed by \($0), who is not trusted" } ?? "it is signed by no key that is trusted"
        return [
            Verification(
                signer: nil, identity: identity?.description ?? "", content: .unverified(claim: material.claim),
                failure: unread ?? .untrusted(reason: reason), signedAt: nil, evidence: attachment.evidence)
        ]
    }

    private func verification(
        _ signer: Signer, _ identity: String, _ material: SignedMaterial, _ attachment: SignedAttachment, _ subject: Digest,
        check: () async throws(TrustError) -> (time: Date, logged: Date?)
    ) async -> Verification {
        do throws(TrustError) {
            let (time, logged) = try await check()
            try signer.check(time: logged ?? time)
            let content = try content(of: material, about: subject, signer)
            return Verification(signer: signer.name, identity: identity, content: content, failure: nil, signedAt: logged, evidence: attachment.evidence)
        } catch {
            return Verification(
                signer: signer.name, identity: identity, content: .unverified(claim: material.claim), failure: error, signedAt: nil,
                evidence: attachment.evidence)
        }
    }

    /// When a key's signature was made, where a pinned log promises it. Without such a promise it counts as made now: whoever has an old key
    /// can write any time next to a signature.
    private func loggedTime(_ material: SignedMaterial, _ signature: Data, _ signer: Signer, _ key: PublicKey) throws(TrustError) -> Date? {
        guard let root = signer.root else { return nil }
        var times: [Date] = []
        for entry in material.entries {
            if let time = try entry.check(material, signature, verifier: .key(key), root: root) { times.append(time) }
        }
        return times.min()
    }

    /// The order matters: the log's promise gives the time, at which the chain must be valid, with which the key counts.
    private func checkKeyless(_ material: SignedMaterial, _ leaf: Certificate, _ root: TrustedRoot) async throws(TrustError) -> Date {
        guard let signature = material.signatures.first, material.signatures.count == 1 else {
            throw .malformed("the signature", reason: "there is not exactly one beside the certificate")
        }
        guard !material.entries.isEmpty else { throw .log(reason: "there is no entry of the log") }
        var times: [Date] = []
        for entry in material.entries {
            if let time = try entry.check(material, signature, verifier: .certificate(leaf), root: root) { times.append(time) }
        }
        guard let time = times.min(), let last = times.max() else { throw .log(reason: "no log promises when it was signed") }
        let authorities = root.authorities.filter { $0.validity.contains(time) && $0.validity.contains(last) }
        guard !authorities.isEmpty else { throw .outsideValidity("every pinned certificate authority", at: time) }
        var chain: [Certificate] = []
        for moment in Set(times) {
            chain = try await CodeSigningChain.validate(
                leaf, intermediates: material.intermediates + authorities.flatMap(\.intermediates), roots: authorities.map(\.root), at: moment)
        }
        try SignedCertificateTimestamp.check(leaf, issuer: chain[1], logs: root.certificateLogs)
        guard try PublicKey(leaf.publicKey).isValid(signature, of: material.message) else { throw .badSignature("the signature") }
        return time
    }

    private func content(of material: SignedMaterial, about subject: Digest, _ signer: Signer) throws(TrustError) -> Verification.Content {
        switch material.form {
        case .simpleSigning:
            let signed = try SimpleSigning(verified: material.payload)
            try signed.check(subject)
            try signer.check(repositories: [signed.reference])
            return .signature
        case .envelope(let envelope):
            let statement = try Statement(verified: envelope)
            let named = try statement.subject(subject)
            try signer.check(repositories: [named.name])
            return statement.kind == .imageSignature ? .signature : .statement(statement)
        }
    }

    // MARK: Notation

    private func verify(_ envelope: NotationEnvelope, _ attachment: SignedAttachment, _ subject: Digest, _ now: Date) async -> [Verification] {
        let name = "\(envelope.certificate.subject)"
        var found: [Verification] = []
        for signer in signers {
            guard case .notation(let pattern, let store) = signer.method, pattern.matches(name) else { continue }
            var failure: TrustError?
            do throws(TrustError) {
                try await envelope.check(subject, roots: store.roots, at: now)
                try signer.check(time: now)
                // Notation signs no name.
                guard signer.repository == nil else { throw .otherRepository(signed: "") }
            } catch { failure = error }
            let content: Verification.Content = failure == nil ? .signature : .unverified(claim: .imageSignature)
            found.append(
                Verification(signer: signer.name, identity: name, content: content, failure: failure, signedAt: nil, evidence: attachment.evidence))
        }
        guard found.isEmpty else { return found }
        return [
            Verification(
                signer: nil, identity: name, content: .unverified(claim: .imageSignature),
                failure: .untrusted(reason: "it is signed by \(name.excerpt), who is not trusted"), signedAt: nil, evidence: attachment.evidence)
        ]
    }
}

extension SignedMaterial {
    /// What it says to be. Only for telling people what failed.
    fileprivate var claim: PredicateType? {
        switch form {
        case .simpleSigning: return .imageSignature
        case .envelope(let envelope):
            do throws(TrustError) { return try JSON.parse(envelope.payload, as: "the statement")["predicateType"]?.text.map(PredicateType.init) } catch { return nil }
        }
    }
}
