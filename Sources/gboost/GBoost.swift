@main struct GBoost {
    static func main() { print("gboost") }
}
