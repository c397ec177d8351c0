import Logging
import PolicyEngine
import PromotionCore

extension Logger {
    /// What became of the policy, in the log of the process.
    func log(_ event: PolicyNotice) {
        switch event {
        case .adopted(let set, let commit):
            var metadata: Metadata = ["version": "\(set.version)", "policies": "\(set.policies.count)"]
            if let commit {
                metadata["author"] = "\(commit.author)"
                metadata["signer"] = commit.signature.map { "\($0.signer)" }
            }
            info("policy in force", metadata: metadata)
        case .refused(let refusal):
            error(
                "policy files are refused, the last good version stays in force",
                metadata: ["revision": "\(refusal.revision)", "mistakes": "\(refusal.mistakes.count)"])
            for mistake in refusal.mistakes { error("\(mistake)") }
        case .unreachable(let reason): warning("policies can't be read, the last good version stays in force", metadata: ["reason": "\(reason)"])
        case .reachable: notice("policies can be read again")
        case .unreadable(let failure):
            error("the last good policy of the database can't be read any more", metadata: ["error": "\(failure)"])
        }
    }
}
