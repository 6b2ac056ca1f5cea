internal import CLinux
internal import Foundation
internal import Glibc

/// What an engine host gives up before it reads a model file, which may come from anywhere: it keeps its threads, the
/// sockets that it has, and the reading of what it was told to read.
package struct HostConfinement: Sendable {
    /// What is in force: `no_new_privileges`, `capabilities`, `landlock`, `seccomp`, `memory`.
    package private(set) var inForce: [String] = []
    /// What this system does not offer, and why.
    package private(set) var missing: [String] = []

    /// Confines the calling thread and those that it will start (system calls: the whole process), for good.
    /// - Parameters:
    ///   - readable: files and directories that may be read.
    ///   - memoryLimit: most bytes of memory of its own, mapped files not counted; 0: no limit.
    package init(readable: [String], memoryLimit: Int) {
        note("no_new_privileges", clinux_no_new_privileges())
        note("landlock", Self.restrictFiles(to: readable))
        note("capabilities", clinux_drop_capabilities())
        if memoryLimit > 0 {
            var limit = rlimit(rlim_cur: rlim_t(memoryLimit), rlim_max: rlim_t(memoryLimit))
            let isSet = setrlimit(__rlimit_resource_t(RLIMIT_DATA.rawValue), &limit) == 0
            note("memory", isSet ? 0 : errno)
        }
        note("seccomp", clinux_forbid_calls())
    }

    private mutating func note(_ name: String, _ code: CInt) {
        if code == 0 { inForce.append(name) } else { missing.append("\(name): \(String(cString: strerror(code)))") }
    }

    private static func restrictFiles(to readable: [String]) -> CInt {
        let rules = clinux_landlock_begin()
        guard rules >= 0 else { return -rules }
        for path in readable + system {
            // What is not there cannot be read anyway; the model's own absence is reported by its loading.
            _ = clinux_landlock_read(rules, path)
        }
        return clinux_landlock_end(rules)
    }

    /// What the C and C++ libraries read to count processors and memory, and to name time zones.
    private static let system = [
        "/proc/cpuinfo", "/proc/meminfo", "/proc/self", "/proc/stat", "/sys/devices/system/cpu",
        "/sys/devices/system/node", "/dev/null", "/dev/urandom", "/etc/localtime", "/usr/share/zoneinfo",
    ]

    /// Tries what must not work any more, and says of each what became of it: a line each, `name: error`.
    package static func probe() -> [String] {
        let names = [
            "read another file", "write a file", "open a network socket", "run a program", "start a process",
            "trace the parent", "signal the parent",
        ]
        return names.enumerated().map { number, name in
            let code = clinux_probe(CInt(number))
            return "\(name): \(code == 0 ? "possible" : String(cString: strerror(code)))"
        }
    }

    /// Whether a file can be read now.
    package static func canRead(_ path: String) -> Bool { FileManager.default.contents(atPath: path) != nil }
}
