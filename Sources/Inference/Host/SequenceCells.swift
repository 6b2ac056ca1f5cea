/// Which cells of the context the sequences use, shared ones counted once.
///
/// llama.cpp does not tell; what is free must be known before a decode, since one that finds no room is lost.
struct SequenceCells: Sendable {
    private var sequences: [[Int32]]
    private var busy: [Bool]
    /// By cell: sequences that have it, and busy ones among them.
    private var references: [Int32]
    private var busyReferences: [Int32]
    private var free: [Int32]
    /// Cells of any sequence, and those of idle sequences only.
    private(set) var used = 0
    private(set) var idle = 0

    init(sequences: Int, cells: Int) {
        self.sequences = Array(repeating: [], count: sequences)
        busy = Array(repeating: false, count: sequences)
        references = Array(repeating: 0, count: cells)
        busyReferences = references
        free = (0..<Int32(clamping: cells)).reversed()
    }

    func length(of sequence: Int) -> Int { sequences[sequence].count }

    /// Adds cells to a sequence's end. False: there are not that many.
    mutating func append(_ count: Int, to sequence: Int) -> Bool {
        guard count <= free.count else { return false }
        for _ in 0..<count { take(free.removeLast(), for: sequence) }
        return true
    }

    /// Gives an empty sequence the first `length` cells of another.
    mutating func share(from source: Int, to target: Int, length: Int) {
        truncate(target, to: 0)
        for cell in sequences[source].prefix(length) { take(cell, for: target) }
    }

    mutating func truncate(_ sequence: Int, to length: Int) {
        while sequences[sequence].count > length {
            let cell = sequences[sequence].removeLast()
            if busy[sequence] { countBusy(cell, -1) }
            references[Int(cell)] -= 1
            if references[Int(cell)] == 0 {
                used -= 1
                idle -= 1
                free.append(cell)
            }
        }
    }

    mutating func setBusy(_ sequence: Int, _ isBusy: Bool) {
        guard busy[sequence] != isBusy else { return }
        busy[sequence] = isBusy
        for cell in sequences[sequence] { countBusy(cell, isBusy ? 1 : -1) }
    }

    private mutating func take(_ cell: Int32, for sequence: Int) {
        if references[Int(cell)] == 0 {
            used += 1
            idle += 1
        }
        references[Int(cell)] += 1
        sequences[sequence].append(cell)
        if busy[sequence] { countBusy(cell, 1) }
    }

    private mutating func countBusy(_ cell: Int32, _ change: Int32) {
        let before = busyReferences[Int(cell)]
        busyReferences[Int(cell)] = before + change
        if before == 0 { idle -= 1 }
        if before + change == 0 { idle += 1 }
    }
}
