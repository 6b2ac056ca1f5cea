internal import GatewayCore
internal import Mustache

/// The console's templates, compiled once.
///
/// Whatever is filled in is escaped, without exception: no template here has a tag that does not.
enum ConsoleTemplates {
    private static let contentType = "GBOOST"

    /// The templates, or why they cannot be compiled: a test looks.
    static let library = Result { try compile() }

    static let all: [String: String] = shared.merging(pages) { first, _ in first }

    private static func compile() throws -> MustacheLibrary {
        MustacheContentTypes.register(ScalarHTML(), named: contentType)
        var library = MustacheLibrary()
        // Each says it for itself: a partial begins with the package's own escaping.
        for (name, text) in all { try library.register("{{%CONTENT_TYPE:\(contentType)}}\n\(text)", named: name) }
        return library
    }

    static func render(_ frame: ConsoleFrame) throws -> String {
        guard let html = try library.get().render(frame, withTemplate: "frame") else {
            throw GatewayRefusal(status: 500, type: "server_error", code: "internal_error", message: "No frame.")
        }
        return html
    }

    /// The package escapes by characters, and a mark that combines with a quote makes another character of it: browsers
    /// read scalars, and would still see the quote.
    private struct ScalarHTML: MustacheContentType {
        func escapeText(_ text: String) -> String { StatementPage.escaped(text) }
    }

    // MARK: - What pages share

    private static let shared = [
        "frame": frame, "usd": usd, "time": time, "bar": bar, "sign-in": signIn, "error": error, "off": off,
    ]

    private static let frame = """
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>{{title}} · G-Boost Gateway</title>
        <link rel="stylesheet" href="/console/style.css">
        <link rel="icon" href="data:,">
        </head>
        <body>
        <header class="top">
        <a class="brand" href="/console"><b>G-Boost</b> Gateway</a>
        {{#visitor}}
        <nav>{{#links}}<a href="{{href}}"{{#isCurrent}} aria-current="page"{{/isCurrent}}>{{text}}</a>{{/links}}</nav>
        <div class="who">
        <span class="actor">{{actor}}</span>
        <span class="tag">{{role}}{{#.scope}} of {{.}}{{/.scope}}</span>
        {{#canSignOut}}
        <form method="post" action="/console/sign-out"><button class="plain">Sign out</button></form>
        {{/canSignOut}}
        </div>
        {{/visitor}}
        </header>
        <main>
        {{#hasCrumbs}}
        <nav class="crumbs" aria-label="Breadcrumbs">
        {{#crumbs}}<a href="{{href}}">{{text}}</a> <span>/</span> {{/crumbs}}<b>{{title}}</b>
        </nav>
        {{/hasCrumbs}}
        <h1>{{title}}</h1>
        {{#page}}{{>*template}}{{/page}}
        </main>
        {{#visitor}}
        <footer>Read-only: what is seen here is changed by <code>gboost</code> or the administration's interface. \
        <span class="pointing">Point at an amount for its exact decimal, at a time for UTC.</span></footer>
        {{/visitor}}
        </body>
        </html>

        """

    private static let usd = """
        <span title="{{exact}}">{{text}}<small>{{rest}}</small></span>
        """

    private static let time = """
        <span class="time" title="{{utc}}">{{text}}</span>
        """

    private static let bar = """
        <svg class="bar {{level}}" viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label="{{label}}">\
        <title>{{label}}</title><rect class="track" width="100" height="8"/>\
        <rect class="spent" width="{{settled}}" height="8"/>\
        <rect class="open" x="{{settled}}" width="{{held}}" height="8"/>\
        {{#.mark}}<rect class="mark" x="{{.}}" width="0.6" height="8"/>{{/.mark}}</svg>
        """

    private static let signIn = """
        <form class="card door" method="post" action="/console/sign-in">
        {{#.problem}}<p class="problem" role="alert">{{.}}</p>{{/.problem}}
        <label for="credential">Administrator's key or token</label>
        <input id="credential" name="credential" type="password" autocomplete="current-password" required autofocus>
        <button>Sign in</button>
        <p class="hint">The session is kept in a cookie that this gateway's process alone can read. It ends after \
        {{hours}} hours or with the token, and when the gateway is started again; another gateway behind the same \
        address asks to sign in anew, so that a load balancer should keep a browser with one of them.</p>
        </form>
        """

    private static let error = """
        <div class="card"><p>{{message}}</p><p class="hint">Status {{status}}. <a href="/console">To the start</a></p>\
        </div>
        """

    private static let off = """
        <div class="card">
        <p>No administration is configured, so there is nobody who could sign in.</p>
        <p>Name the administrator's key in the configuration, and start the gateway again:</p>
        <pre>admin: { key: "file:/etc/gboost/admin-key" }</pre>
        <p>For tokens of single sign-on there is <code>admin.jwt</code>.</p>
        </div>
        """
}
