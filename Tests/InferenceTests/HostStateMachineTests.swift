import Foundation
import Testing

@testable import Inference

@Suite("The life of a host")
struct HostStateMachineTests {
    private static let busy = HostStatus(
        decodes: 5, queued: 1, active: 1, cached: 0, generatedTokens: 0, evaluatedTokens: 0)

    private static let idle = HostStatus(
        decodes: 5, queued: 0, active: 0, cached: 1, generatedTokens: 0, evaluatedTokens: 0)

    private func ready() -> HostStateMachine {
        var machine = HostStateMachine(limits: .init())
        #expect(machine.need(at: .zero) == .spawn)
        #expect(machine.need(at: .zero) == .none)
        machine.becameReady(at: .seconds(1))
        return machine
    }

    @Test("It is started once, when somebody needs it")
    func start() {
        var machine = ready()
        #expect(machine.isReady)
        #expect(machine.need(at: .seconds(2)) == .none)
        #expect(machine.starts == 1)
    }

    @Test("After a crash it waits, longer each time, and begins anew once it has lived long enough")
    func backoff() {
        var machine = ready()
        var now = Duration.seconds(2)
        for expected in [100, 200, 400, 800] {
            #expect(machine.exited(.signal(6), text: "", at: now) == .none)
            #expect(machine.phase == .waiting(until: now + .milliseconds(expected)))
            #expect(machine.tick(at: now + .milliseconds(expected - 1)) == .none)
            now += .milliseconds(expected)
            #expect(machine.tick(at: now) == .spawn)
            machine.becameReady(at: now)
        }
        now += .seconds(61)
        #expect(machine.exited(.signal(6), text: "", at: now) == .none)
        #expect(machine.phase == .waiting(until: now + .milliseconds(100)))
    }

    @Test("Back-off is bounded, and callers are not kept waiting for a host that never starts")
    func neverStarts() {
        var machine = HostStateMachine(limits: .init())
        var now = Duration.zero
        #expect(machine.need(at: now) == .spawn)
        for pause in [100, 200] {
            #expect(machine.exited(.code(1), text: "why", at: now) == .none)
            now += .milliseconds(pause)
            #expect(machine.phase == .waiting(until: now))
            #expect(machine.tick(at: now) == .spawn)
        }
        // From the third on it rests, and is tried once whenever somebody asks after that.
        for _ in 0..<5 {
            #expect(machine.exited(.signal(6), text: "why", at: now) == .refuse("engine host does not start: why"))
            #expect(machine.tick(at: now + .seconds(29)) == .none)
            #expect(machine.need(at: now + .seconds(29)) == .refuse("engine host does not start: why"))
            now += .seconds(30)
            #expect(machine.need(at: now) == .spawn)
        }
    }

    @Test("A host whose memory is wanted ends for now, and starts again when it is needed")
    func unload() {
        var machine = ready()
        machine.unload()
        #expect(!machine.isReady)
        // Nothing is started before the old process is gone.
        #expect(machine.need(at: .seconds(2)) == .none)
        #expect(machine.tick(at: .seconds(300)) == .none)
        #expect(machine.exited(.code(0), text: "", at: .seconds(301)) == .none)
        #expect(machine.phase == .idle)
        #expect(machine.need(at: .seconds(302)) == .spawn)
        #expect(machine.exited(.code(EngineHost.badModelCode), text: "m", at: .seconds(303)) == .refuse("m"))
        machine.unload()
        #expect(machine.need(at: .seconds(304)) == .refuse("m"))
    }

    @Test("Silence and standing still are hangs, idleness is not")
    func hangs() {
        var silent = ready()
        silent.asking(at: .seconds(1))
        #expect(silent.tick(at: .seconds(5)) == .none)
        #expect(silent.tick(at: .seconds(7)) == .kill(reason: "gives no sign of life"))
        // Nothing is started before the old process is gone.
        #expect(silent.need(at: .seconds(8)) == .none)
        #expect(silent.tick(at: .seconds(100)) == .none)

        var stuck = ready()
        var idle = ready()
        var killed = false
        for second in 2..<60 where !killed {
            stuck.answered(Self.busy, askedAt: .seconds(second), at: .seconds(second))
            idle.answered(Self.idle, askedAt: .seconds(second), at: .seconds(second))
            if stuck.tick(at: .seconds(second)) == .kill(reason: "makes no progress") {
                killed = true
                #expect(second > 30)
            }
            #expect(idle.tick(at: .seconds(second)) == .none)
        }
        #expect(killed)
    }

    @Test("A gateway that was stopped for a while kills no host for it", arguments: [true, false])
    func pause(isBusy: Bool) {
        var machine = ready()
        let status = isBusy ? Self.busy : Self.idle
        for second in 2...4 {
            machine.asking(at: .seconds(second))
            #expect(machine.tick(at: .seconds(second)) == .none)
            machine.answered(status, askedAt: .seconds(second), at: .seconds(second))
        }
        // Nothing happened for a minute, and then comes the look before any answer.
        #expect(machine.tick(at: .seconds(64)) == .none)
        machine.asking(at: .seconds(65))
        #expect(machine.tick(at: .seconds(65)) == .none)
        // Both were stopped: the decode that was under way is not done yet.
        machine.answered(status, askedAt: .seconds(65), at: .seconds(66))
        // Stopped again, with a question under way whose answer is there and unread.
        machine.asking(at: .seconds(67))
        #expect(machine.tick(at: .seconds(67)) == .none)
        #expect(machine.tick(at: .seconds(130)) == .none)
        machine.asking(at: .seconds(131))
        machine.answered(status, askedAt: .seconds(67), at: .seconds(131))
        #expect(machine.tick(at: .seconds(131)) == .none)
        #expect(machine.isReady)
    }

    @Test("A gateway that was stopped while a host started gives it the whole time again")
    func pausedStart() {
        var machine = HostStateMachine(limits: .init())
        #expect(machine.need(at: .zero) == .spawn)
        for second in 1...10 { #expect(machine.tick(at: .seconds(second)) == .none) }
        for second in 300...420 { #expect(machine.tick(at: .seconds(second)) == .none, "\(second)") }
        #expect(machine.tick(at: .seconds(421)) == .kill(reason: "did not start in time"))
    }

    @Test("Silence is counted from the oldest question without an answer, whatever is asked after it")
    func silence() {
        var machine = ready()
        // Not asked for long, and then answered by nothing.
        for second in 2...20 { #expect(machine.tick(at: .seconds(second)) == .none) }
        var killed: Int?
        for second in 21..<40 where killed == nil {
            machine.asking(at: .seconds(second))
            let action = machine.tick(at: .seconds(second))
            if action == .kill(reason: "gives no sign of life") { killed = second }
        }
        #expect(killed == 27)

        // Late answers, each within the limit, are signs of life.
        var slow = ready()
        for second in 2..<60 {
            slow.asking(at: .seconds(second))
            if second > 5 { slow.answered(Self.idle, askedAt: .seconds(second - 4), at: .seconds(second)) }
            #expect(slow.tick(at: .seconds(second)) == .none)
        }
    }

    @Test("Jobs that the engine has taken and says nothing of are queued, not gone")
    func takenJobs() {
        let inbox = EngineInbox(maxQueued: 4, maxQueuedTotal: 4)
        let request = ScoreRequest(session: UUID(), prompts: [], good: "a", bad: "b")
        for number in UInt64(1)...2 {
            let job = EngineJob(
                key: JobKey(connection: 1, request: number), operation: .score(request), reply: { _, _ in })
            #expect(inbox.submit(job))
        }
        #expect(inbox.status.queued == 2)
        #expect(inbox.take(mayBlock: false).jobs.count == 2)
        // This is where an engine stops for good that cannot come out of a request's text.
        #expect(inbox.status.queued == 2)
        inbox.publish(Self.idle)
        #expect(inbox.status.queued == 0)
    }

    @Test("A model file of no use is not tried again and again")
    func badModel() {
        var machine = HostStateMachine(limits: .init())
        #expect(machine.need(at: .zero) == .spawn)
        #expect(machine.exited(.code(EngineHost.badModelCode), text: "m.gguf", at: .seconds(1)) == .refuse("m.gguf"))
        #expect(machine.tick(at: .seconds(20)) == .none)
        #expect(machine.need(at: .seconds(20)) == .refuse("m.gguf"))
        #expect(machine.need(at: .seconds(32)) == .spawn)
    }

    @Test("A host that does not start in time is killed; one that was stopped stays so")
    func limits() {
        var machine = HostStateMachine(limits: .init())
        #expect(machine.need(at: .zero) == .spawn)
        #expect(machine.tick(at: .seconds(121)) == .kill(reason: "did not start in time"))
        machine.stop()
        #expect(machine.exited(.signal(9), text: "", at: .seconds(122)) == .none)
        #expect(machine.need(at: .seconds(123)) == .refuse("the engine is shut down"))
    }

    @Test("Frames survive any cut, and a peer that speaks something else is found out")
    func frames() throws {
        let frames = [
            HostFrame(header: Data("{}".utf8), binary: Data(floats: [1, -2.5, .pi])),
            HostFrame(header: Data(), binary: Data()), HostFrame(header: Data(repeating: 7, count: 300)),
        ]
        let bytes = frames.compactMap(\.encoded).reduce(Data(), +)
        for size in [1, 3, 7, 64, bytes.count] {
            var decoder = HostFrameDecoder()
            var found: [HostFrame] = []
            for start in stride(from: 0, to: bytes.count, by: size) {
                decoder.append(bytes[start..<min(bytes.count, start + size)])
                while let frame = try decoder.next() { found.append(frame) }
            }
            #expect(found == frames)
        }
        #expect(frames[0].binary.floats == [1, -2.5, .pi])
        var decoder = HostFrameDecoder()
        decoder.append(Data("GET / HTTP/1.1\r\n".utf8))
        #expect(throws: HostFrameDecoder.Malformed()) { try decoder.next() }
        #expect(HostFrame(header: Data(count: HostFrame.maxBytes)).encoded == nil)
    }

    @Test("Options come back from their own arguments, and wrong ones are refused")
    func options() throws {
        var options = EngineHostOptions(model: "m.gguf", socket: "/tmp/s")
        options.threads = 3
        options.sequences = 5
        #expect(try EngineHostOptions(arguments: options.arguments) == options)
        for wrong in [["--model", "m"], ["--model"], ["x"], ["--model", "m", "--socket", "s", "--threads", "no"]] {
            #expect(throws: ModelFailure.self) { try EngineHostOptions(arguments: wrong) }
        }
    }
}
