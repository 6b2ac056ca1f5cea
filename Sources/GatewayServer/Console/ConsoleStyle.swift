/// The console's one style sheet: light and dark, laptop and phone, nothing from elsewhere.
enum ConsoleStyle {
    static let sheet = """
        :root{color-scheme:light dark;--paper:#f6f7f9;--card:#fff;--ink:#1b2430;--soft:#5a6675;--line:#e1e6ec;\
        --accent:#2f62ad;--ok:#1d7a52;--okbg:#e3f3eb;--warn:#8f5a00;--warnbg:#fdf0d8;--bad:#a92b25;--badbg:#fbe6e4;\
        --track:#e6eaef;--open:#9db8de;--mark:#1b2430;--edge:#1b24302e}
        @media (prefers-color-scheme:dark){:root{--paper:#12161c;--card:#1a2029;--ink:#e6eaf0;--soft:#98a4b3;\
        --line:#2b3440;--accent:#7fabec;--ok:#6fd0a3;--okbg:#17352a;--warn:#e9b765;--warnbg:#3a2d14;--bad:#f0918b;\
        --badbg:#402120;--track:#2b3440;--open:#46618a;--mark:#e6eaf0;--edge:#000000a6}}
        *{box-sizing:border-box}
        body{margin:0;background:var(--paper);color:var(--ink);\
        font:14px/1.5 system-ui,"Liberation Sans",Arial,sans-serif}
        a{color:var(--accent);text-decoration:none}a:hover{text-decoration:underline}
        :focus-visible{outline:2px solid var(--accent);outline-offset:2px}
        .top{display:flex;flex-wrap:wrap;align-items:center;gap:.5rem 1.5rem;padding:.65rem 1.5rem;\
        background:var(--card);border-bottom:1px solid var(--line)}
        .brand{color:var(--ink);font-size:1.05rem;letter-spacing:.01em}.brand:hover{text-decoration:none}
        .top nav{display:flex;gap:1.1rem}.top nav a{color:var(--soft);padding:.2rem 0}
        .top nav a[aria-current]{color:var(--ink);font-weight:600;box-shadow:0 2px 0 var(--accent)}
        .who{display:flex;flex-wrap:wrap;align-items:center;gap:.5rem .7rem;margin-left:auto;color:var(--soft)}
        .actor{overflow-wrap:anywhere}
        main{max-width:84rem;margin:0 auto;padding:1.2rem 1.5rem 2.5rem}
        h1{font-size:1.5rem;line-height:1.25;margin:.2rem 0 .6rem;overflow-wrap:anywhere}
        h2{font-size:1.1rem;margin:2rem 0 .6rem}h3{font-size:.95rem;margin:1.2rem 0 .4rem}
        h2 small{font-weight:400}small{color:var(--soft);font-size:.85em}
        .crumbs{color:var(--soft);font-size:.88rem}.crumbs b{font-weight:400}
        .hint{color:var(--soft);margin:.2rem 0 .8rem;max-width:60rem}
        .lead{font-size:1.02rem;max-width:60rem}
        .links{display:flex;flex-wrap:wrap;gap:.5rem}
        .links a{border:1px solid var(--line);background:var(--card);border-radius:1rem;padding:.15rem .8rem}
        .links a[aria-current]{border-color:var(--accent);color:var(--ink)}
        .cards{display:flex;flex-wrap:wrap;gap:.8rem;margin:1rem 0}
        .card{flex:1 1 9.5rem;min-width:0;background:var(--card);border:1px solid var(--line);border-radius:.5rem;\
        padding:.7rem .9rem}
        .card span{color:var(--soft);font-size:.85rem}.card p{margin:.4rem 0}
        .card strong{display:block;font-size:clamp(1rem,4.6vw,1.3rem);font-weight:600;\
        font-variant-numeric:tabular-nums;overflow-wrap:normal}
        .card strong span{color:inherit;font-size:inherit}.card strong small{font-size:.62em;font-weight:400}
        .box{overflow-x:auto;border:1px solid var(--line);border-radius:.5rem;\
        background:linear-gradient(90deg,var(--card) 30%,transparent) left/2.5rem 100% no-repeat local,\
        linear-gradient(270deg,var(--card) 30%,transparent) right/2.5rem 100% no-repeat local,\
        linear-gradient(90deg,var(--edge),transparent) left/.8rem 100% no-repeat scroll,\
        linear-gradient(270deg,var(--edge),transparent) right/.8rem 100% no-repeat scroll;\
        background-color:var(--card)}
        table{border-collapse:collapse;width:100%}
        th,td{padding:.42rem .75rem;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
        tbody tr:last-child td{border-bottom:0}
        th{color:var(--soft);font-size:.82rem;font-weight:600;white-space:nowrap;vertical-align:bottom}
        td:first-child{min-width:6rem;overflow-wrap:break-word}td.n:first-child{min-width:0}
        .n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
        .time{font-variant-numeric:tabular-nums;white-space:nowrap}
        .whole{white-space:nowrap}
        .wide{min-width:8rem;width:16%;vertical-align:top}.wide .bar,.wide .part{margin-top:.45rem}
        .prices th,.prices th.n{white-space:normal}.prices td:first-child{min-width:11rem}
        tr.opened td{border-bottom:0}tr.details td{padding-top:0;min-width:0}
        tr.details details{display:inline-block;vertical-align:top;margin-right:1.2rem}
        .narrow,.pointing{display:none}@media (hover:hover){.pointing{display:inline}}
        tfoot td{font-weight:600;border-top:1px solid var(--line);border-bottom:0}
        .none{color:var(--soft)}.below{display:block}
        tr.chosen td{background:var(--okbg)}tr.barred td{color:var(--soft)}
        .tag{display:inline-block;border-radius:.7rem;padding:0 .55rem;background:var(--track);color:var(--soft);\
        font-size:.82rem;white-space:nowrap}
        .tag.ok{background:var(--okbg);color:var(--ok)}.tag.warn{background:var(--warnbg);color:var(--warn)}
        .tag.bad{background:var(--badbg);color:var(--bad)}.tag.warn span,.tag.bad span,.tag small{color:inherit}
        .who .tag{font-size:.8rem}h2 .tag{vertical-align:.1em;font-weight:400}
        svg{display:block}.bar,.part{width:100%;height:.6rem;border-radius:.3rem}
        .track{fill:var(--track)}.spent{fill:var(--ok)}.near .spent{fill:#d18e1e}.over .spent{fill:#c8433c}
        .open{fill:var(--open)}.mark{fill:var(--mark)}.part rect{fill:var(--accent)}
        .month .bar{height:.9rem}.month p{color:var(--soft);margin:.5rem 0}
        .plot{width:100%;min-width:38rem;height:auto;padding:.6rem}.plot text{font-size:10px;fill:var(--soft)}
        .plot .grid{stroke:var(--line)}.plot .day{fill:var(--accent)}.plot g:hover .day{fill:var(--ok)}
        .pick{display:flex;flex-wrap:wrap;align-items:center;gap:.5rem .8rem;margin:.6rem 0}
        .columns{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,24rem),1fr));gap:0 2rem}
        .columns>div{min-width:0}
        dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.3rem 1.2rem;margin:0}
        dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
        code,pre{font:.88em/1.45 ui-monospace,"Liberation Mono",Menlo,monospace}
        pre{background:var(--card);border:1px solid var(--line);border-radius:.4rem;padding:.6rem .8rem;\
        overflow-x:auto;margin:.4rem 0}
        details pre{max-width:34rem;max-height:22rem}summary{cursor:pointer;color:var(--accent)}
        .paging{color:var(--soft)}.paging a{margin-right:.6rem}
        .door{max-width:27rem;margin:1rem 0;padding:1.2rem 1.4rem}.door label{display:block;margin-bottom:.3rem}
        input,button{font:inherit;color:inherit;border:1px solid var(--line);border-radius:.35rem;padding:.38rem .7rem;\
        background:var(--paper)}
        .door input{width:100%;margin-bottom:.8rem}
        button{background:var(--accent);border-color:var(--accent);color:#fff;cursor:pointer}
        button.plain{background:transparent;border-color:var(--line);color:var(--ink);padding:.15rem .7rem}
        .problem{background:var(--badbg);color:var(--bad);border-radius:.35rem;padding:.45rem .7rem;margin:0 0 .8rem}
        footer{max-width:84rem;margin:0 auto;padding:0 1.5rem 2rem;color:var(--soft);font-size:.82rem}
        @media (prefers-color-scheme:dark){button{color:#10151c}}
        @media (max-width:40rem){.top,main,footer{padding-left:.9rem;padding-right:.9rem}.who{margin-left:0}\
        th,td{padding:.4rem .55rem}h1{font-size:1.3rem}.roomy{display:none}.narrow{display:block}\
        .narrow .bar{max-width:8rem;margin:.3rem 0}}
        @media print{.top form,.pick,.paging{display:none}.box{overflow:visible}}

        """
}
