/// How large the numbers of a problem are.
package enum NumberSize: String, Hashable, Sendable, Codable, CaseIterable {
    /// Up to 10.
    case tiny
    /// Up to 30.
    case small
    /// Up to 200.
    case medium
    /// Up to 9,999.
    case large

    var range: ClosedRange<Int> {
        switch self {
        case .tiny: 1...10
        case .small: 2...30
        case .medium: 11...200
        case .large: 101...9_999
        }
    }
    /// Factors and divisors stay smaller, so that results stay readable.
    var factors: ClosedRange<Int> {
        switch self {
        case .tiny: 2...3
        case .small: 2...5
        case .medium: 2...9
        case .large: 2...12
        }
    }
    var largestResult: Int {
        switch self {
        case .tiny: 30
        case .small: 200
        case .medium: 5_000
        case .large: 1_000_000
        }
    }
}

/// Makes word problems; the same seed makes the same problems.
package struct WordProblemGenerator: Sendable {
    private var random: SplitMix64

    /// The steps that a story can have.
    package static let difficulties = 1...6
    private static let attempts = 1_000

    package init(seed: UInt64) { random = SplitMix64(seed: seed) }

    /// A problem of `difficulty` operations; 0 is a bare question such as "What is 3 plus 4?".
    package mutating func next(difficulty: Int, size: NumberSize = .small) -> WordProblem {
        for _ in 0..<Self.attempts {
            let problem = difficulty <= 0 ? bare(size) : story(min(difficulty, Self.difficulties.upperBound), size)
            if let problem { return problem }
        }
        // Every size has additions that fit, so this is not reached; a sum is still a right problem.
        return BareQuestion(operation: .plus, variant: 0, left: 3, right: 4).problem()
            ?? WordProblem(question: "", steps: [], leftSource: [], rightSource: [])
    }

    /// `count` different problems, cycling through `difficulties` and `sizes`.
    package static func problems(
        _ count: Int, seed: UInt64, difficulties: ClosedRange<Int> = Self.difficulties,
        sizes: [NumberSize] = [.small, .medium]
    ) -> [WordProblem] {
        var generator = WordProblemGenerator(seed: seed)
        var seen: Set<String> = []
        var result: [WordProblem] = []
        // Bare questions of tiny numbers are few: after as many repetitions the asked-for number is not to be had.
        var repetitions = 0
        while result.count < count, repetitions < Self.attempts {
            let difficulty = difficulties.lowerBound + result.count % difficulties.count
            let size = sizes.isEmpty ? .small : sizes[(result.count / difficulties.count) % sizes.count]
            let problem = generator.next(difficulty: difficulty, size: size)
            if seen.insert(problem.question).inserted {
                result.append(problem)
                repetitions = 0
            } else {
                repetitions += 1
            }
        }
        return result
    }

    private mutating func bare(_ size: NumberSize) -> WordProblem? {
        guard let operation = random.pick(ArithmeticOperation.allCases) else { return nil }
        let first = random.integer(in: size.range)
        let second = random.integer(in: operation == .times || operation == .divided ? size.factors : size.range)
        let left =
            switch operation {
            case .divided: first * second
            case .minus: max(first, second)
            case .plus, .times: first
            }
        let right = operation == .minus ? min(first, second) : second
        let variant = random.integer(in: 0...((Story.bare[operation]?.count ?? 1) - 1))
        return BareQuestion(operation: operation, variant: variant, left: left, right: right).problem()
    }

    private mutating func story(_ steps: Int, _ size: NumberSize) -> WordProblem? {
        let index = random.integer(in: 0...(Story.all.count - 1))
        let story = Story.all[index]
        guard let subject = random.pick(story.subjects), let object = random.pick(story.objects) else { return nil }
        let start = random.integer(in: size.range)
        var plot = StoryPlot(
            story: index, subject: subject, object: object, opening: random.integer(in: 0...(story.openings.count - 1)),
            start: start, closing: random.integer(in: 0...(story.closings.count - 1)))
        var value = start
        var told = 0
        while told < steps {
            guard let (event, next) = event(story, size, value: value, room: steps - told) else { return nil }
            plot.events.append(event)
            value = next
            if case .group = event { told += 2 } else { told += 1 }
        }
        return plot.problem()
    }

    /// An event that fits, and the value after it.
    private mutating func event(
        _ story: Story, _ size: NumberSize, value: Int, room: Int
    )
        -> (event: StoryPlot.Event, value: Int)?
    {
        if room >= 2, random.integer(in: 0...3) == 0 {
            let (count, each) = (random.integer(in: size.factors), random.integer(in: size.range))
            let next = value + count * each
            guard next <= size.largestResult else { return nil }
            return (.group(variant: random.integer(in: 0...(story.groups.count - 1)), count: count, size: each), next)
        }
        guard let operation = random.pick([.plus, .plus, .minus, .minus, .times, .divided] as [ArithmeticOperation])
        else { return nil }
        let factor = operation == .times || operation == .divided
        let number = random.integer(in: factor ? size.factors : size.range)
        guard let next = operation.apply(value, number), next > 0, next <= size.largestResult else { return nil }
        let variant = random.integer(in: 0...((story.changes[operation]?.count ?? 1) - 1))
        return (.change(operation, variant: variant, number: number), next)
    }
}
