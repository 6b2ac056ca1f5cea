import Glibc

/// Ends the process so that libFuzzer reports the input.
func stop(_ what: String) -> Never {
    _ = (what + "\n").withCString { write(2, $0, strlen($0)) }
    abort()
}

func environment(_ name: String) -> String { getenv(name).map { String(cString: $0) } ?? "" }
