/// What the scheduler holds to, each limit by its name.
struct SchedulerLimits: Hashable, Sendable {
    /// Sequences that may be worked on at the same time.
    var lanes = 16
    /// Cells of context that running jobs may reserve together.
    var cells = 8192
    /// Tokens in one decode.
    var batchTokens = 512
    /// Prompt tokens in one decode while anything generates: what the next token of that waits for.
    var promptChunk = 64
    /// Prompt tokens that are given out at a time, so that prompts of several tenants share one decode.
    var grain = 16
    /// Tokens by which one tenant may be ahead of its share: a chunk is worth more in one piece than in crumbs.
    var lead = 64
    /// Jobs of one tenant that may wait.
    var queuedPerTenant = 64
    /// Jobs of all tenants together that may wait; paused ones, never more than `lanes`, come on top.
    var queued = 1024
    /// Tokens that the waiting jobs may have together.
    var queuedTokens = 4 << 20
    /// Decodes in a row of one group while another has something to evaluate: changing costs half a decode.
    var turn = 8
    /// How often one job may be paused for another tenant's sake.
    var pauses = 3
    /// Jobs of other tenants, within their shares, that may start before one whose turn it is and that does not fit.
    var overtakes = 16
    /// What an overloaded tenant is told at least and at most.
    var retryAfterSeconds = 1...60
    /// Weights beyond are clamped.
    var weight = 1...1000
}
