import CPostgres

/// Owns one `PGresult`; cleared exactly once.
@safe struct ResultHandle: ~Copyable {
    private let pointer: OpaquePointer

    /// Takes ownership of `pointer`.
    init(owning pointer: OpaquePointer) { unsafe self.pointer = pointer }

    deinit { unsafe PQclear(pointer) }

    var status: ExecStatusType { unsafe PQresultStatus(pointer) }

    /// `COMMIT`, `ROLLBACK`, `INSERT 0 1`, …
    var commandTag: String { unsafe String(cString: PQcmdStatus(pointer)) }

    var affectedRows: Int { unsafe Int(String(cString: PQcmdTuples(pointer))) ?? 0 }

    var isSuccess: Bool { status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY }

    var error: ServerError { unsafe Self.error(of: pointer) }

    /// Reads the fields of an error or a notice; PG_DIAG_… are characters in the protocol ("Error and Notice Message Fields").
    static func error(of result: OpaquePointer) -> ServerError {
        func field(_ code: Unicode.Scalar) -> String? {
            unsafe PQresultErrorField(result, Int32(code.value)).map { unsafe String(cString: $0) }
        }
        return ServerError(
            state: SQLState(rawValue: field("C") ?? "08006"), severity: field("V") ?? "ERROR", constraint: field("n"), table: field("t"),
            message: field("M") ?? "", detail: field("D"))
    }

    func rows() -> [PostgresRow] {
        let fieldCount = unsafe PQnfields(pointer)
        var columns = PostgresRow.Columns()
        for field in 0..<fieldCount {
            unsafe columns.index[String(cString: PQfname(pointer, field))] = Int(field)
            unsafe columns.oids.append(PQftype(pointer, field))
        }
        return unsafe (0..<PQntuples(pointer)).map { row in
            PostgresRow(columns: columns, values: (0..<fieldCount).map { value(row: row, field: $0) })
        }
    }

    private func value(row: Int32, field: Int32) -> [UInt8]? {
        guard unsafe PQgetisnull(pointer, row, field) == 0 else { return nil }
        let length = unsafe Int(PQgetlength(pointer, row, field))
        guard length > 0, let start = unsafe PQgetvalue(pointer, row, field) else { return [] }
        return unsafe start.withMemoryRebound(to: UInt8.self, capacity: length) { unsafe Array(UnsafeBufferPointer(start: $0, count: length)) }
    }
}
