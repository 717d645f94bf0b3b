"""How the pages look: light or dark as the reader's system is, on a desk and on a phone."""

from typing import Final

CSS: Final = """
:root {
  color-scheme: light dark;
  --page: #f4f5f8; --surface: #ffffff; --raised: #f1f2f6; --line: #e3e5ec;
  --text: #1b1e27; --soft: #5c6372;
  --good: #167a4a; --good-soft: #e3f5ec; --bad: #b92f3e; --bad-soft: #fdebed;
  --wait: #8a5a0f; --wait-soft: #fdf3dc;
  --c0: #4f56d3; --c1: #0e8f7c; --c2: #c9730c; --c3: #a83f94; --c4: #2583c4; --c5: #6f7a22;
  --c6: #c53d4b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #101217; --surface: #171a21; --raised: #222630; --line: #2a2f3a;
    --text: #e8eaf0; --soft: #98a0b0;
    --good: #3ecf8e; --good-soft: #12301f; --bad: #f4929c; --bad-soft: #3b181d;
    --wait: #e5b454; --wait-soft: #3a2f16;
    --c0: #8b91f8; --c1: #35c2ac; --c2: #f0a04b; --c3: #dd7fcb; --c4: #5fb3ee; --c5: #b4bf55;
    --c6: #f07a86;
  }
}
*, *::before, *::after { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  -webkit-text-size-adjust: 100%; overflow-wrap: anywhere;
}
main { max-width: 1160px; margin: 0 auto; padding: 28px 20px 60px; }
h1, h2, h3, p, ul, dl, dd, figure { margin: 0; padding: 0; }
ul { list-style: none; }
h1 { font-size: 26px; line-height: 1.25; letter-spacing: -0.02em; }
h2 { margin: 36px 0 12px; font-size: 18px; letter-spacing: -0.01em; }
h3 { font-size: 15px; }
.soft, .note { color: var(--soft); }
.note { font-size: 13px; }
.card {
  min-width: 0; padding: 18px 20px; border: 1px solid var(--line); border-radius: 14px;
  background: var(--surface);
}
.card + .card { margin-top: 16px; }

/* The verdict, and what it rests on. */
.verdict { border-left: 6px solid var(--tone); }
.verdict.passed { --tone: var(--good); }
.verdict.failed { --tone: var(--bad); }
.verdict.invalid, .verdict.interrupted { --tone: var(--wait); }
.verdict h1 b { color: var(--tone); }
.verdict > p { margin-top: 4px; }
.verdict .pairs { margin-top: 14px; }
.outcomes { margin-top: 14px; }
.outcomes li {
  display: grid; grid-template-columns: 72px minmax(0, 1fr); column-gap: 12px; padding: 8px 0;
  border-top: 1px solid var(--line);
}
.outcomes p { grid-column: 2; }
.badge {
  align-self: start; padding: 1px 0; border-radius: 8px; font-size: 13px; font-weight: 600;
  text-align: center;
}
.badge.good { background: var(--good-soft); color: var(--good); }
.badge.void { background: var(--raised); color: var(--soft); }
.badge.bad { background: var(--bad-soft); color: var(--bad); }
.notes li { margin-top: 10px; padding: 8px 12px; border-radius: 10px; }
.notes li { background: var(--wait-soft); color: var(--wait); }

/* The figures that matter most. */
.tiles {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 12px;
  margin-top: 16px;
}
.tiles .card { margin: 0; padding: 12px 16px; }
.tiles dt { color: var(--soft); font-size: 13px; }
.tiles dd { font-size: 21px; font-weight: 600; letter-spacing: -0.01em; }
.tiles dd small { display: block; color: var(--soft); font-size: 12.5px; font-weight: 400; }
.tiles dd small { letter-spacing: 0; }

/* Plots: a picture that stretches, and words around it that do not. */
.plots { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 16px; }
.plots .card { margin: 0; }
.plots .card:last-child:nth-child(odd) { grid-column: 1 / -1; }
.plot { display: flex; flex-direction: column; height: 100%; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 14px; margin-top: 4px; font-size: 13px; }
.legend li::before {
  content: ""; display: inline-block; width: 14px; height: 3px; margin-right: 6px;
  border-radius: 2px; background: var(--c); vertical-align: middle;
}
.chart {
  display: grid; grid-template-columns: calc(var(--labels) * 0.92 + 8px) minmax(0, 1fr);
  grid-template-rows: 220px 22px; margin-top: auto; padding-top: 24px; font-size: 12px;
  line-height: 1;
  font-variant-numeric: tabular-nums;
}
.y, .x, .picture { position: relative; }
.x { grid-column: 2; }
.y span, .x span { position: absolute; color: var(--soft); white-space: nowrap; }
.y span { right: 8px; transform: translateY(50%); }
.x span { top: 8px; transform: translateX(-50%); }
.x span.first { transform: none; }
.x span.last { transform: translateX(-100%); }
.picture svg { display: block; width: 100%; height: 100%; overflow: visible; }
.picture path {
  fill: none; vector-effect: non-scaling-stroke; stroke-linejoin: round; stroke-linecap: round;
}
.grid path { stroke: var(--line); stroke-width: 1; stroke-linecap: butt; }
.picture .line { stroke: var(--c); stroke-width: 2; }
.picture .dot { stroke-width: 7; }
.picture .area { fill: var(--c); opacity: 0.14; }
.picture .edge { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 2 4; }
.picture .moment { stroke: var(--bad); stroke-width: 1; opacity: 0.35; }
.picture .threshold { stroke: var(--bad); stroke-width: 1.5; stroke-dasharray: 6 4; }
.picture .hint { fill: transparent; }
.picture .hint:hover { fill: var(--text); opacity: 0.08; }
.span, .mark { position: absolute; z-index: 1; pointer-events: none; font-size: 11px; }
.span {
  top: -1px; padding: 3px 4px; overflow: hidden; color: var(--soft); text-overflow: ellipsis;
  transform: translateY(-100%); white-space: nowrap;
}
.mark {
  right: 4px; padding-bottom: 2px; color: var(--bad);
  text-shadow: 0 0 3px var(--surface), 0 0 3px var(--surface), 0 0 5px var(--surface);
}
.c0 { --c: var(--c0); } .c1 { --c: var(--c1); } .c2 { --c: var(--c2); } .c3 { --c: var(--c3); }
.c4 { --c: var(--c4); } .c5 { --c: var(--c5); } .c6 { --c: var(--c6); }

/* Tables: wide ones are moved sideways by themselves, not with the page. */
.scroll { overflow-x: auto; }
table { min-width: min(100%, 560px); border-collapse: collapse; font-size: 14px; }
table { font-variant-numeric: tabular-nums; overflow-wrap: normal; }
th, td { padding: 6px 0 6px 28px; text-align: right; white-space: nowrap; }
th { color: var(--soft); font-size: 12.5px; font-weight: 500; }
tbody tr { border-top: 1px solid var(--line); }
th:first-child, td:first-child { padding-left: 0; text-align: left; }
td.words, th.words { min-width: 200px; text-align: left; white-space: normal; }
td.words { overflow-wrap: anywhere; }
.better { color: var(--good); font-weight: 600; }
.worse { color: var(--bad); font-weight: 600; }
.phase .scroll + *, .phase .pairs + * { margin-top: 14px; }
.phase h3 + * { margin-top: 8px; }
summary { cursor: pointer; font-weight: 600; }
summary .soft { font-weight: 400; }
.card + details.card, details.card + details.card { margin-top: 8px; }
details.card { padding: 11px 20px; }
details[open] > summary { margin-bottom: 8px; }

/* Settings and the command. */
.pairs {
  display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 4px 18px; font-size: 14px;
}
.pairs dt { color: var(--soft); }
.halves { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 16px; }
.halves .card { margin: 0; }
.halves h3 { margin-bottom: 8px; }
pre {
  margin: 8px 0 0; padding: 12px 14px; border-radius: 10px; background: var(--raised);
  font: 13px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  white-space: pre-wrap;
}
footer { margin-top: 36px; color: var(--soft); font-size: 13px; }

@media (max-width: 760px) {
  main { padding: 14px 10px 40px; }
  h1 { font-size: 21px; }
  .card { padding: 14px; border-radius: 12px; }
  .plots, .halves { grid-template-columns: minmax(0, 1fr); gap: 12px; }
  .plots .card:last-child:nth-child(odd) { grid-column: auto; }
  .chart { grid-template-rows: 190px 22px; font-size: 11px; }
  th, td { padding-left: 18px; }
  td.words, th.words { min-width: 90px; }
  .x span.tight { display: none; }
  .tiles { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 10px; }
  .tiles dd { font-size: 18px; }
  .pairs { grid-template-columns: minmax(0, 1fr); gap: 0; }
  .pairs dd { margin-bottom: 6px; }
}
@media print { body { background: none; } .card { break-inside: avoid; } }
"""
"""The style sheet of a report and of a comparison; put into the page itself."""
