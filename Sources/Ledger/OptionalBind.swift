internal import Postgres

extension PostgresStatement.StringInterpolation {
    /// A parameter that may be NULL. Labelled, since the compiler warns of an optional in an interpolation.
    mutating func appendInterpolation<T: PostgresBindable>(optional value: T?) { appendInterpolation(value) }
}
