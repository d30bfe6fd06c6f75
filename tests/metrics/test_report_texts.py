"""Reports as text, Markdown and HTML: nothing in them is taken for markup."""

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from measured import QUICK, draw

from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.inspection import bias_report
from sklearn_debias.metrics import group_report
from sklearn_debias.metrics._rendering import as_markdown, with_interval

MARKUP = "<b>|*_`x`_*|</b>"


def report(**more):
    y, predicted, score, bias, _ = draw()
    bias = bias.astype(object)
    bias[bias == "sea"] = MARKUP
    how = {"by": "bias", "metrics": {"roc <auc>": "roc_auc", "recall": "recall"}, **QUICK}
    return group_report(y, predicted, bias_labels=bias, y_score=score, **(how | more))


class Tags(HTMLParser):
    """The tags of a page, each closed where it should be, and its text."""

    def __init__(self, page):
        super().__init__()
        self.open, self.seen, self.text = [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.seen.append(tag)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.text.append(text)


def test_text_has_each_metric_with_its_interval():
    found = report()
    row = found.frame.iloc[0]
    expected = f"{row['recall']:.3f} [{row['recall_lower']:.3f}, {row['recall_upper']:.3f}]"
    text = str(found)
    assert expected in text
    row = found.metrics.iloc[1]
    assert f"{row['ratio']:.3f} [{row['ratio_lower']:.3f}, {row['ratio_upper']:.3f}]" in text
    assert "binomial        intervals: accuracy, recall" in text
    assert "bootstrap       intervals of 100 resamples: roc <auc>" in text


def test_html_is_whole_escaped_and_needs_nothing_beside_it():
    found = report()
    page = found._repr_html_()
    tags = Tags(page)
    assert tags.open == []
    assert tags.seen.count("table") == 2
    assert "b" in tags.seen  # the title
    assert tags.seen.count("b") == 1
    assert MARKUP in "".join(tags.text)
    assert "roc <auc>" in "".join(tags.text)
    assert not re.search(r"https?:|url\(|src=|href=|<script", page)
    # No colour but the page's own and a grey: so it reads on white and on black.
    assert set(re.findall(r"(?:color|background): *([^;}]+)", page)) == {"inherit", "none"}


def test_markdown_is_a_table_that_reads_like_the_text():
    found = report()
    lines = found.to_markdown().splitlines()
    table = [line for line in lines if line.startswith("|")]
    widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table[:5]}
    assert widths == {len(found.frame.columns) - 4 + 1}
    assert table[1].startswith("| :-- | --: | --: |")
    (row,) = [line for line in table[:5] if "x" in line and "roc" not in line]
    cell = re.split(r"(?<!\\)\|", row)[1].strip()
    assert re.sub(r"\\(.)", r"\1", cell) == MARKUP
    assert "<" not in re.sub(r"\\.", "", found.to_markdown())
    assert [line for line in lines if line.startswith("- bootstrap intervals of 100 resamples")]


def test_markdown_without_metrics():
    y, predicted, _, bias, _ = draw()
    found = group_report(y, predicted, bias_labels=bias)
    text = found.to_markdown()
    assert text.count("\n| :-- |") == 0
    assert "| --: | :-- | --: | --: | --: | --: |" in text  # the class is a number
    assert f"| 0 | air | {found.frame['n'][0]} | {found.frame['accuracy'][0]:.3f} |" in text


def test_markdown_makes_no_link_and_no_second_line():
    text = as_markdown("a\nb", [("", pd.DataFrame({"x": ["[here](http://x)"]}), False)], ["c  d"])
    assert text == "**a b**\n\n| x |\n| :-- |\n| [here]\\(http://x) |\n\n- c d\n"


def test_values_without_bounds_are_shown_alone():
    texts = with_interval(pd.Series([0.5, np.nan, 0.25]), [0.1, np.nan, np.nan], [0.9, 1, np.nan])
    assert texts == ["0.500 [0.100, 0.900]", "-", "0.250"]


def test_undefined_values_are_a_dash():
    y, predicted, score, bias, _ = draw()
    y[bias == "air"] = 1
    with pytest.warns(DebiasWarning, match="'air'"):
        found = group_report(
            y, predicted, bias_labels=bias, by="bias", metrics=["roc_auc"], y_score=score, **QUICK
        )
    assert re.search(r"\| air \| \d+ \| [\d.]+ \| [\d.]+ \| [\d.]+ \| - \|", found.to_markdown())
    assert "- undefined roc\\_auc in 1: 'air'" in found.to_markdown()


def test_a_bias_report_is_markdown_too():
    rng = np.random.default_rng(0)
    y = np.array(["<b>", "ok"])[np.arange(100) % 2]
    found = bias_report(y, {"a | b": y, "z": rng.random(100)}, n_permutations=19, random_state=0)
    text = found.to_markdown()
    assert "| a \\| b | categorical |" in text
    assert text.count("\n| :-- |") == 2
    assert "| class | \\<b> | ok |" in text
    assert Tags(found._repr_html_()).open == []
