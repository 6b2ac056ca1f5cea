/// What the repository may hold.
enum RepositoryRules {
    /// Larger files are data, and data is made or fetched by a script.
    static let bytes = 1 << 20
    private static let binaries = [".gguf", ".whl", ".safetensors", ".onnx", ".a", ".so", ".o", ".tar.gz", ".zip"]

    /// The hosts of package registries: which one serves a machine is that machine's setting. Written in halves, so
    /// that this file does not name them either.
    static let hosts = [
        "py" + "pi.org", "python" + "hosted.org", "registry.npm" + "js.org", "cra" + "tes.io", "ruby" + "gems.org",
        "proxy.go" + "lang.org", "deb.deb" + "ian.org", "security.deb" + "ian.org", "repo1.ma" + "ven.org",
        "hugging" + "face.co", "docker" + ".io", "quay" + ".io",
    ]

    static func checkTracked(_ path: String, size: Int) -> [Violation] {
        var found: [Violation] = []
        if let ending = binaries.first(where: path.hasSuffix) {
            found.append(Violation(path: path, line: 1, message: "a tracked \(ending) file: fetch or make it instead"))
        }
        if size > bytes {
            found.append(Violation(path: path, line: 1, message: "\(size) bytes of \(bytes)"))
        }
        return found
    }

    static func checkHosts(_ file: SourceFile) -> [Violation] {
        file.lines.enumerated().flatMap { index, line in
            hosts.filter { line.contains($0) }.map { _ in
                Violation(path: file.path, line: index + 1, message: "names a package registry's host")
            }
        }
    }
}
