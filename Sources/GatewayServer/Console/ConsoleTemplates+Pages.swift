extension ConsoleTemplates {
    /// By the names that pages give.
    static let pages = [
        "overview": overview, "pace": pace, "condition": condition, "tenant": tenant, "tenant-spend": tenantSpend,
        "tenant-things": tenantThings, "escalations": escalations, "escalation": escalation, "refusals": refusals,
        "events": events, "prices": prices, "price-head": priceHead, "price-row": priceRow, "leaf": leaf,
    ]

    private static let overview = """
        <p class="hint">{{count}} tenants in their current months, at {{#at}}{{>time}}{{/at}} UTC. \
        The mark in a bar is how far the month has gone.</p>
        <div class="cards">
        <div class="card"><span>Settled</span><strong>{{#settled}}{{>usd}}{{/settled}}</strong></div>
        <div class="card"><span>Held by open calls</span><strong>{{#held}}{{>usd}}{{/held}}</strong></div>
        <div class="card"><span>Monthly budgets</span><strong>{{#limit}}{{>usd}}{{/limit}}</strong></div>
        <div class="card"><span>Forecast for the month</span><strong>{{#forecast}}{{>usd}}{{/forecast}}</strong></div>
        <div class="card"><span>Used up, or about to be</span><strong>{{inTrouble}}</strong></div>
        </div>
        <div class="box"><table>
        <thead><tr><th>Tenant</th><th class="n">Limit</th><th class="n">Settled</th><th class="n roomy">Held</th>\
        <th class="n roomy">Left</th><th class="wide roomy">Month</th><th class="roomy">Pace</th>\
        <th class="n roomy">Forecast</th></tr></thead>
        <tbody>
        {{#rows}}
        <tr><td><a href="{{href}}">{{name}}</a>{{#isSuspended}} <span class="tag bad">suspended</span>{{/isSuspended}}\
        <span class="narrow">{{#.bar}}{{>bar}}{{/.bar}}{{>pace}}\
        <small class="below">forecast {{#forecast}}{{>usd}}{{/forecast}}</small></span></td>
        <td class="n">{{#limit}}{{>usd}}{{/limit}}</td><td class="n">{{#settled}}{{>usd}}{{/settled}}</td>
        <td class="n roomy">{{#held}}{{>usd}}{{/held}}</td><td class="n roomy">{{#left}}{{>usd}}{{/left}}</td>
        <td class="wide roomy">{{#.bar}}{{>bar}}{{/.bar}}</td>
        <td class="roomy">{{>pace}}</td>
        <td class="n roomy">{{#forecast}}{{>usd}}{{/forecast}}</td></tr>
        {{/rows}}
        {{^rows}}<tr><td colspan="8" class="none">There is no tenant yet: <code>gboost tenant create</code>.</td></tr>\
        {{/rows}}
        </tbody>
        </table></div>
        {{#isPart}}<p class="hint">The sums above are those of the tenants on this page.</p>{{>leaf}}{{/isPart}}
        {{#hasDeleted}}<p class="hint">and {{deletedCount}} deleted, with {{#deletedSettled}}{{>usd}}\
        {{/deletedSettled}} USD in their current months: {{#deleted}}<a href="{{href}}">{{name}}</a> \
        {{#settled}}{{>usd}}{{/settled}} {{/deleted}}</p>{{/hasDeleted}}
        {{#gateway}}{{>condition}}{{/gateway}}
        """

    /// From a part of a list to the others.
    private static let leaf = """
        <p class="paging">{{#.first}}<a href="{{.}}">‹ first</a>{{/.first}} {{#.next}}<a href="{{.}}">next ›</a>\
        {{/.next}}</p>
        """

    private static let pace = """
        <span class="tag {{level}}" title="{{shares}}">{{pace}}</span>\
        {{#.runsOut}}<small class="below">used up {{>time}}</small>{{/.runsOut}}
        """

    private static let condition = """
        <h2>This gateway <span class="tag {{level}}">{{state}}</span></h2>
        {{#missing}}<p class="problem">Missing: {{.}}</p>{{/missing}}
        <div class="columns">
        <div><h3>Providers</h3>
        <div class="box"><table><tbody>
        {{#providers}}<tr><td>{{name}}</td><td><span class="tag {{level}}">{{state}}</span></td></tr>{{/providers}}
        {{^providers}}<tr><td class="none">No provider is configured.</td></tr>{{/providers}}
        </tbody></table></div>
        <p class="hint">Answers under way: {{running}}</p></div>
        <div><h3>Local models</h3>
        <div class="box"><table><tbody>
        {{#models}}
        <tr><td>{{name}}<small class="below">{{kind}}</small></td><td><span class="tag {{level}}">{{state}}</span>\
        {{#.why}}<small class="below">{{.}}</small>{{/.why}}</td><td class="n">{{bytes}}</td><td>{{use}}</td></tr>
        {{/models}}
        {{^models}}<tr><td class="none">None is in memory.</td></tr>{{/models}}
        </tbody></table></div>
        <p class="hint">In memory: {{resident}}</p></div>
        </div>
        """

    private static let tenant = """
        <p class="hint">{{#.suspended}}<span class="tag bad">suspended</span> since {{>time}} · {{/.suspended}}\
        {{#.deleted}}<span class="tag bad">deleted</span> {{>time}} · {{/.deleted}}Times in {{zone}} · \
        made {{#created}}{{>time}}{{/created}} · texts {{capture}} · cache {{cache}}</p>
        <p class="links"><a href="{{href}}/escalations">Escalations</a> <a href="{{href}}/refusals">Refusals</a>\
        {{#showsEvents}} <a href="{{eventsHref}}">Events</a>{{/showsEvents}}\
         <a href="{{statementHref}}">Statement of {{#spend}}{{month}}{{/spend}}</a></p>
        {{#.month}}
        <h2>The current month, {{current}}</h2>
        <div class="cards">
        <div class="card"><span>Limit of the month</span><strong>{{#limit}}{{>usd}}{{/limit}}</strong></div>
        <div class="card"><span>Settled</span><strong>{{#settled}}{{>usd}}{{/settled}}</strong></div>
        <div class="card"><span>Held by open calls</span><strong>{{#held}}{{>usd}}{{/held}}</strong></div>
        <div class="card"><span>Left</span><strong>{{#left}}{{>usd}}{{/left}}</strong></div>
        <div class="card"><span>Forecast</span><strong>{{#forecast}}{{>usd}}{{/forecast}}</strong></div>
        </div>
        <div class="month">{{#bar}}{{>bar}}{{/bar}}<p><span class="tag {{level}}">{{pace}}</span> {{shares}}\
        {{#.runsOut}}, used up {{>time}} if it goes on like this{{/.runsOut}}</p></div>
        {{/.month}}
        <h2 id="budgets">Budgets</h2>
        <div class="box"><table>
        <thead><tr><th>Scope</th><th>Period</th><th class="n">Limit</th><th class="n">Settled</th>\
        <th class="n">Held</th>\
        <th class="n">Left</th><th class="wide"></th><th>Begins anew</th><th>Notes</th></tr></thead>
        <tbody>
        {{#budgets}}
        <tr><td>{{scope}}</td><td class="whole">{{period}}</td><td class="n">{{#limit}}{{>usd}}{{/limit}}</td>
        <td class="n">{{#settled}}{{>usd}}{{/settled}}</td><td class="n">{{#held}}{{>usd}}{{/held}}</td>
        <td class="n">{{#left}}{{>usd}}{{/left}}</td><td class="wide">{{#.bar}}{{>bar}}{{/.bar}}</td>
        <td>{{#resets}}{{>time}}{{/resets}}</td>
        <td>{{#.over}}<span class="tag bad">over by {{>usd}}</span> {{/.over}}<small>{{#notes}}{{before}}\
        {{#.amount}}{{>usd}}{{/.amount}}{{after}}<br>{{/notes}}</small></td>\
        </tr>
        {{/budgets}}
        {{^budgets}}<tr><td colspan="9" class="none">None: no paid call is made.</td></tr>{{/budgets}}
        </tbody></table></div>
        {{#budgetPaging}}{{>leaf}}{{/budgetPaging}}
        {{#spend}}{{>tenant-spend}}{{/spend}}
        {{>tenant-things}}
        """

    private static let tenantSpend = """
        <h2 id="spend">Spend in {{month}}: {{#total}}{{>usd}}{{/total}} USD <small>in {{calls}} calls</small></h2>
        <form class="pick" method="get"><a href="?month={{previousMonth}}">‹ {{previousMonth}}</a>
        <input type="month" name="month" value="{{month}}" required aria-label="Month">\
        <button class="plain">Show</button>
        {{#nextMonth}}<a href="?month={{.}}">{{.}} ›</a>{{/nextMonth}}</form>
        {{#.plot}}
        <div class="box"><svg class="plot" viewBox="0 0 720 158" role="img" aria-label="USD by day">
        {{#lines}}<line class="grid" x1="56" x2="720" y1="{{y}}" y2="{{y}}"/>\
        <text x="50" y="{{textY}}" text-anchor="end">{{text}}</text>{{/lines}}
        {{#bars}}<g><title>{{title}}</title>\
        <rect class="day" x="{{x}}" y="{{y}}" width="{{width}}" height="{{height}}"/></g>{{/bars}}
        {{#days}}<text x="{{x}}" y="153" text-anchor="middle">{{text}}</text>{{/days}}
        </svg></div>
        {{/.plot}}
        {{#isEmpty}}<p class="none">Nothing was spent.</p>{{/isEmpty}}
        {{#tables}}
        <h3>{{heading}}</h3>
        <div class="box"><table>
        <thead><tr><th></th><th class="wide"></th><th class="n">Calls</th><th class="n">Tokens in</th>\
        <th class="n">Tokens out</th><th class="n">Share</th><th class="n">USD</th></tr></thead>
        <tbody>
        {{#rows}}
        <tr><td>{{name}}{{#.unknown}} <span class="tag warn">{{>usd}} not reconciled</span>{{/.unknown}}</td>
        <td class="wide"><svg class="part" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">\
        <rect width="{{width}}" height="8"/></svg></td>
        <td class="n">{{calls}}</td><td class="n">{{inputTokens}}</td><td class="n">{{outputTokens}}</td>
        <td class="n">{{share}}</td><td class="n">{{#amount}}{{>usd}}{{/amount}}</td></tr>
        {{/rows}}
        {{#.others}}<tr><td colspan="6" class="none">and {{otherCount}} more</td><td class="n">{{>usd}}</td></tr>\
        {{/.others}}
        </tbody>
        <tfoot><tr><td colspan="2">Total</td><td class="n">{{calls}}</td><td colspan="3"></td>\
        <td class="n">{{#total}}{{>usd}}{{/total}}</td></tr></tfoot>
        </table></div>
        {{/tables}}
        {{#hasChargeback}}
        <h3>Local models, charged inside the company: {{#chargebackTotal}}{{>usd}}{{/chargebackTotal}} USD</h3>
        <div class="box"><table>
        <thead><tr><th>Model</th><th class="n">Requests</th><th class="n">Tokens read</th>\
        <th class="n">Tokens written</th>\
        <th class="n">USD</th></tr></thead>
        <tbody>{{#chargeback}}<tr><td>{{name}}</td><td class="n">{{requests}}</td><td class="n">{{inputTokens}}</td>\
        <td class="n">{{outputTokens}}</td><td class="n">{{#amount}}{{>usd}}{{/amount}}</td></tr>{{/chargeback}}</tbody>
        </table></div>
        {{/hasChargeback}}
        """
}
