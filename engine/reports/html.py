"""A document as one HTML file: pictures inside, no script, nothing fetched; prints on A4."""

from __future__ import annotations

from base64 import b64encode
from html import escape
from pathlib import Path

from engine.reports.chances import chance
from engine.reports.nouns import Bar, Block, CaseBlock, Document, Heading, Picture, Table, Text

# ruff: noqa: E501 - a style sheet reads by its rules, not by its lines
STYLE = """
@page { size: A4; margin: 16mm 18mm; }
:root { color-scheme: light; }
body { font: 15px/1.55 "Noto Sans SC", "Noto Sans", "Microsoft YaHei", "PingFang SC", "Segoe UI", system-ui, sans-serif;
  color: #1b2430; background: #fff; max-width: 860px; margin: 32px auto; padding: 0 20px; }
h1 { font-size: 27px; line-height: 1.3; margin: 0 0 6px; } h2 { font-size: 19px; margin: 32px 0 8px; break-after: avoid; }
h3 { font-size: 16px; margin: 20px 0 8px; break-after: avoid; } p { margin: 0 0 8px; }
.quiet { color: #5d6775; font-size: 13px; } .warn { border-left: 3px solid #c0392b; padding-left: 10px; }
table { border-collapse: collapse; width: 100%; margin: 4px 0 10px; font-size: 14px; table-layout: fixed; }
th { text-align: left; color: #5d6775; font-size: 13px; } th, td { padding: 4px 10px 4px 0; vertical-align: top;
  border-bottom: 1px solid #d5dae1; overflow-wrap: anywhere; } tr { break-inside: avoid; }
.case { break-inside: avoid; } .row { display: flex; gap: 22px; flex-wrap: wrap; } .row > div { flex: 1; min-width: 260px; } .near-row { gap: 10px; flex-wrap: wrap; display: flex; }
figure { margin: 0 0 8px; } figure.main { width: 300px; } figure.near { width: 112px; } img { width: 100%; display: block; }
figcaption { font-size: 13px; line-height: 1.4; margin-top: 4px; color: #5d6775; }
.bar { display: grid; grid-template-columns: 120px 1fr 140px; gap: 10px; align-items: center; font-size: 14px; }
.bar b { font-weight: 400; overflow-wrap: anywhere; } .bar span { position: relative; height: 10px; background: #e8ebef; }
.bar i { position: absolute; inset: 0 auto 0 0; } .bar u { position: absolute; top: -2px; bottom: -2px; border: solid #1b2430;
  border-width: 0 1px; background: linear-gradient(#1b2430, #1b2430) center / 100% 1px no-repeat; }
footer { margin-top: 36px; border-top: 1px solid #d5dae1; padding-top: 8px; }
"""


def write_html(path: Path, document: Document) -> None:
    """Writes the whole file under another name first. Every text is escaped; the policy forbids scripts and fetches."""
    language = "zh-CN" if document.language == "zh" else "en"
    body = "\n".join(_block(each) for each in document.blocks)
    page = f"""<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{escape(document.title)}</title><style>{STYLE}</style></head><body>
<header><h1>{escape(document.title)}</h1><p class="quiet">{escape(document.subtitle)}</p>
<p class="warn">{escape(document.notice)}</p></header><main>
{body}
</main><footer class="quiet">{escape(document.notice)} {escape(document.footer)}</footer></body></html>
"""
    part = path.with_name(path.name + ".part")
    part.write_text(page, "utf-8")
    part.replace(path)


def _block(block: Block) -> str:
    if isinstance(block, Heading):
        level = block.level + 1
        return f"<h{level}>{escape(block.text)}</h{level}>"
    if isinstance(block, Text):
        return f'<p class="{block.look}">{escape(block.text)}</p>'
    return _table(block) if isinstance(block, Table) else _case(block)


def _table(table: Table) -> str:
    columns = "".join(f'<col style="width:{100 * share:.0f}%">' for share in table.shares)
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in table.head)
    rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows)
    top = f"<thead><tr>{head}</tr></thead>" if head else ""
    return f"<table><colgroup>{columns}</colgroup>{top}<tbody>{rows}</tbody></table>"


def _case(block: CaseBlock) -> str:
    side = "".join(_bar(each) for each in block.bars) + "".join(_block(each) for each in block.remarks)
    near = f'<p class="quiet">{escape(block.near_heading)}</p>' if block.near_heading else ""
    for heading, table in block.tables:
        side += f'<p class="quiet">{escape(heading)}</p>' + _table(table)
    main = _figure(block.picture, "main") if block.picture else ""
    tiles = "".join(_figure(each, "near") for each in block.near)
    side += f'{near}<div class="near-row">{tiles}</div>' if tiles else ""
    row = f'<div class="row">{main}<div>{side}</div></div>'
    return f'<section class="case"><h3>{escape(block.heading)}</h3>{row}</section>'


def _figure(picture: Picture, kind: str) -> str:
    said = escape(picture.caption)
    colour = f' style="color:{picture.mark}"' if picture.mark else ""
    quiet = f"<br>{escape(picture.quiet)}" if picture.quiet else ""
    source = f"data:image/jpeg;base64,{b64encode(picture.jpeg).decode()}"
    caption = f"<figcaption><span{colour}>{said}</span>{quiet}</figcaption>"
    return f'<figure class="{kind}"><img alt="{escape(picture.caption, quote=True)}" src="{source}">{caption}</figure>'


def _bar(bar: Bar) -> str:
    low, wide = 100 * bar.low, 100 * (bar.high - bar.low)
    return (
        f'<div class="bar"><b>{bar.shape} {escape(bar.name)}</b><span>'
        f'<i style="width:{100 * bar.value:.1f}%;background:{bar.colour}"></i>'
        f'<u style="left:{low:.1f}%;width:{wide:.1f}%"></u></span>'
        f"<span style='all:unset'>{escape(chance(bar.value))} ({bar.low:.2f} – {bar.high:.2f})</span></div>"
    )
