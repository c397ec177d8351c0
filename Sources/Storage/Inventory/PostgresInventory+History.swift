public import Foundation
public import OCI
public import PolicyEngine
import Postgres
public import PromotionCore

extension PostgresInventory: EarlierStates {
    /// Tags that are not for people: what refers to images stands under them.
    static let hidden = "sha256-%"

    public func state(
        of environment: EnvironmentName, image: ImageName?, at time: Date?, cursor: String?, limit: Int
    ) async throws(StoreError) -> Page<PlacedTag> {
        let scope = "state \(environment) \(image?.description ?? "") \(time?.timeIntervalSince1970 ?? 0)"
        let after = try cursor.map { text throws(StoreError) in try Cursor(parsing: text, scope: scope).position }
        let place = after?.split(separator: " ").map(String.init) ?? []
        guard after == nil || place.count == 3 else { throw .invalidCursor }
        let (afterImage, afterTag, afterRegistry): (String?, String, String) = place.count == 3 ? (place[0], place[1], place[2]) : (nil, "", "")
        let (name, wanted) = (environment.description, image?.description)
        let tags = try await storing {
            try await pool.query(
                """
                SELECT i.name AS image, e.name AS registry, t.tag, t.digest, lower(t.valid) AS since, t.promotion_id
                  FROM environment_registries e JOIN image_repositories ir ON ir.registry_name = e.name JOIN images i ON i.id = ir.image_id
                  JOIN tag_history t ON t.repository_id = ir.repository_id
                 WHERE e.environment = \(name) AND (\(wanted)::text IS NULL OR i.name = \(wanted)) AND t.digest IS NOT NULL AND t.tag NOT LIKE \(Self.hidden)
                   AND CASE WHEN \(time)::timestamptz IS NULL THEN upper_inf(t.valid) ELSE t.valid @> \(time)::timestamptz END
                   AND (\(afterImage)::text IS NULL OR (i.name, t.tag::text, e.name) > (\(afterImage), \(afterTag), \(afterRegistry)))
                 ORDER BY i.name, t.tag::text, e.name LIMIT \(limit + 1)
                """
            ).map { row in
                PlacedTag(
                    image: try row.parsed("image", ImageName.init(parsing:)), registry: try row.decode("registry"), tag: try row.parsed("tag", Tag.init(parsing:)),
                    digest: try row.digest("digest"), since: try row.decode("since"),
                    promotion: try row.decodeOptional("promotion_id", as: UUID.self).map(PromotionID.init))
            }
        }
        return Page(tags, limit: limit, scope: scope) { "\($0.image) \($0.tag) \($0.registry)" }
    }

    public func moves(
        of image: ImageName?, environment: EnvironmentName?, tag: Tag?, since: Date?, until: Date?, cursor: String?, limit: Int
    ) async throws(StoreError) -> Page<RecordedTagMove> {
        let scope =
            "moves \(image?.description ?? "") \(environment?.description ?? "") \(tag?.description ?? "") \(since?.timeIntervalSince1970 ?? 0) \(until?.timeIntervalSince1970 ?? 0)"
        let position = try cursor.map { text throws(StoreError) in try Cursor(parsing: text, scope: scope).position }
        guard position == nil || Int64(position ?? "") != nil else { throw .invalidCursor }
        let before = position.flatMap { Int64($0) }
        let (name, place, word) = (image?.description, environment?.description, tag?.description)
        let moves = try await storing {
            try await pool.query(
                """
                SELECT t.id, i.name AS image, e.environment, e.name AS registry, t.tag, b.digest AS before, t.digest, lower(t.valid) AS at, t.promotion_id,
                       p.requested_by, t.seen_by
                  FROM tag_history t JOIN image_repositories ir ON ir.repository_id = t.repository_id JOIN images i ON i.id = ir.image_id
                  JOIN environment_registries e ON e.name = ir.registry_name LEFT JOIN promotions p ON p.id = t.promotion_id
                  LEFT JOIN LATERAL (SELECT h.digest FROM tag_history h WHERE h.repository_id = t.repository_id AND h.tag = t.tag AND h.id < t.id
                                      ORDER BY h.id DESC LIMIT 1) b ON true
                 WHERE (\(name)::text IS NULL OR i.name = \(name)) AND (\(place)::text IS NULL OR e.environment = \(place))
                   AND (\(word)::text IS NULL OR t.tag = \(word)) AND t.tag NOT LIKE \(Self.hidden)
                   AND (\(since)::timestamptz IS NULL OR lower(t.valid) >= \(since)) AND (\(until)::timestamptz IS NULL OR lower(t.valid) < \(until))
                   AND (\(before)::bigint IS NULL OR t.id < \(before)) AND b.digest IS DISTINCT FROM t.digest
                 ORDER BY t.id DESC LIMIT \(limit + 1)
                """
            ).map { row in (try row.decode("id", as: Int64.self), try Self.move(row)) }
        }
        let page = Page(moves, limit: limit, scope: scope) { String($0.0) }
        return Page(items: page.items.map(\.1), next: page.next)
    }

    private static func move(_ row: PostgresRow) throws(PostgresError) -> RecordedTagMove {
        RecordedTagMove(
            image: try row.parsed("image", ImageName.init(parsing:)), environment: try row.parsed("environment", EnvironmentName.init(parsing:)),
            registry: try row.decode("registry"), tag: try row.parsed("tag", Tag.init(parsing:)), from: try row.digestIfPresent("before"),
            to: try row.digestIfPresent("digest"), at: try row.decode("at"),
            promotion: try row.decodeOptional("promotion_id", as: UUID.self).map(PromotionID.init),
            requestedBy: try row.decodeOptional("requested_by", as: String.self).map(SubjectID.init(stored:)), seenBy: try row.decode("seen_by"))
    }

    // MARK: Earlier states

    public func earlier(
        _ goal: RollbackGoal, in environment: EnvironmentName, image: ImageName?, tags: [Tag], limit: Int
    ) async throws(StoreError) -> [EarlierTag] {
        switch goal {
        case .state(let time): return try await earlier(at: time, digest: nil, environment, image, tags, limit)
        case .digest(let digest):
            guard let time = try await lastTime(of: digest, environment, image, tags) else { return [] }
            return try await earlier(at: time, digest: digest, environment, image, tags, limit)
        case .previous:
            guard let image, let last = try await lastMove(of: image, environment, tags) else { return [] }
            // What moved together goes back together.
            return try await earlier(at: last.before, digest: nil, environment, image, last.tags, limit)
        }
    }

    private func earlier(
        at time: Date, digest: Digest?, _ environment: EnvironmentName, _ image: ImageName?, _ tags: [Tag], _ limit: Int
    ) async throws(StoreError) -> [EarlierTag] {
        let (name, wanted, only, stored) = (environment.description, image?.description, tags.map(\.description), digest?.stored)
        return try await storing {
            try await pool.query(
                """
                SELECT DISTINCT ON (i.name, t.tag::text) i.name AS image, t.tag, t.digest,
                       (SELECT coalesce(p.rollback ->> 'step', p.from_environment) FROM promotions p
                         WHERE p.image_id = i.id AND p.to_environment = \(name) AND p.digest = t.digest AND p.state = 'succeeded'
                         ORDER BY p.id DESC LIMIT 1) AS step,
                       NOT EXISTS (
                         SELECT FROM environment_registries o LEFT JOIN image_repositories x ON x.registry_name = o.name AND x.image_id = i.id
                           LEFT JOIN tag_history n ON n.repository_id = x.repository_id AND n.tag = t.tag AND upper_inf(n.valid)
                          WHERE o.environment = \(name) AND n.digest IS DISTINCT FROM t.digest) AS current
                  FROM environment_registries e JOIN image_repositories ir ON ir.registry_name = e.name JOIN images i ON i.id = ir.image_id
                  JOIN tag_history t ON t.repository_id = ir.repository_id AND t.valid @> \(time)::timestamptz
                 WHERE e.environment = \(name) AND (\(wanted)::text IS NULL OR i.name = \(wanted)) AND t.digest IS NOT NULL AND t.tag NOT LIKE \(Self.hidden)
                   AND (cardinality(\(only)) = 0 OR t.tag::text = ANY (\(only))) AND (\(stored)::bytea IS NULL OR t.digest = \(stored))
                 ORDER BY i.name, t.tag::text, lower(t.valid) DESC LIMIT \(limit)
                """
            ).map { row in
                EarlierTag(
                    image: try row.parsed("image", ImageName.init(parsing:)), tag: try row.parsed("tag", Tag.init(parsing:)), digest: try row.digest("digest"),
                    state: time, step: try row.decodeOptional("step", as: String.self).flatMap(EnvironmentName.init(parsing:)),
                    isCurrent: try row.decode("current"))
            }
        }
    }

    /// When an artifact had its tags last: a moment before the last of them was taken away, or now.
    private func lastTime(of digest: Digest, _ environment: EnvironmentName, _ image: ImageName?, _ tags: [Tag]) async throws(StoreError) -> Date? {
        let (name, wanted, only) = (environment.description, image?.description, tags.map(\.description))
        return try await storing {
            try await pool.query(
                """
                SELECT coalesce(max(upper(t.valid)) - interval '1 microsecond', max(greatest(lower(t.valid), clock_timestamp()))) AS at
                  FROM environment_registries e JOIN image_repositories ir ON ir.registry_name = e.name JOIN images i ON i.id = ir.image_id
                  JOIN tag_history t ON t.repository_id = ir.repository_id
                 WHERE e.environment = \(name) AND (\(wanted)::text IS NULL OR i.name = \(wanted)) AND t.digest = \(digest.stored)
                   AND t.tag NOT LIKE \(Self.hidden) AND (cardinality(\(only)) = 0 OR t.tag::text = ANY (\(only)))
                   -- A period that another one of the same digest follows is not over.
                   AND NOT EXISTS (SELECT FROM tag_history n WHERE n.repository_id = t.repository_id AND n.tag = t.tag AND n.id > t.id AND n.digest = t.digest
                                     AND lower(n.valid) = upper(t.valid))
                """
            ).first?.decodeOptional("at", as: Date.self)
        }
    }

    /// The last move of the image's tags from one artifact to another, and the moment before it.
    private func lastMove(of image: ImageName, _ environment: EnvironmentName, _ tags: [Tag]) async throws(StoreError) -> (tags: [Tag], before: Date)? {
        let (name, only) = (environment.description, tags.map(\.description))
        let rows = try await storing {
            try await pool.query(
                """
                SELECT t.tag, upper(b.valid) - interval '1 microsecond' AS before,
                       (SELECT h.promotion_id FROM tag_history h WHERE h.repository_id = t.repository_id AND h.tag = t.tag AND h.id > b.id ORDER BY h.id LIMIT 1) AS promotion_id
                  FROM environment_registries e JOIN image_repositories ir ON ir.registry_name = e.name JOIN images i ON i.id = ir.image_id
                  JOIN tag_history t ON t.repository_id = ir.repository_id AND upper_inf(t.valid)
                  JOIN LATERAL (SELECT h.id, h.valid FROM tag_history h WHERE h.repository_id = t.repository_id AND h.tag = t.tag AND h.id < t.id
                                   AND h.digest IS NOT NULL AND h.digest IS DISTINCT FROM t.digest ORDER BY h.id DESC LIMIT 1) b ON true
                 WHERE e.environment = \(name) AND i.name = \(image.description) AND t.tag NOT LIKE \(Self.hidden)
                   AND (cardinality(\(only)) = 0 OR t.tag::text = ANY (\(only)))
                 ORDER BY upper(b.valid) DESC LIMIT 1000
                """
            ).map { row in
                (
                    tag: try row.parsed("tag", Tag.init(parsing:)), before: try row.decode("before", as: Date.self),
                    promotion: try row.decodeOptional("promotion_id", as: UUID.self)
                )
            }
        }
        guard let last = rows.first else { return nil }
        let together = rows.filter { $0.tag == last.tag || ($0.promotion != nil && $0.promotion == last.promotion) }
        // The moment before the first of them moved.
        return (Set(together.map(\.tag)).sorted(), together.map(\.before).min() ?? last.before)
    }

    public func promotions(under key: String, of principal: SubjectID) async throws(StoreError) -> [Promotion] {
        try await storing {
            try await pool.query(
                PromotionRow.select + """
                     JOIN idempotency_keys k ON k.promotion_id = p.id
                     WHERE k.principal = \(principal.description) AND starts_with(k.key, \(key + "#")) ORDER BY p.id LIMIT 1000
                    """
            ).map { row throws(PostgresError) in try PromotionRow.decode(row) }
        }
    }
}
