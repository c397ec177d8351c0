/// Why forwarding a body ended early.
enum ForwardingEnd: Error {
    case cut, stalled
}

/// What happens to a body that passes, at which of its bytes.
struct BodyDamage {
    var flip: Int?
    var cut: Int?
    var stall: Int?
    private var passed = 0

    static func ofResponse(_ fault: Fault) -> BodyDamage {
        switch fault {
        case .cutResponse(let offset): BodyDamage(cut: offset)
        case .flipResponseByte(let offset): BodyDamage(flip: offset)
        case .stallResponse(let offset): BodyDamage(stall: offset)
        default: BodyDamage()
        }
    }

    static func ofRequest(_ fault: Fault) -> BodyDamage {
        switch fault {
        case .cutRequest(let offset): BodyDamage(cut: offset)
        case .flipRequestByte(let offset): BodyDamage(flip: offset)
        case .stallRequest(let offset): BodyDamage(stall: offset)
        default: BodyDamage()
        }
    }

    private init(flip: Int? = nil, cut: Int? = nil, stall: Int? = nil) {
        self.flip = flip
        self.cut = cut
        self.stall = stall
    }

    /// Passes a piece on, as damaged as it is to be.
    mutating func pass(_ piece: ArraySlice<UInt8>, to write: (ArraySlice<UInt8>) throws -> Void) throws {
        var piece = piece
        let range = passed..<(passed + piece.count)
        if let flip, range.contains(flip) { piece[piece.startIndex + flip - passed] ^= 0xff }
        let end = cut ?? stall
        passed = range.upperBound
        if let end, end <= range.upperBound {
            try write(piece.prefix(max(0, end - range.lowerBound)))
            throw cut != nil ? ForwardingEnd.cut : .stalled
        }
        try write(piece)
    }

    /// Offset 0 strikes before the first byte of the body.
    func strikeBeforeFirstByte() throws {
        if cut == 0 { throw ForwardingEnd.cut }
        if stall == 0 { throw ForwardingEnd.stalled }
    }
}
