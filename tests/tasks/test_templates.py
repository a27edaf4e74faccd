"""Templates print what stands in a row, and nothing for what does not."""

from __future__ import annotations

from typing import Any

import pytest

from ttt.tasks.templates import MissingValueError, template

ROW: dict[str, Any] = {"q": "text", "gap": None, "choices": ["x", None], "deep": {"a": {"b": None}}, "zero": 0}


@pytest.mark.parametrize(
    "text",
    [
        "{{gap}}",
        "{{gap|upper}}",
        "{{gap.strip()}}",
        "{{'D. ' ~ gap}}",
        "{{'%s' % gap}}",
        "{{'{}'.format(gap)}}",
        "{{gap|string}}",
        "{{q + gap}}",
        "{{choices}}",
        "{{choices[1]}}",
        "{{choices|join(', ')}}",
        "{{choices|map('string')|list}}",
        "{{choices|map('upper')|join}}",
        "{% for c in choices %}- {{c}}{% endfor %}",
        "{% for c in choices %}{{'- ' ~ c}}{% endfor %}",
        "{% for c in choices %}{{c|trim}}{% endfor %}",
        "{% set c = choices[1] %}{{c}}",
        "{{[q, gap]}}",
        "{{deep}}",
        "{{deep.a.b}}",
        "{{deep['a']['b']}}",
        "{{gap|tojson}}",
    ],
)
def test_what_is_missing_is_not_printed(text: str) -> None:
    with pytest.raises((MissingValueError, TypeError)):
        template(text).render(**ROW)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{% if gap %}x{% endif %}{{q}}", "text"),
        ("{{gap|default('other')}}", "other"),
        ("{{gap or q}}", "text"),
        ("{{gap is none}} {{gap is defined}} {{gap == None}} {{zero is none}}", "True False True False"),
        ("{% for c in choices if c %}{{c}}{% endfor %}", "x"),
        ("{{choices|select|join}}", "x"),
        ("{{zero}}{{[]}}{{''}}", "0[]"),
        ("{{q if q else gap}}", "text"),
        ("{{choices[0]}}", "x"),
        ("{{choices|length}}", "2"),
    ],
)
def test_what_is_missing_can_be_asked_for(text: str, expected: str) -> None:
    assert template(text).render(**ROW) == expected
