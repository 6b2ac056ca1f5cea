internal import ArgumentParser
internal import Foundation
internal import GatewayServer
internal import Ledger
internal import Router

extension RouteCommand {
    /// `gboost route advise`: what moving a route's budget would buy.
    struct Advise: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show what a route's budget buys, and what more or less of it would.",
            discussion: """
                By what the route's router has seen, for a period of as many requests: the quality is the mean \
                probability of a right answer, as the reward model reads it.
                """)
        @OptionGroup var options: AdminOptions
        @Argument(help: "The route's name.") var name: String
        @Option(help: "The tenant.") var tenant: String

        mutating func run() async throws {
            let (name, tenant) = (name, tenant)
            let advice = try await options.administer { try await RouteAdvice.read(name, tenant: tenant, $0) }
            try options.show(advice, text: Self.table(advice))
        }

        static func table(_ advice: BudgetAdvice) -> String {
            var table = TextTable([
                .init("OF LLM-ONLY", .right), .init("USD", .right), .init("QUALITY", .right),
                .init("MORE RIGHT", .right), .init("USD FOR ONE MORE", .right), .init(""),
            ])
            let rows = advice.points.map { ($0, "") } + [(advice.now, "now")]
            table.rows = rows.sorted { $0.0.share < $1.0.share }.map { point, mark in
                [
                    number(point.share * 100, 0) + " %", number(point.budgetUSD, 4), number(point.quality, 3),
                    number(point.rightAnswers, 0), point.usdPerRightAnswer.map { number($0, 5) } ?? "", mark,
                ]
            }
            return table.render()
                + "For \(number(advice.requests, 0)) requests a period; rests on \(advice.seen) of them.\n"
        }

        private static func number(_ value: Double, _ digits: Int) -> String {
            let style = FloatingPointFormatStyle<Double>(locale: Locale(identifier: "en_US_POSIX"))
            return value.formatted(style.precision(.fractionLength(digits)).grouping(.never))
        }
    }
}
