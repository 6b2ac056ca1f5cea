internal import Subprocess

/// One run of an outside program: a fixed environment, bounded output, optionally another account.
struct Command: Sendable {
    /// What a program may print before the run is given up.
    static let outputLimit = 256 * 1024

    struct Outcome: Sendable {
        var succeeded: Bool
        /// Standard output and standard error, in the order they came.
        var text: String
    }

    var program: String
    var arguments: [String]
    /// The account to run as; nil keeps this process's.
    var account: ServerAccount?
    /// Where to run. A directory the account cannot enter makes PostgreSQL's programs complain.
    var directory = "/"
    var input = ""
    /// How long libpq tries to connect; 0: for ever.
    var connectSeconds = 0

    init(_ program: String, _ arguments: String...) {
        self.program = program
        self.arguments = arguments
    }

    func run() async throws -> Outcome {
        // Another account by an exec'd program, not by Subprocess's own options: those call setgroups in the forked
        // child, where glibc waits forever for a thread that was just being made in the parent.
        var line = ["env", "-C", directory, program] + arguments
        if let account, account != .current {
            line = ["setpriv", "--reuid=\(account.uid)", "--regid=\(account.gid)", "--clear-groups", "--"] + line
        }
        // Nothing of the caller's environment: PGHOST, PGOPTIONS or LC_ALL would change what the programs do.
        let environment = Environment.custom([
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
            "HOME": directory, "PSQLRC": "/dev/null", "PGCONNECT_TIMEOUT": String(connectSeconds),
        ])
        let result = try await Subprocess.run(
            .name(line[0]), arguments: Arguments(Array(line.dropFirst())), environment: environment,
            input: .string(input), output: .string(limit: Self.outputLimit), error: .combinedWithOutput)
        return Outcome(succeeded: result.terminationStatus.isSuccess, text: result.standardOutput)
    }
}
