internal import ArgumentParser
@main struct GBoost {
    static func main() { print("gboost") }
}
