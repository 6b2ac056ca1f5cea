/// A statement with its parameters apart from its text, so that no value is ever part of the SQL.
///
/// Write it as an interpolated literal: `"SELECT name FROM tenants WHERE id = \(id)"` becomes `… id = $1` and one
/// typed parameter. `\(ident: name)` quotes an identifier; `\(unescaped: text)` inserts trusted text as it stands.
/// A `String` variable is not a statement; `init(trusted:_:)` is for constant texts kept elsewhere.
package struct PostgresStatement: Sendable {
    /// The text, with `$1` … `$n` where the parameters go.
    package private(set) var sql: String
    /// The parameters, in order.
    package private(set) var binds: [PostgresBind]

    /// A constant text with `$1` … `$n`, and the parameters for it.
    package init(trusted sql: String, _ binds: [any PostgresBindable] = []) {
        self.sql = sql
        self.binds = binds.map { $0.postgresBind }
    }
}

extension PostgresStatement: ExpressibleByStringInterpolation {
    /// Collects text and parameters of an interpolated literal.
    package struct StringInterpolation: StringInterpolationProtocol, Sendable {
        fileprivate var sql = ""
        fileprivate var binds: [PostgresBind] = []

        package init(literalCapacity: Int, interpolationCount: Int) {
            sql.reserveCapacity(literalCapacity + interpolationCount * 3)
            binds.reserveCapacity(interpolationCount)
        }

        package mutating func appendLiteral(_ literal: String) { sql += literal }

        /// Appends a parameter.
        package mutating func appendInterpolation(_ value: some PostgresBindable) {
            binds.append(value.postgresBind)
            sql += "$\(binds.count)"
        }

        /// Appends an identifier, quoted.
        package mutating func appendInterpolation(ident name: String) { sql += PostgresStatement.quoted(name) }

        /// Appends trusted text as it stands. Never text that came from outside.
        package mutating func appendInterpolation(unescaped text: String) { sql += text }
    }

    package init(stringLiteral value: String) {
        sql = value
        binds = []
    }

    package init(stringInterpolation: StringInterpolation) {
        sql = stringInterpolation.sql
        binds = stringInterpolation.binds
    }

    /// `name` as a quoted SQL identifier.
    package static func quoted(_ name: String) -> String {
        "\"" + name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
    }
}

extension PostgresStatement: CustomStringConvertible, CustomReflectable {
    /// The text alone: parameters never show up in a log.
    package var description: String { sql }
    package var customMirror: Mirror { Mirror(self, children: ["sql": sql]) }
}
