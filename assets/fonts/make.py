"""Make the two fonts of reports anew: Noto Sans SC, cut to what Chinese and Western reports need, at two weights.

    pip download --no-deps justmytype-intl-cjk==0.1.0 && unzip justmytype_intl_cjk-0.1.0-*.whl
    pip install fonttools==4.68.0
    python make.py 'justmytype_intl_cjk/fonts/ofl/notosanssc/NotoSansSC[wght].ttf' .

The wheel is a plain packing of Google Fonts' file (SIL OFL 1.1, OFL.txt beside this). Kept: the 6,763 characters of
GB 2312, which cover 99.9 % of running Chinese text, with its punctuation; Latin with accents; Greek; arrows and signs.
"""

from __future__ import annotations

import sys
from pathlib import Path

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont
from fontTools.varLib.instancer import instantiateVariableFont

WEIGHTS = {"Regular": 400, "Bold": 650}
WESTERN = [(0x20, 0x7E), (0xA0, 0x17F), (0x391, 0x3C9), (0x2010, 0x2027), (0x2030, 0x203A), (0x2190, 0x2193)]
SIGNS = "₂³⁻−×÷±≈≠≤≥∞√∑∏∂°‰™§¶†‡€£¥□■●○◆◇▲△▼▽★☆✓✗"


def gb2312() -> set[int]:
    """Every character of GB 2312: rows 1 to 9 are signs, rows 16 to 87 are Chinese characters."""
    found = set()
    for row in (*range(1, 10), *range(16, 88)):
        for cell in range(1, 95):
            text = bytes((0xA0 + row, 0xA0 + cell)).decode("gb2312", "ignore")
            found.update(map(ord, text))
    return found


def main(source: str, folder: str) -> None:
    wanted = gb2312() | {ord(c) for c in SIGNS} | {c for low, high in WESTERN for c in range(low, high + 1)}
    for name, weight in WEIGHTS.items():
        font = instantiateVariableFont(TTFont(source), {"wght": weight})
        options = Options()
        options.layout_features = []  # the PDF library lays out letter by letter
        options.hinting = False
        options.notdef_outline = True
        options.name_IDs = [0, 1, 2, 3, 4, 5, 6, 13, 14]
        cut = Subsetter(options)
        cut.populate(unicodes=wanted)
        cut.subset(font)
        for each in font["name"].names:  # so that two weights of one family do not share a name
            if each.nameID in (4, 6):
                each.string = f"Noto Sans SC {name}" if each.nameID == 4 else f"NotoSansSC-{name}"
            elif each.nameID == 2:
                each.string = name
        font.recalcTimestamp = False
        font.save(Path(folder) / f"NotoSansSC-{name}.ttf")


if __name__ == "__main__":
    main(*sys.argv[1:])
