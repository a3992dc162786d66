"""What leaves the house to be read: a run as a report (PDF, HTML, JSON) and as a model card, in English or Chinese.

Right of `evidence`: it draws and words what the other rooms found, and computes nothing about the cases itself.

    facts = gather(store, run)
    document = write_report(facts, pictures, "zh")
    write_pdf(path, document); write_html(path, document)
"""

from engine.reports.card import write_card
from engine.reports.facts import Facts, gather
from engine.reports.html import write_html
from engine.reports.json_form import report_json
from engine.reports.markdown import write_markdown
from engine.reports.pdf import write_pdf
from engine.reports.writing import write_report

__all__ = ["Facts", "gather", "report_json", "write_card", "write_html", "write_markdown", "write_pdf", "write_report"]
