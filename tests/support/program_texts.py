"""Texts that programs hold and readers of replies trip over, and values that no reader expects."""

from hypothesis import strategies as st

HELLO = 'import sys\n\nprint("hello, \\"world\\"\\n\\t", len(sys.argv))\n'

PIECES = st.sampled_from(
    [
        *('"', "'", "\\", "\\\\", '\\"', "\\n", "\\t", "\\u0041", "\\d", "\\x1b", "\\frac", "\\"),
        *("\n", "\r\n", "\r", "\t", "\f", "\b", "\v", "\0", " ", "\u2028", "\u00a0", "\ufeff"),
        *("```", "```python\n", "\n```\n", "~~~\n", "`", "{", "}", "[", "]", ",", ":", "//", "/*"),
        *("\times", "\n\tto = 1", "\neq", "\text", "\rightarrow", "\x08inom", "\x0crac"),
        *("</think>", '{"code": "x"}', '"""', "'''", "é", "漢", "😀", "print(1)\n", "END OF DATA"),
    ]
)
"""Pieces of such texts."""

CODE = (
    st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=40).map("".join))
    .map(lambda text: text.encode("utf-8", "replace").decode())
    .map(lambda text: f'x = """{text}')
)
"""Programs made of them, which are Python to whoever looks at how they begin."""

GARBAGE = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5) | PIECES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["input", "output", "code", "language", "kind", "inputs", "?"]), inner
        )
    ),
    max_leaves=12,
)
"""Values of JSON that are of no form that is asked for."""
