internal import GatewayCore

struct BoostedAnswer: Sendable {
    let job: AnswerJob
    let route: RouteRecord
    let strategy: StrategyKind
    func run() async { job.stream.fail(.unknownModel(route.name)) }
}
