/// Prompt and answer of a paid call, of a tenant that wants them kept.
package struct CapturedText: Sendable {
    package var call: HoldID
    package var tenantID: Int64
    package var prompt: [UInt8]
    package var answer: [UInt8]
    package init(call: HoldID, tenantID: Int64, prompt: [UInt8], answer: [UInt8]) {
        self.call = call
        self.tenantID = tenantID
        self.prompt = prompt
        self.answer = answer
    }
}

/// Keeps texts, encrypted, beside the audit. No call waits for it, and none depends on it.
package protocol TextCapture: Sendable {
    /// Takes a text, or lets it go where too many wait.
    func keep(_ text: CapturedText)
}
