import GatewayCore
import WireFormat

/// What libFuzzer calls with every input. GBOOST_FUZZ_TARGET, read once, says what is tried with it.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    target(Array(UnsafeBufferPointer(start: start, count: count)))
    return 0
}

private let target: Targets.Target = {
    let name = environment("GBOOST_FUZZ_TARGET")
    guard let target = Targets.all[name] else {
        stop("GBOOST_FUZZ_TARGET is '\(name)', which is not one of \(Targets.all.keys.sorted())")
    }
    return target
}()

/// What must hold for any input; a broken promise stops the process, which libFuzzer reports with the input.
func promise(_ holds: Bool, _ what: @autoclosure () -> String) {
    if !holds { stop(what()) }
}

/// Bytes after a first one that says into how many pieces they are cut: a wire cuts anywhere.
struct CutInput {
    var whole: [UInt8]
    var pieces: [[UInt8]]

    init(_ input: [UInt8]) {
        whole = Array(input.dropFirst())
        let size = max(1, Int(input.first ?? 1))
        pieces = stride(from: 0, to: whole.count, by: size).map { [whole] start in
            Array(whole[start..<min(start + size, whole.count)])
        }
    }
}

func isJSON(_ bytes: [UInt8]) -> Bool { (try? JSONDocument(bytes, limits: .provider)) != nil }
