/// How far the rules of a grammar reach before the first character.
///
/// llama.cpp looks for left recursion along every path of leftmost references, and while drafting keeps every place
/// that the next character may have: where rules refer to each other twice, both double with each of them.
struct GrammarReferences {
    /// Paths from the beginning of one rule; a list of a thousand values has a thousand.
    static let maxPaths = 10_000
    /// Paths from all rules together: some 10 ms.
    static let maxAllPaths = 1_000_000
    /// Things in a row that may all be left out; an object of 200 optional properties has so many. The places that
    /// llama.cpp keeps for them are compared with each other for every character.
    static let maxSkips = 512
    /// References one behind the other: llama.cpp calls itself for each.
    static let maxChain = 512

    private struct Reach {
        var paths = 0
        /// What can be left out at the beginning.
        var skips = 0
        var mayBeEmpty = false
    }

    private enum State {
        case unknown, inProgress
        case known(Reach)
    }

    private let rules: [[[GrammarPart]]]
    private var states: [State]
    private var allPaths = 0

    init(_ rules: [[[GrammarPart]]]) {
        self.rules = rules
        states = Array(repeating: .unknown, count: rules.count)
    }

    mutating func check() throws(GrammarProblem) {
        for rule in rules.indices { _ = try reach(of: rule, depth: 0) }
        // Behind a character as well as at a beginning.
        for alternatives in rules {
            for sequence in alternatives {
                var rest = Reach()
                for part in sequence.reversed() {
                    let own = try reach(of: part, depth: 0)
                    rest.paths = own.paths + (own.mayBeEmpty ? rest.paths : 0)
                    rest.skips = own.mayBeEmpty ? own.skips + rest.skips : 0
                    try check(rest)
                }
            }
        }
    }

    private func check(_ reach: Reach) throws(GrammarProblem) {
        guard reach.paths <= Self.maxPaths else {
            throw GrammarProblem("has more than \(Self.maxPaths) ways to begin a rule")
        }
        guard reach.skips <= Self.maxSkips else {
            throw GrammarProblem("has more than \(Self.maxSkips) things in a row that may be left out")
        }
    }

    private mutating func reach(of rule: Int, depth: Int) throws(GrammarProblem) -> Reach {
        switch states[rule] {
        case .known(let reach): return reach
        case .inProgress: throw GrammarProblem("has a rule that begins with itself")
        case .unknown: break
        }
        guard depth <= Self.maxChain else {
            throw GrammarProblem("has more than \(Self.maxChain) references one behind the other")
        }
        states[rule] = .inProgress
        var whole = Reach()
        for sequence in rules[rule] {
            var skips = 0
            var isEmpty = true
            for part in sequence {
                let own = try reach(of: part, depth: depth + 1)
                whole.paths += own.paths
                guard own.mayBeEmpty else {
                    isEmpty = false
                    break
                }
                skips += own.skips
            }
            whole.skips = max(whole.skips, skips)
            whole.mayBeEmpty = whole.mayBeEmpty || isEmpty
            try check(whole)
        }
        try count(whole.paths)
        states[rule] = .known(whole)
        return whole
    }

    private mutating func reach(of part: GrammarPart, depth: Int) throws(GrammarProblem) -> Reach {
        let mayBeLeftOut = part.least == 0
        guard let rule = part.rule else {
            return Reach(paths: 1, skips: mayBeLeftOut ? 1 : 0, mayBeEmpty: mayBeLeftOut)
        }
        let one = try reach(of: rule, depth: depth)
        // All three are bounded, and so are their products.
        try count(part.copies * one.paths)
        guard one.mayBeEmpty else {
            return Reach(paths: one.paths + 1, skips: mayBeLeftOut ? 1 : 0, mayBeEmpty: mayBeLeftOut)
        }
        return Reach(
            paths: part.copies * (one.paths + 1), skips: part.copies * max(one.skips, 1), mayBeEmpty: true)
    }

    private mutating func count(_ paths: Int) throws(GrammarProblem) {
        allPaths += paths
        guard allPaths <= Self.maxAllPaths else {
            throw GrammarProblem("has more than \(Self.maxAllPaths) ways to begin its rules")
        }
    }
}
