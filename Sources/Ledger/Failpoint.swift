#if GBOOST_FAILPOINTS
internal import Foundation
#endif

/// Moments of a paid call at which a gateway may die, for tests that let it.
///
/// In a debug build a process whose environment variable GBOOST_FAILPOINT names one kills itself there, with SIGKILL.
/// In a release build nothing of it is compiled in.
package enum Failpoint: String, Sendable, CaseIterable {
    /// Nothing is held yet.
    case beforeReserve = "before-reserve"
    /// The hold is committed, and only the database knows.
    case afterReserveCommit = "after-reserve-commit"
    /// The hold is known, and nothing is sent.
    case beforeSend = "before-send"
    /// The provider has charged and answered.
    case afterAnswer = "after-answer"
    /// The settlement is about to be handed to the database.
    case beforeSettle = "before-settle"
    /// The settlement is committed, and only the database knows.
    case afterSettleCommit = "after-settle-commit"
    /// Half of a journal's line is on disk.
    case midJournalAppend = "mid-journal-append"

    #if GBOOST_FAILPOINTS
    private static let armed = ProcessInfo.processInfo.environment["GBOOST_FAILPOINT"].flatMap(Self.init)
    /// Whether this is where the process is to die.
    var isArmed: Bool { Self.armed == self }

    /// Dies here if the environment says so.
    package func hit() {
        guard isArmed else { return }
        kill(getpid(), SIGKILL)
        while true { pause() }
    }
    #else
    /// Nothing, in a release build.
    @inline(__always) package func hit() {}
    #endif
}
