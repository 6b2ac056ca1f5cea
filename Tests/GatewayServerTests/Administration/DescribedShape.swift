import Foundation
import HTTPTypes
import WireFormat

@testable import GatewayServer

/// The description of the HTTP interface, and as much of JSON Schema as it is written in. A member that a schema does
/// not name is a problem too, though JSON Schema allows it: whoever reads the description would not know of it.
struct DescribedShape {
    private static let file = URL(filePath: #filePath).appending(path: "../../../../ops/openapi.json").standardized
    let document: FieldValue

    init() throws { document = FieldValue(try JSONDocument(Array(try Data(contentsOf: Self.file))).root) }

    /// "get /admin/v1/teams" and what is said of it.
    var administration: [String: FieldValue] {
        var found: [String: FieldValue] = [:]
        for (path, operations) in document["paths"].fields ?? [:] where path.hasPrefix("/admin/v1/") {
            for (method, operation) in operations.fields ?? [:] { found["\(method) \(path)"] = operation }
        }
        return found
    }

    /// What is wrong with an answer.
    func problems(of answer: AdminFixture.Answer, to operation: FieldValue) throws -> [String] {
        let response = resolved(operation["responses"]["\(answer.status)"])
        let type = answer.headers[.contentType].map { String($0.prefix { $0 != ";" }) } ?? "nothing"
        guard let content = response["content"].fields?[type] else { return ["no \(answer.status) of \(type)"] }
        guard type == "application/json" else { return [] }
        return problems(of: FieldValue(try JSONDocument(Array(answer.text.utf8)).root), content["schema"], at: "$")
    }

    private func problems(of value: FieldValue, _ given: FieldValue, at place: String) -> [String] {
        let schema = resolved(given)
        if let choices = schema["oneOf"].list {
            let each = choices.map { problems(of: value, $0, at: place) }
            return each.contains(where: \.isEmpty) ? [] : each.flatMap { $0 }
        }
        var found: [String] = []
        let types = schema["type"].list?.compactMap(\.text) ?? schema["type"].text.map { [$0] } ?? []
        if !types.contains(where: { Self.isOf($0, value) }) { found.append("\(place) is no \(types)") }
        if let words = schema["enum"].list, !words.contains(value) { found.append("\(place) is none of its words") }
        switch value {
        case .list(let elements):
            for (index, element) in elements.enumerated() {
                found += problems(of: element, schema["items"], at: "\(place)[\(index)]")
            }
        case .object(let members): found += problems(ofMembers: members, schema, at: place)
        default: break
        }
        return found
    }

    private func problems(ofMembers members: [String: FieldValue], _ schema: FieldValue, at place: String) -> [String] {
        let (known, others) = (schema["properties"].fields ?? [:], schema["additionalProperties"])
        var found = (schema["required"].list ?? []).compactMap(\.text).filter { members[$0] == nil }.map {
            "\(place).\($0) is missing"
        }
        for (name, member) in members {
            if let shape = known[name] ?? (others.fields == nil ? nil : others) {
                found += problems(of: member, shape, at: "\(place).\(name)")
            } else {
                found.append("\(place).\(name) is not described")
            }
        }
        return found
    }

    private static func isOf(_ type: String, _ value: FieldValue) -> Bool {
        switch (type, value) {
        case ("null", .null), ("boolean", .flag), ("string", .text), ("array", .list), ("object", .object),
            ("number", .number):
            true
        case ("integer", .number(let text)): Int64(text) != nil
        default: false
        }
    }

    /// What a reference stands for, or all parts together.
    private func resolved(_ schema: FieldValue) -> FieldValue {
        if let reference = schema["$ref"].text {
            return resolved(reference.split(separator: "/").dropFirst().reduce(document) { $0[String($1)] })
        }
        guard let parts = schema["allOf"].list?.map(resolved) else { return schema }
        var members: [String: FieldValue] = [:]
        for part in parts { members.merge(part["properties"].fields ?? [:]) { $1 } }
        let required = parts.flatMap { $0["required"].list ?? [] }
        return .object(["type": .text("object"), "properties": .object(members), "required": .list(required)])
    }
}

extension FieldValue {
    /// A member; null where there is none.
    subscript(name: String) -> FieldValue { fields?[name] ?? .null }
}
