internal import Foundation

extension Destination {
    /// The mail of a try. Its message id is the event's: mail programs show a repeated one once.
    package func mail(_ attempt: DeliveryAttempt) -> DeliveryMail {
        let from = settings.from ?? ""
        let to = settings.to ?? []
        var line = attempt.content.id
        var data = "{}"
        if case .event(let event) = attempt.content {
            line = EventText.line(event)
            data = event.data
        }
        let subject = "gboost: \(attempt.content.kind.rawValue), \(attempt.content.tenant ?? "gateway")"
        let domain = from.split(separator: "@").last.map(String.init) ?? "gboost"
        let lines = [
            "From: <\(from)>", "To: " + to.map { "<\($0)>" }.joined(separator: ",\r\n "),
            "Subject: \(Self.encodedWords(subject))",
            "Date: \(Self.mailDate(attempt.at))", "Message-ID: <\(attempt.content.id)@\(domain)>",
            "Auto-Submitted: auto-generated", "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8",
            "Content-Transfer-Encoding: base64", "",
        ]
        let text =
            "\(line)\n\nEvent \(attempt.content.id) (\(attempt.content.kind.rawValue)) "
            + "of \(EventTime.text(attempt.content.at)):\n\(data)\n"
        return DeliveryMail(
            from: from, to: to, text: (lines + Self.base64Lines(text)).joined(separator: "\r\n") + "\r\n")
    }

    /// Base64 in lines of 76: no text, however long or strange, can then break the mail's form.
    private static func base64Lines(_ text: String) -> [String] {
        let characters = Array(Data(text.utf8).base64EncodedString())
        return stride(from: 0, to: characters.count, by: 76).map { start in
            String(characters[start..<min(start + 76, characters.count)])
        }
    }

    /// A header's text: plain where it is plain, else in encoded words of at most 75 characters (RFC 2047).
    private static func encodedWords(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F } && !text.contains("=?")
        if isPlain, text.utf8.count <= 60 { return text }
        var words: [String] = []
        var word = ""
        for character in text {
            if word.utf8.count + character.utf8.count > 42 {
                words.append(word)
                word = ""
            }
            word.append(character)
        }
        words.append(word)
        return words.map { "=?utf-8?B?\(Data($0.utf8).base64EncodedString())?=" }.joined(separator: "\r\n ")
    }

    /// "Sat, 28 Nov 2026 21:18:20 +0000".
    private static func mailDate(_ date: Date) -> String {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = .gmt
        let parts = calendar.dateComponents([.weekday, .day, .month, .year, .hour, .minute, .second], from: date)
        let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        func two(_ number: Int?) -> String { (number ?? 0) < 10 ? "0\(number ?? 0)" : "\(number ?? 0)" }
        return "\(days[(parts.weekday ?? 1) - 1]), \(two(parts.day)) \(months[(parts.month ?? 1) - 1]) "
            + "\(parts.year ?? 0) \(two(parts.hour)):\(two(parts.minute)):\(two(parts.second)) +0000"
    }
}
