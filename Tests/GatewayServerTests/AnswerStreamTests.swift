import Testing

@testable import GatewayServer

@Suite("Bytes between an answer and its client")
struct AnswerStreamTests {
    @Test("Everything written is read, in order, and the end follows")
    func order() async {
        let stream = AnswerStream<Int>()
        let producer = Task {
            stream.begin(7)
            for value in 0..<2000 { _ = await stream.write([UInt8(truncatingIfNeeded: value)]) }
            stream.finish()
        }
        #expect((try? await stream.head().get()) == 7)
        var read: [UInt8] = []
        while let bytes = await stream.next() { read += bytes }
        await producer.value
        #expect(read == (0..<2000).map { UInt8(truncatingIfNeeded: $0) })
    }

    @Test("A slow client holds the producer at the mark")
    func backPressure() async {
        let stream = AnswerStream<Int>()
        let chunk = [UInt8](repeating: 1, count: AnswerStream<Int>.highWatermark / 2)
        let producer = Task { () -> Int in
            var written = 0
            for _ in 0..<20 where await stream.write(chunk) { written += 1 }
            stream.finish()
            return written
        }
        var total = 0
        while let bytes = await stream.next() {
            #expect(bytes.count <= AnswerStream<Int>.highWatermark + chunk.count)
            total += bytes.count
        }
        #expect(await producer.value == 20)
        #expect(total == 20 * chunk.count)
    }

    @Test("A client that leaves releases a waiting producer, which is told")
    func abandon() async {
        let stream = AnswerStream<Int>()
        let chunk = [UInt8](repeating: 1, count: AnswerStream<Int>.highWatermark)
        let producer = Task { () -> Bool in
            _ = await stream.write(chunk)
            return await stream.write(chunk)
        }
        stream.abandon()
        #expect(await producer.value == false)
        #expect(await stream.next() == nil)
    }

    @Test("A refusal before the head ends the answer; after it only the bytes end")
    func refusal() async {
        let early = AnswerStream<Int>()
        early.fail(.invalidKey)
        guard case .failure(let refusal) = await early.head() else {
            Issue.record("the refusal was lost")
            return
        }
        #expect(refusal.status == 401)
        let late = AnswerStream<Int>()
        late.begin(1)
        late.fail(.invalidKey)
        #expect((try? await late.head().get()) == 1)
        #expect(await late.next() == nil)
    }
}
