internal import ArgumentParser
internal import Foundation

/// Says whether a completion reaches the known answer.
struct AnswerChecker: Sendable {
    /// How the two are compared.
    enum Kind: String, ExpressibleByArgument, CaseIterable, Sendable {
        /// The final answer is the known one, but for case and spaces.
        case exact
        /// The last number of the final answer is the known one.
        case numeric
        /// The first letter that stands alone in the final answer is the known one.
        case choice
        /// The known answer is a regular expression that the completion matches.
        case regex
        /// A program reads question, answer and completion as JSON and ends with 0 where it is right.
        case command
    }

    /// How long a program may take.
    static let commandSeconds = 30
    private static let markers = ["####", "\\boxed{", "answer is", "answer:", "a:"]

    var kind: Kind
    /// Path of the program of `command`.
    var program: String?

    func isRight(question: String, answer: String, completion: String) async throws -> Bool {
        let final = Self.finalAnswer(completion)
        switch kind {
        case .exact: return Self.plain(final) == Self.plain(answer)
        case .numeric:
            guard let found = Self.lastNumber(final), let known = Self.lastNumber(answer) else { return false }
            return abs(found - known) <= 1e-6 * max(1, abs(known))
        case .choice:
            guard let known = Self.choice(answer) else { return false }
            return Self.choice(final) == known
        case .regex:
            guard let expression = try? Regex(answer) else {
                throw LabelledRowFailure("field \"answer\" is no regular expression: \(answer)")
            }
            return completion.contains(expression)
        case .command: return try await ask(question, answer, completion)
        }
    }

    /// Why nothing can be compared with a known answer: every completion would be wrong, or right. nil: it can be.
    func objection(to answer: String) -> String? {
        switch kind {
        case .exact: Self.plain(answer).isEmpty ? "no text" : nil
        case .numeric: Self.lastNumber(answer)?.isFinite == true ? nil : "no number"
        case .choice: Self.choice(answer) == nil ? "no letter that stands alone" : nil
        case .regex: answer.isEmpty || (try? Regex(answer)) == nil ? "no regular expression" : nil
        case .command: nil
        }
    }

    /// Refuses what could not be checked, before hours of labelling.
    ///
    /// - Parameter path: of the file that the rows are from.
    /// - Throws: `LabelledRowFailure` that names file and line, or `CommandFailure` that names the program.
    func check(_ rows: [UnlabelledRow], of path: String) throws {
        if let program {
            let files = FileManager.default
            guard files.fileExists(atPath: program) else {
                throw CommandFailure.usage("--program", "\(program) cannot be run: no such file")
            }
            guard files.isExecutableFile(atPath: program), !OutputFile.isDirectory(program) else {
                throw CommandFailure.usage("--program", "\(program) cannot be run: it is no program")
            }
        }
        for row in rows {
            guard let why = objection(to: row.answer) else { continue }
            throw LabelledRowFailure("\(path), line \(row.line): field \"answer\": \(why); see --checker")
        }
    }

    /// What stands behind the last marker of a final answer, or the last line.
    static func finalAnswer(_ text: String) -> String {
        let lines = text.split(whereSeparator: \.isNewline).filter { !$0.allSatisfy(\.isWhitespace) }
        for line in lines.reversed() {
            for marker in markers {
                guard let range = line.range(of: marker, options: [.caseInsensitive, .backwards]) else { continue }
                // "a:" is a marker at the beginning of a line only.
                if marker == "a:", range.lowerBound != line.startIndex { continue }
                let rest = line[range.upperBound...]
                return String(marker == "\\boxed{" ? rest.prefix { $0 != "}" } : rest)
            }
        }
        return lines.last.map(String.init) ?? ""
    }

    private static func plain(_ text: String) -> String {
        text.lowercased().filter { !$0.isWhitespace }.trimmingCharacters(in: CharacterSet(charactersIn: ".$"))
    }

    private static func lastNumber(_ text: String) -> Double? {
        let plain = text.replacing(",", with: "")
        return plain.matches(of: /-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/).last.flatMap { Double($0.output) }
    }

    private static func choice(_ text: String) -> Character? {
        text.uppercased().split { !$0.isLetter && !$0.isNumber }.first { $0.count == 1 && $0.first?.isLetter == true }?
            .first
    }

    private func ask(_ question: String, _ answer: String, _ completion: String) async throws -> Bool {
        guard let program else { throw LabelledRowFailure("--checker command needs --program") }
        // In a file: a program that does not read to the end shall not end this one with a broken pipe.
        let input = FileManager.default.temporaryDirectory.appending(path: "gboost-check-\(UUID())")
        let document = try JSONEncoder().encode(["question": question, "answer": answer, "completion": completion])
        do { try document.write(to: input) } catch {
            let why = FileFailure.reason(error) ?? "the file system refuses it"
            throw CommandFailure("\(input.path), for what --program reads, cannot be written: \(why)")
        }
        defer { try? FileManager.default.removeItem(at: input) }
        let process = Process()
        process.executableURL = URL(filePath: program)
        process.standardOutput = FileHandle.nullDevice
        process.standardInput = try FileHandle(forReadingFrom: input)
        let status: Int32 = try await withCheckedThrowingContinuation { done in
            process.terminationHandler = { done.resume(returning: $0.terminationStatus) }
            do {
                try process.run()
            } catch {
                process.terminationHandler = nil
                return done.resume(throwing: LabelledRowFailure("--program: \(program) cannot be started"))
            }
            let pid = process.processIdentifier
            DispatchQueue.global().asyncAfter(deadline: .now() + .seconds(Self.commandSeconds)) {
                if process.isRunning { kill(pid, SIGKILL) }
            }
        }
        return status == 0
    }
}
