/** The look of the page for browsers, in light and in dark. */
export const PAGE_STYLE = `
:root{color-scheme:light dark;--ink:#1c1f23;--soft:#5b636d;--paper:#f6f5f2;--card:#fff;--line:#e2dfd8;--mark:#0b6e4f;--warn:#9a3412}
@media (prefers-color-scheme:dark){:root{--ink:#e9e7e2;--soft:#a2a8b0;--paper:#15171a;--card:#1e2125;--line:#33373d;--mark:#5fd0a5;--warn:#fdba74}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif}
main{max-width:44rem;margin:0 auto;padding:clamp(1.5rem,6vw,4rem) 1.25rem}
.status{margin:0;color:var(--mark);font-weight:600;font-size:.875rem;letter-spacing:.02em}
h1{margin:.35rem 0 .25rem;font-size:clamp(1.5rem,4.5vw,2.1rem);line-height:1.2;text-wrap:balance;overflow-wrap:anywhere}
h2{margin:2.25rem 0 .6rem;font-size:1.05rem}
p{margin:.5rem 0}
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;font-size:.875em}
p code,dd code{overflow-wrap:anywhere}
.url,.note{color:var(--soft)}
.note{font-size:.9rem}
.error{color:var(--warn)}
ul{list-style:none;margin:0;padding:0;display:grid;gap:.75rem}
li,pre{background:var(--card);border:1px solid var(--line);border-radius:.75rem}
li{padding:1rem 1.25rem}
.price{margin:0 0 .5rem;font-size:1.5rem;font-weight:650;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:6rem 1fr;gap:.2rem .75rem;margin:0;font-size:.925rem}
dt{color:var(--soft)}
dd{margin:0;min-width:0}
pre{margin:.75rem 0;padding:1rem 1.25rem;overflow-x:auto;line-height:1.5}
@media (max-width:30rem){dl{grid-template-columns:1fr;gap:0}dt{margin-top:.4rem}}
`.trim();
