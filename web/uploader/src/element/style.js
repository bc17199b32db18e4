// The one style sheet of all elements: constructed, so that a policy without 'unsafe-inline' lets it in. Every colour and measure can be
// set from outside by a --gantry-* property; light and dark follow `color-scheme`.

const CSS = `
:host {
  color-scheme: light dark;
  display: block;
  container-type: inline-size;
  --text: var(--gantry-text, light-dark(#1a1f28, #e7eaf0));
  --muted: var(--gantry-muted, light-dark(#5b6473, #a4adbc));
  --surface: var(--gantry-surface, light-dark(#ffffff, #14171d));
  --subtle: var(--gantry-subtle, light-dark(#f5f6f8, #1c2027));
  --hairline: var(--gantry-hairline, light-dark(#e4e7ec, #2a303a));
  --control: var(--gantry-control, light-dark(#868f9d, #6d7787));
  --accent: var(--gantry-accent, light-dark(#2557d6, #8fb1ff));
  --ready: var(--gantry-ready, light-dark(#186a3b, #74d197));
  --warning: var(--gantry-warning, light-dark(#855000, #f0bd62));
  --failed: var(--gantry-failed, light-dark(#b3261e, #ff9c93));
  --radius: var(--gantry-radius, 8px);
  --list-height: var(--gantry-list-height, 26rem);
  --target: 32px;
  --font: 0.875rem;
  --small: 0.75rem;
}
:host([theme="light"]) { color-scheme: light; }
:host([theme="dark"]) { color-scheme: dark; }
:host([theme="inherit"]) { color-scheme: inherit; }
:host([hidden]) { display: none; }
*, ::before, ::after { box-sizing: border-box; }
[hidden] { display: none !important; }
p, ul, dl, dd { margin: 0; padding: 0; }
.root {
  background: var(--surface);
  color: var(--text);
  border: 1px solid var(--hairline);
  border-radius: calc(var(--radius) * 1.5);
  font: var(--font)/1.4286 var(--gantry-font, system-ui, sans-serif);
  text-align: start;
  overflow: hidden;
}
.num { font-variant-numeric: tabular-nums; }
.said { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
button { font: inherit; color: inherit; background: none; border: 0; padding: 0; margin: 0; cursor: pointer; border-radius: 6px; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: -1px; }
.icon { display: block; inline-size: 1.25em; block-size: 1.25em; fill: none; stroke: currentColor; stroke-width: 1.75; stroke-linecap: round; stroke-linejoin: round; }
.state-icon { flex: none; font-size: 0.875rem; }

.zone {
  position: relative;
  display: grid;
  justify-items: center;
  gap: 4px;
  margin: 12px;
  padding: 32px 16px;
  border-radius: var(--radius);
  background: var(--subtle);
  text-align: center;
}
.input { position: absolute; inset: 0; inline-size: 100%; block-size: 100%; opacity: 0; cursor: pointer; font-size: 0; }
.dashes { position: absolute; inset: 0; border: 1.5px dashed var(--control); border-radius: inherit; pointer-events: none; }
.input:focus-visible + .dashes { outline: 3px solid var(--accent); outline-offset: 1px; }
.zone:hover .dashes { border-color: var(--accent); }
.zone-icon { color: var(--muted); font-size: 1.25rem; pointer-events: none; margin-block-end: 4px; }
.zone-text { pointer-events: none; min-inline-size: 0; }
.title { font-size: 1rem; line-height: 1.5; }
.link { color: var(--accent); text-decoration: underline; text-underline-offset: 3px; }
.limits { color: var(--muted); font-size: var(--small); line-height: 1.5; }
.limits span, .facts span { unicode-bidi: isolate; white-space: pre-wrap; }
.for-touch, .for-drag { display: none; }
.sources { position: relative; display: flex; flex-wrap: wrap; justify-content: center; gap: 8px; margin-block-start: 12px; pointer-events: none; }
.sources button, .all, .confirm button {
  display: inline-flex; align-items: center; gap: 6px; min-block-size: var(--target); padding-inline: 10px; border: 1px solid var(--hairline);
  background: var(--surface); font-size: var(--font); pointer-events: auto; white-space: nowrap;
}
.sources .icon { color: var(--muted); inline-size: 1.125em; block-size: 1.125em; }
.sources button:hover, .all:hover, .confirm .plain:hover { border-color: var(--control); }
.source-camera { display: none !important; }
.compact { grid-template-columns: auto 1fr auto; justify-items: start; align-items: center; gap: 0 12px; padding: 10px 12px; text-align: start; }
.compact .title { font-size: var(--font); }
.compact .zone-icon { margin: 0; font-size: 1rem; }
.compact .sources { margin: 0; }
.over, .reading { background: color-mix(in srgb, var(--accent) 8%, var(--surface)); }
.over .dashes, .reading .dashes { border: 2px solid var(--accent); }
.over .zone-icon { color: var(--accent); }
.over .for-mouse, .over .for-touch, .reading .for-mouse, .reading .for-touch { display: none; }
.over .for-drag, .reading .for-drag { display: inline; color: var(--accent); font-weight: 600; }
.over .sources { visibility: hidden; }

.notice { display: flex; gap: 8px; align-items: flex-start; margin: 0 12px 12px; padding: 8px 12px; border: 1px solid color-mix(in srgb, var(--tone) 30%, var(--surface)); background: color-mix(in srgb, var(--tone) 7%, var(--surface)); border-radius: var(--radius); }
.notice > .state-icon, .state { color: var(--tone); }
.notice > :nth-child(2) { flex: 1; min-inline-size: 0; overflow-wrap: anywhere; }
.notice ul { list-style: none; }
.notice .state-icon { margin-block-start: 1px; }
.notice .icon-button { margin: -6px -8px -6px 0; }
.notice strong { font-weight: 600; }
.warning, [data-tone="warning"] { --tone: var(--warning); }
.failed, [data-tone="failed"] { --tone: var(--failed); }
[data-tone="running"] { --tone: var(--accent); }
[data-tone="ready"] { --tone: var(--ready); }

.total { position: relative; padding: 4px 12px 10px; border-block-start: 1px solid var(--hairline); }
.total-line { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 12px; min-block-size: 40px; }
.sum { display: flex; align-items: center; gap: 0 8px; flex-wrap: wrap; flex: 1 1 14rem; min-inline-size: 0; }
.files { font-weight: 600; font-variant-numeric: tabular-nums; }
.sum .facts { color: var(--muted); font-size: var(--small); }
.sum .state-icon { color: var(--ready); }
.alls { display: flex; flex-wrap: wrap; gap: 4px; margin-inline: -8px; }
.all { border-color: transparent; background: none; padding-inline: 8px; color: var(--muted); font-size: var(--small); }
.all:hover { background: color-mix(in srgb, var(--text) 8%, transparent); border-color: transparent; color: var(--text); }
.confirm { display: flex; flex-wrap: wrap; align-items: center; gap: 8px; min-block-size: 40px; }
.confirm p { flex: 1 1 14rem; }
.confirm .danger { border-color: var(--failed); color: var(--failed); }
.confirm .danger:hover { background: color-mix(in srgb, var(--failed) 8%, transparent); }
.text { color: var(--accent); font-size: var(--small); min-block-size: 24px; padding-inline: 4px; margin: -2px -4px; text-underline-offset: 3px; }
.text:hover { text-decoration: underline; }
.text.failed { color: var(--failed); }

.fold { display: flex; align-items: center; gap: 12px; inline-size: 100%; min-block-size: 44px; padding: 0 12px; border-radius: 0; border-block-start: 1px solid var(--hairline); text-align: start; }
.fold:hover { background: var(--subtle); }
.fold .state-icon { color: var(--ready); inline-size: 36px; display: grid; place-items: center; }
.fold .word { flex: 1; font-weight: 500; }
.fold .arrow { color: var(--muted); transition: transform 150ms; }
.fold[aria-expanded="true"] .arrow { transform: rotate(180deg); }
.scroller { overflow-y: auto; overflow-anchor: none; max-block-size: var(--list-height); border-block-start: 1px solid var(--hairline); overscroll-behavior: contain; }
.rows { list-style: none; position: relative; }
.row { position: relative; display: grid; grid-template-columns: 36px minmax(0, 1fr) auto; gap: 0 12px; padding: 8px 12px; min-block-size: 56px; }
.row + .row { border-block-start: 1px solid var(--hairline); }
.pinned { position: absolute; inset-block-start: 0; inset-inline: 0; opacity: 0; pointer-events: none; z-index: -1; }
.thumb { inline-size: 36px; block-size: 36px; margin-block-start: 2px; border-radius: 6px; background: var(--subtle); color: var(--muted); display: grid; place-items: center; overflow: hidden; font-size: 0.9375rem; }
.thumb canvas, .thumb img { inline-size: 100%; block-size: 100%; object-fit: cover; display: block; }
.body { min-inline-size: 0; display: grid; grid-template: "name size" / minmax(0, 1fr) auto; gap: 0 16px; align-content: start; align-items: baseline; }
.body > * { grid-column: 1 / -1; }
.body > .name { grid-area: name; justify-self: start; max-inline-size: 100%; }
.body > .size { grid-area: size; }
.name { display: flex; min-inline-size: 0; font-weight: 500; white-space: pre; }
.folder { flex: 0 1000 auto; color: var(--muted); font-weight: 400; }
.folder, .head { overflow: hidden; text-overflow: ellipsis; min-inline-size: 0; }
.head { flex: 0 1 auto; }
.folder { min-inline-size: 1.5em; }
.folder:empty { display: none; }
.tail { flex: none; }
.size { color: var(--muted); font-size: var(--small); }
.status { display: flex; align-items: center; flex-wrap: wrap; gap: 0 8px; min-block-size: 20px; font-size: var(--small); line-height: 1.25rem; color: var(--muted); }
.state { display: inline-flex; align-items: center; gap: 4px; flex: none; max-inline-size: 100%; }
.state .state-icon { font-size: var(--small); }
.facts:empty { display: none; }
.facts { white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.offers { display: inline-flex; gap: 12px; }
.sentence { font-size: var(--small); line-height: 1.25rem; overflow-wrap: anywhere; }
[data-tone="failed"] .state { font-weight: 600; }
.icon-busy { animation: turn 1s linear infinite; }
.actions { display: flex; align-items: start; justify-content: end; gap: 0; min-inline-size: calc(2 * var(--target)); margin-block-start: calc((40px - var(--target)) / 2); }
.icon-button { flex: none; inline-size: var(--target); block-size: var(--target); display: grid; place-items: center; color: var(--muted); font-size: 0.875rem; }
.icon-button:hover { background: color-mix(in srgb, var(--text) 8%, transparent); color: var(--text); }
.bar { position: absolute; inset-block-end: 1px; inset-inline: 60px 12px; block-size: 4px; border-radius: 2px; background: var(--hairline); overflow: hidden; }
.bar div { position: absolute; inset: 0; transform-origin: 0 50%; transform: scaleX(var(--confirmed, 0)); transition: transform 200ms linear; background: var(--accent); }
.bar .sent { transform: scaleX(var(--sent, 0)); opacity: 0.35; }
[data-tone="idle"] .bar div, [data-tone="warning"] .bar div { background: var(--control); }
.total .bar { position: relative; inset: auto; inline-size: auto; margin-block-start: 2px; }
.root[dir="rtl"] .bar div, :host(:dir(rtl)) .root:not([dir]) .bar div { transform-origin: 100% 50%; }
.details { margin-block: 4px 2px; padding: 8px 12px; border-radius: 6px; background: var(--subtle); font-size: var(--small); }
.details dl { display: grid; grid-template-columns: auto minmax(0, 1fr); gap: 2px 12px; }
.details dt { color: var(--muted); }
.details dd { font-family: ui-monospace, monospace; overflow-wrap: anywhere; user-select: all; direction: ltr; text-align: start; }
.details .text { margin-block-start: 4px; }

@container (max-width: 30rem) {
  .zone { padding: 24px 12px; margin: 8px; }
  .zone.compact { padding: 6px 8px 6px 12px; }
  .compact .source span { display: none; }
  .compact .source { border-color: transparent; background: none; min-inline-size: var(--target); justify-content: center; padding: 0; }
  .compact .source .icon { inline-size: 1.25em; block-size: 1.25em; }
  .compact .sources { gap: 0; flex-wrap: nowrap; }
  .notice { margin: 0 8px 8px; }
  .row { grid-template: "thumb name actions" auto ". status status" auto / 36px minmax(0, 1fr) auto; padding: 4px 4px 8px 8px; gap: 0 8px; }
  .row:dir(rtl) { padding: 4px 8px 8px 4px; }
  .thumb { grid-area: 1 / 1 / 3 / 2; margin-block-start: 4px; }
  .body { display: contents; }
  .body > * { grid-column: 2 / -1; }
  .body > .name { align-self: center; }
  .body > .status { grid-area: status; }
  .body > .size { grid-area: status; justify-self: end; padding-inline-end: 8px; line-height: 1.25rem; }
  .actions { grid-area: actions; margin: 0; }
  [data-state="uploading"] .size, [data-state="preparing"] .size, [data-tone="warning"] .size, [data-tone="failed"] .size { display: none; }
  [data-tone="running"] .status { flex-wrap: nowrap; }
  .row .facts span:nth-child(2):not(:last-child) { display: none; }
  .sentence, .details { margin-inline-end: 8px; }
  .bar { inset-inline: 52px 12px; }
  .total { padding-inline: 12px; }
}
@media (pointer: coarse) {
  :host { --target: 44px; --font: 1rem; --small: 0.875rem; }
  .for-mouse { display: none; }
  .for-touch { display: inline; }
  .source-camera { display: inline-flex !important; }
  .text { min-block-size: 44px; min-inline-size: 44px; margin-block: -12px; }
  .notice .icon-button { margin: -10px -12px -10px 0; }
}
@media (prefers-reduced-motion: reduce) {
  *, ::before, ::after { transition: none !important; animation: none !important; }
}
@media (forced-colors: active) {
  .bar { border: 1px solid CanvasText; }
  .bar div { forced-color-adjust: none; background: Highlight; }
}
@keyframes turn { to { rotate: 360deg; } }
`;

/** @type {CSSStyleSheet | undefined} */
let sheet;

/** Made with the first element: a server that only imports this has no style sheets. */
export function styleSheet() {
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(CSS);
  }
  return sheet;
}
