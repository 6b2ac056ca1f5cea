/// The sentences that one kind of word problem is told in.
///
/// In every sentence {N} is the person or place, {o} the things, {n} and {m} numbers; in a statement {e} is the
/// equation. A sentence is told and read back by the same template, so that any problem can be solved from its text.
/// No sentence of a story may be told by two operations.
struct Story: Sendable {
    var subjects: [String]
    var objects: [String]
    /// Tell the number of the beginning.
    var openings: [String]
    /// Change it by one operation with {n}.
    var changes: [ArithmeticOperation: [String]]
    /// Add {n} groups of {m}: two operations.
    var groups: [String]
    /// The step that works out a group.
    var groupStatement: String
    /// The step that works out the new number.
    var statement: String
    var closings: [String]

    static let people = [
        "Anna", "Ben", "Carla", "David", "Elena", "Felix", "Grace", "Hassan", "Ines", "Jonas", "Keiko", "Liam",
        "Maya", "Nils", "Olga", "Pedro", "Rosa", "Samir", "Tara", "Uwe", "Vera", "Wim", "Yusuf", "Zoe",
    ]

    static let all: [Story] = [things, money, shop, factory, journey, library]

    private static let things = Story(
        subjects: people,
        objects: ["apples", "marbles", "stickers", "pencils", "shells", "stamps", "coins", "cards"],
        openings: ["{N} has {n} {o}.", "{N} starts the day with {n} {o}.", "In the morning {N} counts {n} {o}."],
        changes: [
            .plus: ["{N} finds {n} more {o}.", "A friend gives {N} another {n} {o}.", "{N} buys {n} {o}."],
            .minus: ["{N} gives away {n} {o}.", "{N} loses {n} of the {o}.", "{N} sells {n} {o} to a neighbour."],
            .times: [
                "After a swap {N} has {n} times as many {o}.", "{N}'s collection of {o} grows to {n} times its size.",
            ],
            .divided: [
                "{N} shares the {o} equally among {n} children and then looks at one share.",
                "{N} packs the {o} into {n} equal bags and keeps only one bag.",
            ],
        ],
        groups: ["{N} gets {n} bags with {m} {o} each.", "{n} friends bring {N} {m} {o} each."],
        groupStatement: "The new {o} are {e}.",
        statement: "{N} has {e} {o}.",
        closings: ["How many {o} does {N} have now?", "How many {o} does {N} have in the end?"])

    private static let money = Story(
        subjects: people, objects: ["dollars", "euros", "francs"],
        openings: ["{N} has saved {n} {o}.", "There are {n} {o} in {N}'s purse."],
        changes: [
            .plus: ["{N} earns {n} {o}.", "{N}'s aunt gives {N} {n} {o}."],
            .minus: ["{N} spends {n} {o} on food.", "{N} pays {n} {o} for a ticket."],
            .times: ["A good investment makes {N}'s {o} {n} times as much."],
            .divided: ["{N} splits the {o} evenly over {n} months and takes what is for one month."],
        ],
        groups: ["{N} works for {n} hours and is paid {m} {o} an hour.", "{N} sells {n} drawings for {m} {o} each."],
        groupStatement: "That brings {e} {o}.",
        statement: "{N} has {e} {o}.",
        closings: ["How many {o} does {N} have now?", "How much money does {N} have, in {o}?"])

    private static let shop = Story(
        subjects: ["bakery", "grocery", "flower shop", "book shop", "toy shop", "market stall"],
        objects: ["rolls", "roses", "puzzles", "oranges", "notebooks", "boxes"],
        openings: ["A {N} opens with {n} {o} on the shelf.", "The {N} has {n} {o} in stock."],
        changes: [
            .plus: ["A van delivers {n} {o}.", "The storeroom yields another {n} {o}."],
            .minus: ["The {N} sells {n} {o} before noon.", "{n} {o} are spoiled and thrown out."],
            .times: ["A big order brings the stock to {n} times as many {o}."],
            .divided: ["The {o} are divided equally between {n} branches, and this {N} keeps its part."],
        ],
        groups: ["{n} crates with {m} {o} each arrive.", "The {N} buys {n} packs of {m} {o}."],
        groupStatement: "The crates hold {e} {o}.",
        statement: "The {N} has {e} {o}.",
        closings: ["How many {o} are left in the {N}?", "How many {o} does the {N} have at closing time?"])

    private static let factory = Story(
        subjects: ["machine", "workshop", "press", "robot"],
        objects: ["screws", "bottles", "tiles", "lamps", "gears"],
        openings: ["A {N} makes {n} {o} in an hour.", "In its first hour a {N} turns out {n} {o}."],
        changes: [
            .plus: ["In the evening another {n} {o} are added.", "A second {N} adds {n} {o}."],
            .minus: ["{n} {o} fail the inspection.", "{n} {o} are shipped to a customer."],
            .times: [
                "It works like that for {n} hours.", "The run is repeated until there are {n} times as many {o}.",
            ],
            .divided: ["The {o} are packed evenly on {n} pallets, and one pallet stays."],
        ],
        groups: ["The night shift makes {m} {o} an hour for {n} hours."],
        groupStatement: "The night shift makes {e} {o}.",
        statement: "There are {e} {o}.",
        closings: ["How many {o} are there now?", "How many {o} does the factory hold in the end?"])

    private static let journey = Story(
        subjects: ["train", "bus", "ship", "cyclist", "truck"], objects: ["kilometres", "miles"],
        openings: ["A {N} covers {n} {o} on the first day.", "The {N} travels {n} {o} in an hour."],
        changes: [
            .plus: ["It goes on for another {n} {o}.", "After a break the {N} travels {n} {o} further."],
            .minus: ["It turns round and comes back {n} {o}.", "A detour of {n} {o} does not count."],
            .times: [
                "At that rate the {N} travels {n} times as far.",
                "The plan is changed to {n} times the distance in {o}.",
            ],
            .divided: ["The way is divided into {n} equal legs, and only one leg in {o} counts."],
        ],
        groups: ["Then it makes {n} trips of {m} {o} each."],
        groupStatement: "The trips are {e} {o}.",
        statement: "The distance is {e} {o}.",
        closings: ["How many {o} is that in all?", "How far is that, in {o}?"])

    private static let library = Story(
        subjects: people, objects: ["pages", "exercises", "letters", "chapters"],
        openings: ["{N} reads {n} {o} on Monday.", "{N} must work through {n} {o}."],
        changes: [
            .plus: ["On Tuesday it is {n} {o} more.", "The teacher adds {n} {o}."],
            .minus: ["{n} {o} turn out not to count.", "{N} may leave out {n} {o}."],
            .times: ["The whole class together does {n} times as many {o}."],
            .divided: ["The {o} are spread evenly over {n} days, and only one day matters."],
        ],
        groups: ["{N} adds {m} {o} a day for {n} days."],
        groupStatement: "The extra days make {e} {o}.",
        statement: "{N} has {e} {o}.",
        closings: ["How many {o} is that for {N}?", "How many {o} does {N} come to?"])

    /// Questions of one operation without a story.
    static let bare: [ArithmeticOperation: [String]] = [
        .plus: ["What is {n} plus {m}?", "What is {n} + {m}?", "Add {n} and {m}."],
        .minus: ["What is {n} minus {m}?", "What is {n} - {m}?"],
        .times: ["What is {n} times {m}?", "What is {n} * {m}?", "Multiply {n} by {m}."],
        .divided: ["What is {n} divided by {m}?", "What is {n} / {m}?"],
    ]
}
