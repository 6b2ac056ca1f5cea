internal import CLinux
internal import Glibc

/// Work that needs more of a stack than threads have: llama.cpp's splitting of text, for many models a regular
/// expression of the C++ library, calls itself for every character of a word.
enum EngineStack {
    /// Runs `body` to its end on a stack of its own. False: there is no room for one, and nothing was run.
    ///
    /// Only what is used of the stack takes memory, and it is given back. Mapped as stacks grow, it does not count
    /// as data, of which a confined host may have little.
    static func run(bytes: Int, _ body: @escaping () -> Void) -> Bool {
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK | MAP_GROWSDOWN
        let page = 64 << 10
        let size = (bytes + page - 1) / page * page
        let stack = mmap(nil, size, PROT_READ | PROT_WRITE, flags, -1, 0)
        guard let stack, Int(bitPattern: stack) != -1 else { return false }
        defer { munmap(stack, size) }
        var attributes = pthread_attr_t()
        guard pthread_attr_init(&attributes) == 0 else { return false }
        defer { pthread_attr_destroy(&attributes) }
        guard pthread_attr_setstack(&attributes, stack, size) == 0 else { return false }
        var thread = pthread_t()
        let errand = Unmanaged.passRetained(Errand(body))
        let code = pthread_create(
            &thread, &attributes,
            { raw in
                guard let raw else { return nil }
                Unmanaged<Errand>.fromOpaque(raw).takeRetainedValue().body()
                return nil
            }, errand.toOpaque())
        guard code == 0 else {
            errand.release()
            return false
        }
        pthread_join(thread, nil)
        return true
    }

    private final class Errand {
        let body: () -> Void
        init(_ body: @escaping () -> Void) { self.body = body }
    }
}
