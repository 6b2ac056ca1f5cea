import GatewayTesting
import Testing

@testable import Inference

@Suite("The books on cells") struct SequenceCellsTests {
    @Test("They are what sets of cells are, whatever is appended, shared, forgotten or marked", arguments: 1...30)
    func model(seed: Int) {
        var random = SplitMix64(seed: UInt64(seed))
        var cells = SequenceCells(sequences: 5, cells: 60)
        // The model: each sequence a list of names, a name for every token ever evaluated.
        var names: [[Int]] = Array(repeating: [], count: 5)
        var busy = Array(repeating: false, count: 5)
        var next = 0
        for _ in 0..<400 {
            let sequence = random.integer(in: 0...4)
            switch random.integer(in: 0...3) {
            case 0:
                let count = random.integer(in: 0...12)
                let hasRoom = Set(names.joined()).count + count <= 60
                #expect(cells.append(count, to: sequence) == hasRoom)
                if hasRoom {
                    names[sequence] += next..<(next + count)
                    next += count
                }
            case 1:
                let source = random.integer(in: 0...4)
                let length = random.integer(in: 0...20)
                guard source != sequence else { continue }
                cells.share(from: source, to: sequence, length: length)
                names[sequence] = Array(names[source].prefix(length))
            case 2:
                let length = random.integer(in: 0...20)
                cells.truncate(sequence, to: length)
                names[sequence] = Array(names[sequence].prefix(length))
            default:
                busy[sequence].toggle()
                cells.setBusy(sequence, busy[sequence])
            }
            let used = Set(names.joined())
            let inUse = Set(zip(names, busy).filter(\.1).flatMap(\.0))
            #expect(cells.used == used.count && cells.idle == used.subtracting(inUse).count)
            #expect(cells.length(of: sequence) == names[sequence].count)
        }
    }
}
