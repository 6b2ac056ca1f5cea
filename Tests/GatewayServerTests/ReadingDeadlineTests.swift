import NIOCore
import NIOEmbedded
import Testing

@testable import GatewayServer

/// A client that asks and does not read.
@Suite("An answer that nobody reads")
struct ReadingDeadlineTests {
    @Test("its connection is ended after a while, and not while it is taken, however slowly")
    func unread() throws {
        let channel = EmbeddedChannel(handler: ReadingDeadline(.milliseconds(10_000)))
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        for isWritable in [false, true, false, true] {
            channel.isWritable = isWritable
            channel.pipeline.fireChannelWritabilityChanged()
            channel.embeddedEventLoop.advanceTime(by: .milliseconds(9_000))
        }
        channel.embeddedEventLoop.advanceTime(by: .milliseconds(100_000))
        #expect(channel.isActive)
        channel.isWritable = false
        channel.pipeline.fireChannelWritabilityChanged()
        channel.embeddedEventLoop.advanceTime(by: .milliseconds(9_000))
        #expect(channel.isActive)
        channel.embeddedEventLoop.advanceTime(by: .milliseconds(2_000))
        #expect(!channel.isActive)
    }
}
