import Foundation
import GatewayCore
import Inference
import Testing

extension HostTests {
    @Suite("Hosts that die, hang or cannot start")
    struct HostFailureTests {
        static let long = DraftRequest(asking: "Count from one to a thousand in words.", maxTokens: 400)

        @Test("A killed host interrupts its requests, and the next draft works")
        func killed() async throws {
            try await EngineFixture.withModel { model, supervisor in
                _ = try await model.info()
                let pid = try #require(await supervisor.processID)
                let draft = Task { try await model.draft(Self.long) }
                try await EngineFixture.waitUntil { try await supervisor.currentStatus().active == 1 }
                kill(pid, SIGKILL)
                await #expect(throws: LocalModelError.interrupted) { _ = try await draft.value }
                let next = try await model.draft(DraftRequest(asking: "Say hi.", maxTokens: 4))
                #expect(!next.tokens.isEmpty)
                #expect(await supervisor.starts == 2)
                #expect(await supervisor.processID != pid)
            }
        }

        /// As the gateway does it: what a host died with is asked again, once or twice: it may be sent before the
        /// death is noticed.
        private static func ask(_ model: EngineModel, _ request: DraftRequest) async throws {
            for _ in 0..<2 {
                do {
                    #expect(try await !model.draft(request).tokens.isEmpty)
                    return
                } catch LocalModelError.interrupted {}
            }
            #expect(try await !model.draft(request).tokens.isEmpty)
        }

        @Test("Under load: the requests of a killed host end clearly, another host's do not notice, and it is back")
        func killedUnderLoad() async throws {
            let copy = FileManager.default.temporaryDirectory.appending(path: "copy-\(UUID()).gguf").path
            try FileManager.default.copyItem(atPath: try EngineFixture.model(), toPath: copy)
            defer { try? FileManager.default.removeItem(atPath: copy) }
            try await EngineFixture.withModels { models in
                let victim = try await models.supervisor(file: copy)
                let other = try await models.supervisor(file: EngineFixture.model())
                _ = try await (victim.info(), other.info())
                let pid = try #require(await victim.processID)
                let safe = try #require(await other.processID)
                let (its, others) = (EngineModel(supervisor: victim), EngineModel(supervisor: other))
                let request = DraftRequest(asking: "Count from one to a hundred in words.", maxTokens: 60)
                let loads = (0..<6).map { _ in Task { try await its.draft(request) } }
                let bystanders = (0..<6).map { _ in Task { try await others.draft(request) } }
                try await EngineFixture.waitUntil { try await victim.currentStatus().active > 0 }
                kill(pid, SIGKILL)
                let killed = ContinuousClock.now
                let again = loads.map { load in
                    Task { () async throws -> (isAgain: Bool, told: Duration, done: Duration) in
                        do {
                            #expect(try await !load.value.tokens.isEmpty)
                            return (false, killed.duration(to: .now), killed.duration(to: .now))
                        } catch {
                            #expect(error as? LocalModelError == .interrupted, "\(error)")
                            let told = killed.duration(to: .now)
                            try await Self.ask(its, request)
                            return (true, told, killed.duration(to: .now))
                        }
                    }
                }
                try await Self.ask(its, DraftRequest(asking: "Say hi.", maxTokens: 4))
                let back = killed.duration(to: .now)
                var ends: [(isAgain: Bool, told: Duration, done: Duration)] = []
                for task in again { ends.append(try await task.value) }
                for bystander in bystanders { #expect(try await !bystander.value.tokens.isEmpty) }
                print(
                    "a host killed under load: \(ends.count { $0.isAgain }) of \(ends.count) requests were told after "
                        + "\(ends.map(\.told).max() ?? .zero) at most, and answered all the same after "
                        + "\(ends.map(\.done).max() ?? .zero); new requests after \(back)")
                #expect(ends.contains { $0.isAgain })
                let starts = await (victim.starts, other.starts)
                #expect(starts == (2, 1))
                #expect(await other.processID == safe)
            }
        }

        @Test("A host that hangs is killed and replaced")
        func hung() async throws {
            var settings = try EngineFixture.settings()
            settings.silenceLimit = .seconds(2)
            try await EngineFixture.withModel(settings) { model, supervisor in
                _ = try await model.info()
                let pid = try #require(await supervisor.processID)
                let draft = Task { try await model.draft(Self.long) }
                try await EngineFixture.waitUntil { try await supervisor.currentStatus().active == 1 }
                kill(pid, SIGSTOP)
                await #expect(throws: LocalModelError.interrupted) { _ = try await draft.value }
                let next = try await model.draft(DraftRequest(asking: "Say hi.", maxTokens: 4))
                #expect(!next.tokens.isEmpty)
                // The process is gone for good, not just given up.
                #expect(kill(pid, 0) != 0)
            }
        }

        @Test("Cancelling a draft frees its slot")
        func cancelled() async throws {
            try await EngineFixture.withModel { model, supervisor in
                let task = Task { try await model.draft(Self.long) }
                try await EngineFixture.waitUntil { try await supervisor.currentStatus().generatedTokens > 0 }
                task.cancel()
                await #expect(throws: CancellationError.self) { _ = try await task.value }
                try await EngineFixture.waitUntil { try await supervisor.currentStatus().active == 0 }
                let before = try await supervisor.currentStatus().generatedTokens
                _ = try await model.draft(DraftRequest(asking: "Say hi.", maxTokens: 2))
                #expect(try await supervisor.currentStatus().generatedTokens <= before + 3)
            }
        }

        private static func isTooMany(_ model: EngineModel) async -> Bool {
            do { _ = try await model.draft(long) } catch let error as LocalModelError {
                if case .overloaded = error { return true }
            } catch {}
            return false
        }

        @Test("A full queue says so")
        func overloaded() async throws {
            var settings = try EngineFixture.settings()
            settings.maxQueued = 2
            settings.sequences = 1
            try await EngineFixture.withModel(settings) { model, supervisor in
                _ = try await model.info()
                let overloaded = await withTaskGroup(of: Bool.self) { group in
                    for _ in 0..<8 { group.addTask { await Self.isTooMany(model) } }
                    var count = 0
                    for await isOverloaded in group {
                        count += isOverloaded ? 1 : 0
                        // The others are long, and were let in.
                        if count == 4 { group.cancelAll() }
                    }
                    return count
                }
                #expect(overloaded >= 4)
            }
        }

        @Test("Too long a prompt and a bad pattern, which is the route's, are refused with the reason")
        func refused() async throws {
            let model = try await EngineFixture.sharedModel()
            let long = String(repeating: "seven words are in this one sentence ", count: 1300)
            await #expect {
                _ = try await model.draft(DraftRequest(asking: long))
            } throws: { error in
                guard case LocalModelError.contextExceeded(let tokens, let limit) = error else { return false }
                return tokens > limit && limit == 8192
            }
            for pattern in ["(", "", String(repeating: "a", count: 1000)] {
                await #expect {
                    _ = try await model.draft(DraftRequest(asking: "Hi", boundary: .pattern(pattern)))
                } throws: { error in
                    guard case LocalModelError.unusablePattern(let why) = error else { return false }
                    return why.contains("step pattern")
                }
            }
            var empty = DraftRequest(asking: "Hi")
            empty.messages = []
            await #expect(throws: LocalModelError.invalid("the conversation is empty")) {
                _ = try await model.draft(empty)
            }
        }

        @Test("Files that are no models are named in the error", arguments: ["missing", "text", "cut", "header"])
        func badFiles(kind: String) async throws {
            let path = FileManager.default.temporaryDirectory.appending(path: "bad-\(kind)-\(UUID()).gguf").path
            let whole = try #require(FileManager.default.contents(atPath: try EngineFixture.model()))
            switch kind {
            case "text": try Data(String(repeating: "no model ", count: 500).utf8).write(to: URL(filePath: path))
            case "cut": try whole.prefix(whole.count / 3).write(to: URL(filePath: path))
            case "header":
                var damaged = Data(whole.prefix(4 << 20))
                damaged.replaceSubrange(200..<400, with: Data(repeating: 0xFF, count: 200))
                try damaged.write(to: URL(filePath: path))
            default: break
            }
            defer { try? FileManager.default.removeItem(atPath: path) }
            try await EngineFixture.withModels { models in
                await #expect {
                    let model = try await models.slm(EngineFixture.record(file: path))
                    _ = try await model.draft(DraftRequest(asking: "Hi"))
                } throws: { error in
                    guard case LocalModelError.unavailable(let text) = error else { return false }
                    return text.contains(path)
                }
            }
        }
    }
}
