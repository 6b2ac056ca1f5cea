extension WordProblem {
    /// A longer text is not searched beyond this many bytes, counted from its end.
    package static let maxSearchedBytes = 65_536

    /// The problem that `text` asks: the question itself, or the last question within a longer message (an
    /// instruction before it, a request after it, other line breaks). nil: no question of ours.
    package static func parse(question text: String) -> WordProblem? {
        let bytes = folded(text)
        let reader = QuestionReader(text: bytes)
        for start in bytes.indices.reversed() where start == 0 || !isWord(bytes[start - 1]) {
            if let problem = reader.problem(at: start) { return problem }
        }
        return nil
    }

    /// The text with every run of white space as one space.
    private static func folded(_ text: String) -> [UInt8] {
        var result: [UInt8] = []
        for byte in text.utf8.suffix(maxSearchedBytes) {
            let isSpace = byte == 0x20 || (0x09...0x0d).contains(byte)
            if isSpace, result.last == 0x20 { continue }
            result.append(isSpace ? 0x20 : byte)
        }
        return result
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte) || byte >= 0x80
    }
}

/// Tries the stories' sentences against a text.
private struct QuestionReader {
    private struct Sentences {
        var story: Story
        var openings: [StoryTemplate]
        var changes: [(operation: ArithmeticOperation, variant: Int, template: StoryTemplate)]
        var groups: [StoryTemplate]
        var closings: [StoryTemplate]

        init(_ story: Story) {
            self.story = story
            openings = story.openings.map(StoryTemplate.init)
            changes = ArithmeticOperation.allCases.flatMap { operation in
                (story.changes[operation] ?? []).enumerated().map { (operation, $0.offset, StoryTemplate($0.element)) }
            }
            groups = story.groups.map(StoryTemplate.init)
            closings = story.closings.map(StoryTemplate.init)
        }
    }

    private static let stories = Story.all.map(Sentences.init)
    private static let bare = ArithmeticOperation.allCases.flatMap { operation in
        (Story.bare[operation] ?? []).enumerated().map { (operation, $0.offset, StoryTemplate($0.element)) }
    }
    /// More sentences are not one of our problems.
    private static let maxEvents = 12

    let text: [UInt8]

    func problem(at start: Int) -> WordProblem? {
        if let chain = SumChain.read(text, at: start) { return chain.problem }
        for (operation, variant, template) in Self.bare {
            if let read = template.read(text, at: start, known: .init(), story: nil), let left = read.values.first,
                let right = read.values.second
            {
                return BareQuestion(operation: operation, variant: variant, left: left, right: right).problem()
            }
        }
        for (index, sentences) in Self.stories.enumerated() {
            for (opening, template) in sentences.openings.enumerated() {
                guard let read = template.read(text, at: start, known: .init(), story: sentences.story),
                    let subject = read.values.subject, let object = read.values.object,
                    let number = read.values.first
                else { continue }
                let plot = StoryPlot(
                    story: index, subject: subject, object: object, opening: opening, start: number, closing: 0)
                if let whole = rest(of: plot, sentences, at: read.end) { return whole.problem() }
            }
        }
        return nil
    }

    private func rest(of opened: StoryPlot, _ sentences: Sentences, at start: Int) -> StoryPlot? {
        var plot = opened
        var index = start
        let known = StoryTemplate.Values(subject: plot.subject, object: plot.object)
        while plot.events.count <= Self.maxEvents {
            if index < text.count, text[index] == 0x20 { index += 1 }
            for (closing, template) in sentences.closings.enumerated()
            where template.read(text, at: index, known: known, story: sentences.story) != nil {
                plot.closing = closing
                return plot
            }
            guard let (event, end) = event(sentences, known, at: index) else { return nil }
            plot.events.append(event)
            index = end
        }
        return nil
    }

    private func event(
        _ sentences: Sentences, _ known: StoryTemplate.Values, at index: Int
    )
        -> (StoryPlot.Event, Int)?
    {
        for (operation, variant, template) in sentences.changes {
            if let read = template.read(text, at: index, known: known, story: sentences.story),
                let number = read.values.first
            {
                return (.change(operation, variant: variant, number: number), read.end)
            }
        }
        for (variant, template) in sentences.groups.enumerated() {
            if let read = template.read(text, at: index, known: known, story: sentences.story),
                let count = read.values.first, let size = read.values.second
            {
                return (.group(variant: variant, count: count, size: size), read.end)
            }
        }
        return nil
    }
}
