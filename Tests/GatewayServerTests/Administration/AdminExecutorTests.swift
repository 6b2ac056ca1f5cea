import Dispatch
import GatewayCore
import HTTPTypes
import NIOCore
import Synchronization
import Testing

@testable import GatewayServer

@Suite("Administration over HTTP: on which threads it is done")
struct AdminExecutorTests {
    /// Stands for the thread that has a connection's socket.
    private final class SocketThread: TaskExecutor {
        private static let key = DispatchSpecificKey<Bool>()
        static var isCurrent: Bool { DispatchQueue.getSpecific(key: key) == true }
        private let queue = DispatchQueue(label: "socket")

        init() { queue.setSpecific(key: Self.key, value: true) }

        func enqueue(_ job: consuming ExecutorJob) {
            let job = UnownedJob(job)
            queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
        }
    }

    @Test("neither a request nor the pieces of its answer keep up the thread that has the socket")
    func threads() async throws {
        try await AdminFixture.with { given in
            var fixture = given
            let heldUp = Mutex<[Bool]>([])
            fixture.services.modelPlace = { _ in
                heldUp.withLock { $0.append(SocketThread.isCurrent) }
                return ModelPlace(phase: .elsewhere)
            }
            let model = #"{"tenant": "acme", "name": "slm", "kind": "slm", "file": "http://127.0.0.1:9/v1#m"}"#
            #expect(try await fixture.send(.post, "/models", model).status == 201)
            heldUp.withLock { $0 = [] }
            let headers: HTTPFields = [
                .authorization: "Bearer \(AdminFixture.key)", .accept: "text/event-stream",
            ]
            let client = RouterClient(fixture.services)
            let socket = SocketThread()
            let (isThere, texts) = try await withTaskExecutorPreference(socket) {
                await Task.yield()
                let isThere = SocketThread.isCurrent
                let listed = try await client.send(.get, "/admin/v1/models?tenant=acme", headers: headers)
                let told = try await client.send(.post, "/admin/v1/models/slm/load?tenant=acme", headers: headers)
                return (isThere, [String(buffer: listed.body), String(buffer: told.body)])
            }
            #expect(isThere && texts[0].contains("elsewhere") && texts[1].contains("elsewhere"), "\(texts)")
            let seen = heldUp.withLock { $0 }
            #expect(seen == [false, false])
        }
    }
}
