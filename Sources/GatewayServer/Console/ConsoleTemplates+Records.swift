extension ConsoleTemplates {
    static let tenantThings = """
        <h2 id="limits">Rate limits</h2>
        <div class="box"><table>
        <thead><tr><th>Scope</th><th>Calls</th><th class="n">Limit</th><th></th><th class="n">Used now</th>\
        <th>Begins anew</th></tr></thead>
        <tbody>
        {{#limits}}
        <tr><td>{{scope}}</td><td>{{traffic}}</td><td class="n">{{limit}}</td><td>{{unit}}</td>
        <td class="n">{{used}}</td><td>{{#resets}}{{>time}}{{/resets}}</td></tr>
        {{/limits}}
        {{^limits}}<tr><td colspan="6" class="none">None.</td></tr>{{/limits}}
        </tbody></table></div>
        {{#limitPaging}}{{>leaf}}{{/limitPaging}}
        <h2>Routes</h2>
        <div class="box"><table>
        <thead><tr><th>Name</th><th>Strategy</th><th>SLM</th><th>Reward model</th><th>Paid model</th><th>Target</th>\
        <th class="n">Value USD</th><th class="n" title="Value that a dollar must buy">λ</th><th></th></tr></thead>
        <tbody>
        {{#routes}}
        <tr><td>{{name}}{{#isHome}} <span class="tag">never escalates</span>{{/isHome}}</td><td>{{strategy}}</td>
        <td>{{slm}}</td><td>{{prm}}</td><td>{{llm}}</td><td>{{target}}</td><td class="n">{{value}}</td>
        <td class="n">{{lambda}}</td><td><small>{{learned}}</small></td></tr>
        {{/routes}}
        {{^routes}}<tr><td colspan="9" class="none">None: paid models are asked for by their names.</td></tr>{{/routes}}
        </tbody></table></div>
        <h2>Local models in this gateway</h2>
        <div class="box"><table>
        <thead><tr><th>Name</th><th>Kind</th><th>Base</th><th>State</th><th class="n">Memory</th><th>Use</th>\
        <th>SHA-256</th></tr></thead>
        <tbody>
        {{#models}}
        <tr><td>{{name}}{{#isPinned}} <span class="tag">pinned</span>{{/isPinned}}</td><td>{{kind}}</td><td>{{base}}\
        </td>
        <td><span class="tag {{level}}">{{state}}</span>{{#.why}}<small class="below">{{.}}</small>{{/.why}}</td>
        <td class="n">{{bytes}}</td><td>{{use}}</td><td><code title="{{sha256}}">{{shortSHA256}}</code></td></tr>
        {{/models}}
        {{^models}}<tr><td colspan="7" class="none">None.</td></tr>{{/models}}
        </tbody></table></div>
        <h2 id="keys">Keys</h2>
        <div class="box"><table>
        <thead><tr><th class="n">No.</th><th>Name</th><th>Team</th><th>Begins with</th><th>State</th><th>Made</th>\
        <th>Expires</th><th>Models</th></tr></thead>
        <tbody>
        {{#keys}}
        <tr><td class="n">{{id}}</td><td>{{name}}</td><td>{{team}}</td><td><code>{{prefix}}</code></td>
        <td><span class="tag {{level}}">{{state}}</span></td><td>{{#created}}{{>time}}{{/created}}</td>
        <td>{{#expires}}{{>time}}{{/expires}}</td><td>{{models}}</td></tr>
        {{/keys}}
        {{^keys}}<tr><td colspan="8" class="none">None.</td></tr>{{/keys}}
        </tbody></table></div>
        {{#keyPaging}}{{>leaf}}{{/keyPaging}}
        <h2>Closed months</h2>
        <div class="box"><table>
        <thead><tr><th>Month</th><th>Closed</th><th>By</th><th class="n">Closing balance</th><th>SHA-256</th></tr>\
        </thead>
        <tbody>
        {{#statements}}
        <tr><td><a href="{{href}}">{{month}}</a></td><td>{{#closedAt}}{{>time}}{{/closedAt}}</td><td>{{closedBy}}</td>
        <td class="n">{{#closing}}{{>usd}}{{/closing}}</td><td><code title="{{sha256}}">{{shortSHA256}}</code></td></tr>
        {{/statements}}
        {{^statements}}<tr><td colspan="5" class="none">None is closed yet.</td></tr>{{/statements}}
        </tbody></table></div>
        """

    static let escalations = """
        <p class="hint">Paid calls, the latest first, each with why it was made. Times in {{zone}}.</p>
        <div class="box"><table>
        <thead><tr><th class="n">No.</th><th>Time</th><th>Route</th><th>Team</th><th>Paid model</th><th>Kind</th>\
        <th class="n">Reward</th><th class="n">λ</th><th class="n">Cost</th><th>Reason</th></tr></thead>
        <tbody>
        {{#rows}}
        <tr><td class="n"><a href="{{href}}">{{seq}}</a></td><td>{{#at}}{{>time}}{{/at}}</td><td>{{route}}</td>
        <td>{{team}}</td><td>{{model}}</td><td>{{kind}}</td><td class="n">{{reward}}</td><td class="n">{{lambda}}</td>
        <td class="n">{{#cost}}{{>usd}}{{/cost}}</td>
        <td>{{reason}}{{#isUnusual}} <span class="tag warn">{{entry}}</span>{{/isUnusual}}</td></tr>
        {{/rows}}
        {{^rows}}<tr><td colspan="10" class="none">None.</td></tr>{{/rows}}
        </tbody></table></div>
        <p class="paging">{{#.newer}}<a href="{{.}}">‹ newer</a>{{/.newer}} {{#.older}}<a href="{{.}}">older ›</a>\
        {{/.older}}</p>
        """

    static let escalation = """
        <p class="paging">{{#.older}}<a href="{{.}}">‹ before</a>{{/.older}} <a href="{{list}}">all</a> \
        {{#.newer}}<a href="{{.}}">after ›</a>{{/.newer}}</p>
        <p class="hint">{{#at}}{{>time}}{{/at}} · {{kind}} · {{reason}}</p>
        {{#.summary}}<p class="lead">{{.}}</p>{{/.summary}}
        <div class="cards">
        <div class="card"><span>Reward, calibrated</span><strong>{{rewardCalibrated}}</strong><span>raw {{rewardRaw}}\
        </span></div>
        <div class="card"><span>λ, value that a dollar must buy</span><strong>{{lambda}}</strong></div>
        <div class="card"><span>Left at the decision</span><strong>{{#remaining}}{{>usd}}{{/remaining}}</strong></div>
        <div class="card"><span>Held</span><strong>{{#held}}{{>usd}}{{/held}}</strong></div>
        <div class="card"><span>Cost</span><strong>{{#cost}}{{>usd}}{{/cost}}</strong><span>{{entryWords}}</span></div>
        </div>
        <h2>What was weighed</h2>
        <p class="hint">Utility is the value of a right answer times the gain, less λ times the cost, less the price \
        of waiting.</p>
        <div class="box"><table>
        <thead><tr><th>Action</th><th class="n">Gain</th><th class="n">Cost USD</th><th class="n">Seconds</th>\
        <th class="n">Utility USD</th><th class="n">Left USD</th><th></th></tr></thead>
        <tbody>
        {{#actions}}
        <tr{{#isChosen}} class="chosen"{{/isChosen}}><td>{{name}}</td><td class="n">{{gain}}</td>
        <td class="n">{{#cost}}{{>usd}}{{/cost}}</td><td class="n">{{seconds}}</td><td class="n">{{utility}}</td>
        <td class="n">{{#left}}{{>usd}}{{/left}}</td>
        <td>{{#isChosen}}<span class="tag ok">chosen</span>{{/isChosen}}</td></tr>
        {{/actions}}
        {{^actions}}<tr><td colspan="7" class="none">Nothing was weighed.</td></tr>\
        {{/actions}}
        {{#excluded}}<tr class="barred"><td>{{action}}</td><td colspan="6">not possible: {{why}}</td></tr>{{/excluded}}
        </tbody></table></div>
        <div class="columns">
        <div><h2>The call</h2><dl>
        {{#facts}}<dt>{{name}}</dt><dd>{{value}}</dd>{{/facts}}
        <dt>Entry</dt><dd>{{entry}}</dd><dt>Outcome</dt><dd>{{outcome}}</dd></dl></div>
        <div><h2>Hashes</h2><dl>
        {{#hashes}}<dt>{{name}}</dt><dd><code title="{{title}}">{{value}}</code></dd>{{/hashes}}
        {{^hashes}}<dt>None</dt><dd></dd>{{/hashes}}</dl></div>
        </div>
        {{#.price}}
        <h2>Price that it was charged by</h2>
        <div class="box"><table class="prices">{{>price-head}}<tbody>{{>price-row}}</tbody></table></div>
        {{/.price}}
        <h2>Proof</h2>
        <p class="hint">That this record is in the audit as it was written, anybody can check who has a checkpoint:</p>
        <pre>gboost audit prove {{hold}} --tenant {{tenant}}</pre>
        """

    static let refusals = """
        <p class="hint">Paid calls that were wanted and not made, the latest first. Times in {{zone}}.</p>
        <div class="box"><table>
        <thead><tr><th class="n">No.</th><th>Time</th><th>Route</th><th>Team</th><th>Paid model</th><th>Kind</th>\
        <th class="n">Wanted</th><th class="n">Left</th><th>Refused by</th><th class="n">Reward</th>\
        <th class="n">λ</th>\
        <th>Reason it was wanted</th></tr></thead>
        <tbody>
        {{#rows}}
        <tr><td class="n" title="{{call}}">{{seq}}</td><td>{{#at}}{{>time}}{{/at}}</td><td>{{route}}</td><td>{{team}}\
        </td>
        <td>{{model}}</td><td>{{kind}}</td><td class="n">{{#wanted}}{{>usd}}{{/wanted}}</td>
        <td class="n">{{#left}}{{>usd}}{{/left}}</td><td>{{refusedBy}}</td><td class="n">{{reward}}</td>
        <td class="n">{{lambda}}</td>
        <td>{{reason}}{{#.more}} <span class="tag">and {{.}} more of the request</span>{{/.more}}</td></tr>
        {{/rows}}
        {{^rows}}<tr><td colspan="12" class="none">None: whatever was wanted was paid for.</td></tr>{{/rows}}
        </tbody></table></div>
        <p class="paging">{{#.latest}}<a href="{{.}}">‹ latest</a>{{/.latest}} {{#.older}}<a href="{{.}}">older ›</a>\
        {{/.older}}</p>
        """

    static let events = """
        <p class="hint">What administrators did, the latest first{{#.tenant}}, of the tenant {{.}}{{/.tenant}}. \
        Times in {{zone}}.</p>
        <div class="box"><table>
        <thead><tr><th class="n">No.</th><th>Time</th><th>Who</th><th>Action</th><th>Of</th><th>From</th>\
        </tr></thead>
        <tbody>
        {{#rows}}
        <tr{{#hasDetails}} class="opened"{{/hasDetails}}><td class="n">{{id}}</td><td>{{#at}}{{>time}}{{/at}}</td>
        <td class="whole">{{actor}}</td><td class="whole">{{action}}</td><td>{{subject}}</td>
        <td><small title="{{wholeOrigin}}">{{origin}}</small></td></tr>
        {{#hasDetails}}<tr class="details"><td></td><td colspan="5">\
        {{#.before}}<details><summary>before</summary><pre>{{.}}</pre></details>{{/.before}}\
        {{#.after}}<details><summary>after</summary><pre>{{.}}</pre></details>{{/.after}}</td></tr>{{/hasDetails}}
        {{/rows}}
        {{^rows}}<tr><td colspan="6" class="none">None.</td></tr>{{/rows}}
        </tbody></table></div>
        <p class="paging">{{count}} shown{{#.more}} · <a href="{{.}}">more</a>{{/.more}} · all of them: \
        <code>gboost audit events</code></p>
        """

    static let prices = """
        <p class="hint">\
        {{count}} prices in force, in USD for a million tokens. A dash costs as much as what it is a kind \
        of. Times in UTC.</p>
        <p class="links">{{#providers}}<a href="{{href}}"{{#isCurrent}} aria-current="page"{{/isCurrent}}>{{name}} \
        <small>{{count}}</small></a> {{/providers}}</p>
        <div class="box"><table class="prices">{{>price-head}}<tbody>
        {{#rows}}{{>price-row}}{{/rows}}
        {{^rows}}<tr><td colspan="13" class="none">None: no paid call is made without one.</td></tr>{{/rows}}
        </tbody></table></div>
        {{#isCut}}<p class="hint">Not all are shown: choose a provider.</p>{{/isCut}}
        """

    static let priceHead = """
        <thead><tr><th>Model</th><th class="n">Input</th><th class="n">Cached</th>\
        <th class="n">Cache write, 5\u{A0}min</th>\
        <th class="n">Cache write, 1\u{A0}h</th><th class="n">Output</th><th class="n">Reasoning</th>\
        <th class="n">A call</th><th class="n">An image</th><th class="n">In a batch</th><th class="n">Version</th>\
        <th>Since</th><th>From</th></tr></thead>
        """

    static let priceRow = """
        <tr><td>{{model}}{{#tiers}}<small class="below">{{.}}</small>{{/tiers}}</td><td class="n">{{input}}</td>\
        <td class="n">{{cachedInput}}</td><td class="n">{{cacheWrite5m}}</td><td class="n">{{cacheWrite1h}}</td>\
        <td class="n">{{output}}</td><td class="n">{{reasoning}}</td><td class="n">{{perCall}}</td>\
        <td class="n">{{perImage}}</td><td class="n">{{batch}}</td><td class="n">{{id}}</td>\
        <td class="time" title="{{sinceUTC}}">{{since}}</td><td>{{source}}</td></tr>
        """
}
