internal import Logging

/// What a gateway that stops leaves behind: records that the database has not taken.
struct DrainRemainder: Hashable {
    /// Of money, in the journal: settlements, and holds given up. As the metric `gboost_journal_settlements` counts.
    let settlements: Int
    /// Of finished requests, in the journal; they may be lost.
    let reports: Int
    /// Of money, that not even the journal took: they go with the process.
    let inMemory: Int

    init(journal: JournalDepth, inMemory: Int) {
        settlements = journal.settlements
        reports = journal.records - journal.settlements
        self.inMemory = inMemory
    }

    var isEmpty: Bool { settlements == 0 && reports == 0 && inMemory == 0 }

    /// A line of the log.
    struct Line {
        var level: Logger.Level
        var text: String
        var metadata: Logger.Metadata
    }

    /// What is said of it, the worst first.
    var lines: [Line] {
        var lines: [Line] = []
        if inMemory > 0 {
            lines.append(
                Line(
                    level: .critical,
                    text: "charges that neither the database nor the journal took are lost now; recovery posts their "
                        + "holds in full", metadata: ["records": "\(inMemory)"]))
        }
        let counts: Logger.Metadata = ["settlements": "\(settlements)", "reports": "\(reports)"]
        if settlements > 0 {
            lines.append(
                Line(
                    level: .warning, text: "records of money stay in the journal: start this gateway with it again",
                    metadata: counts))
        } else if reports > 0 {
            lines.append(
                Line(
                    level: .warning, text: "reports of requests stay in the journal, and no money", metadata: counts))
        }
        return lines
    }
}
