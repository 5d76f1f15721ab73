// SPDX-License-Identifier: Apache-2.0
#include "advisor/report/html_style.h"

namespace tcpadvisor {

std::string_view html_style() {
  // Text against its ground is at least 4.5 : 1 in both schemes, lines and fills at least 3 : 1.
  return R"css(
:root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--text:#1b1f24;--soft:#515a64;--rule:#d5d9de;--link:#0b57a4;
--ok:#17693a;--ok-bg:#e3f3e8;--warn:#7a4a00;--warn-bg:#fdf0d5;--crit:#a1211a;--crit-bg:#fbe4e2;--none:#515a64;--none-bg:#eceff2;
--line:#0b57a4;--area:#0b57a422;--mark:#a1211a}
@media (prefers-color-scheme:dark){:root{--bg:#14171b;--card:#1d2126;--text:#e6e9ec;--soft:#a9b1ba;--rule:#3a4149;--link:#8ab8ff;
--ok:#84dca2;--ok-bg:#173423;--warn:#ffc870;--warn-bg:#3a2c10;--crit:#ff9d94;--crit-bg:#431d1a;--none:#a9b1ba;--none-bg:#262b31;
--line:#8ab8ff;--area:#8ab8ff26;--mark:#ff9d94}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--bg);color:var(--text);font:16px/1.5 system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;overflow-wrap:anywhere}
.skip{position:absolute;left:-999em}
.skip:focus{position:static;display:inline-block;padding:.5rem 1rem}
header,main,footer{max-width:68rem;margin:0 auto;padding:0 1.25rem}
header{padding-top:1.75rem}
.brand{margin:0;color:var(--soft);font-size:.85rem;letter-spacing:.04em}
h1{margin:.15rem 0 .5rem;font-size:1.8rem;line-height:1.2}
h1.fine{color:var(--ok)}h1.warning{color:var(--warn)}h1.critical{color:var(--crit)}
h2{margin:2.25rem 0 .75rem;font-size:1.25rem;line-height:1.3}
h3{margin:0;font-size:1.1rem;line-height:1.35}
h4{margin:1.1rem 0 .25rem;font-size:.95rem}
p{margin:.35rem 0}
ul,ol{margin:.35rem 0;padding-left:1.4rem}
li{margin:.2rem 0}
a{color:var(--link)}
a:focus-visible{outline:3px solid var(--link);outline-offset:2px}
code{font:.9em/1.45 ui-monospace,"Cascadia Mono","DejaVu Sans Mono",monospace;background:var(--none-bg);padding:.08em .3em;border-radius:.25em}
.lead{max-width:48rem;font-size:1.05rem}
.soft{color:var(--soft);font-size:.9rem}
.facts{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem;margin:1rem 0 0;font-size:.9rem}
.facts dt{color:var(--soft)}.facts dd{margin:0}
table{width:100%;border-collapse:collapse;font-size:.92rem}
th,td{padding:.45rem .6rem;border-bottom:1px solid var(--rule);text-align:left;vertical-align:top}
thead th{color:var(--soft);font-weight:600}
tbody th{font-weight:600}
.number{text-align:right;white-space:nowrap}
.card,.panel{background:var(--card);border:1px solid var(--rule);border-radius:.6rem}
.panel{overflow:hidden}
.panel tr:last-child>*{border-bottom:0}
.card{margin:0 0 1.1rem;padding:1.1rem 1.25rem;border-left-width:.35rem;scroll-margin-top:1rem}
.card.critical{border-left-color:var(--crit)}.card.warning{border-left-color:var(--warn)}.card.info{border-left-color:var(--none)}
.card:target{outline:3px solid var(--link)}
.word{display:inline-block;padding:.05rem .5rem;border-radius:1rem;font-size:.8rem;font-weight:650;white-space:nowrap}
.word.fine,.word.fixed{color:var(--ok);background:var(--ok-bg)}.word.warning{color:var(--warn);background:var(--warn-bg)}
.word.critical{color:var(--crit);background:var(--crit-bg)}.word.info,.word.not-seen,.word.none-here{color:var(--none);background:var(--none-bg)}
.word.not-seen{outline:1px dashed var(--none)}
.use td{width:29%}
.use .what{display:block;margin-top:.2rem;line-height:1.35;font-size:.88rem}
.use .column{display:none}
.pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,19rem),1fr));gap:1rem;margin:1rem 0}
figure{margin:0;min-width:0}
figcaption{font-size:.85rem;color:var(--soft)}
svg{display:block;width:100%;max-width:26rem;height:auto}
svg text{font:11px system-ui,"DejaVu Sans",sans-serif;fill:var(--soft)}
svg .value{fill:var(--text);font-weight:600}
svg .name{fill:var(--soft)}svg .end{fill:var(--text)}
svg text.mark{fill:var(--mark);paint-order:stroke;stroke:var(--card);stroke-width:3px}
svg line.mark{stroke:var(--mark);stroke-dasharray:5 4}
svg .shut{fill:var(--crit);font-weight:600}
svg .axis{stroke:var(--rule)}
svg .line{fill:none;stroke:var(--line);stroke-width:2;stroke-linejoin:round}
svg .area{fill:var(--area)}
svg .box{fill:none;stroke:var(--soft)}
svg .fill{fill:var(--area)}svg .fill.full{fill:var(--crit-bg)}
svg .arrow{fill:none;stroke:var(--soft);stroke-width:1.5}
footer{margin-top:2.5rem;padding-bottom:2rem;color:var(--soft);font-size:.85rem}
@media (max-width:44rem){
header,main,footer{padding-left:.9rem;padding-right:.9rem}
h1{font-size:1.45rem}
.card{padding:.9rem}
.use thead{position:absolute;left:-999em}
.use,.use tbody,.use tr,.use th,.use td{display:block;width:auto}
.use tr{padding:.5rem 0;border-bottom:1px solid var(--rule)}
.use th,.use td{border:0;padding:.15rem .8rem}
.use .column{display:inline-block;min-width:6rem;color:var(--soft);font-size:.85rem}
.use .empty{display:none}
.facts{grid-template-columns:1fr}.facts dt{margin-top:.4rem}
.narrow thead{position:absolute;left:-999em}
.narrow tr,.narrow th,.narrow td{display:block;border:0;padding:.1rem .8rem}
.narrow tr{padding:.4rem 0;border-bottom:1px solid var(--rule)}
.narrow .number{text-align:left;white-space:normal}
}
@media print{
:root{color-scheme:light;--bg:#fff;--card:#fff;--text:#000;--soft:#333;--rule:#999;--link:#000}
body{font-size:11pt}
.card,figure,tr{break-inside:avoid}
h2,h3,h4{break-after:avoid}
.skip{display:none}
}
)css";
}

}  // namespace tcpadvisor
