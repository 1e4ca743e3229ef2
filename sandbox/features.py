"""Guesses the language of a program from features that tell it from others."""

import re
from collections import Counter

# Of a longer text its beginning is enough; every expression is bounded besides.
SAMPLE = 50_000
# Of Python and Java; they may hold a program in another language.
_LONG_STRING = re.compile(r"(\"{3}|'{3}).*?\1", re.DOTALL)
_LEAST = 5
_MARGIN = 3

# Each feature counts once, however often it occurs: for a language, or against it.
# Languages that there are not stand in the table too, so that none is taken for another.
_FEATURES = tuple(
    (re.compile(pattern, re.MULTILINE), points)
    for pattern, points in (
        # C and C++
        (r"^[ \t]{0,40}#[ \t]{0,9}include[ \t]{0,9}[<\"]", {"c": 4, "cpp": 4}),
        (r"\b(?:int|void)\s{1,9}main\s{0,9}\(", {"c": 3, "cpp": 3}),
        (
            r"#[ \t]{0,9}include[ \t]{0,9}<(?:std(?:io|lib|bool|int)|string|math|ctype|limits)\.h>",
            {"c": 3},
        ),
        (r"(?<![\w.:$])(?:printf|scanf)\s{0,9}\(\s{0,9}\"", {"c": 3, "cpp": 2}),
        (r"\b(?:malloc|calloc|realloc)\s{0,9}\(", {"c": 3, "cpp": 1}),
        (
            r"\btypedef\s{1,9}struct\b|\bstruct\s{1,9}\w{1,40}\s{1,9}\*{0,2}\w{1,40}\s{0,9}[;=,)]",
            {"c": 2},
        ),
        # A header of C ends in .h.
        (r"#[ \t]{0,9}include[ \t]{0,9}<(?:bits/stdc\+\+\.h|\w{1,40})>", {"cpp": 8, "c": -9}),
        (r"\busing\s{1,9}namespace\s{1,9}\w", {"cpp": 6, "c": -9}),
        (r"\bstd::", {"cpp": 5, "c": -9}),
        (r"\b(?:cout|cerr)\s{0,9}<<|\bcin\s{0,9}>>", {"cpp": 5, "c": -9}),
        (r"^[ \t]{0,40}template\s{0,9}<", {"cpp": 5, "c": -9}),
        (r"\b(?:static|dynamic|reinterpret|const)_cast\s{0,9}<", {"cpp": 4, "c": -9}),
        (r"\b(?:vector|pair|map|set|unordered_map)<\w", {"cpp": 3, "c": -4}),
        (r"\bfor\s{0,9}\(\s{0,9}(?:const\s{1,9})?auto\b|\bnullptr\b", {"cpp": 3, "c": -4}),
        (r"\b(?:public|private|protected):[ \t]{0,9}$", {"cpp": 3, "c": -4}),
        (
            r"\b(?:int|long|char|double|auto|string)\s{0,3}&\s{0,3}\w{1,40}\s{0,3}[,)=]",
            {"cpp": 3, "c": -4},
        ),
        # Java
        (r"\bstatic\s{1,9}void\s{1,9}main\s{0,9}\(\s{0,9}(?:final\s{1,9})?String\b", {"java": 8}),
        (r"\bSystem\.(?:out|in|err)\b", {"java": 5}),
        (r"^[ \t]{0,40}import\s{1,9}(?:static\s{1,9})?javax?\.[\w.*]{1,99};", {"java": 6}),
        (
            r"^[ \t]{0,40}(?:public\s{1,9})?(?:final\s{1,9}|abstract\s{1,9})?class\s{1,9}\w{1,60}[^:;\n]{0,99}\{?[ \t\r]{0,9}$",
            {"java": 2, "csharp": 2, "javascript": 1, "php": 1, "cpp": 1},
        ),
        (
            r"\b(?:public|private|protected)\s{1,9}(?:static\s{1,9})?(?:final\s{1,9})?[\w<>\[\]]{1,40}\s{1,9}\w{1,60}\s{0,9}\(",
            {"java": 3, "csharp": 3},
        ),
        (r"\bnew\s{1,9}(?:Scanner|BufferedReader|ArrayList|HashMap|StringBuilder)\b", {"java": 4}),
        (r"@Override\b|\bthrows\s{1,9}\w{0,40}Exception\b", {"java": 4}),
        # JavaScript
        (r"\bconsole\.(?:log|error|table)\s{0,9}\(", {"javascript": 5}),
        (r"\brequire\s{0,9}\(\s{0,9}['\"`]", {"javascript": 5}),
        (r"^[ \t]{0,40}import\s{1,9}[^;\n]{1,99}\s{1,9}from\s{1,9}['\"]", {"javascript": 5}),
        (r"\bprocess\.(?:stdin|stdout|argv|exit)\b|\bmodule\.exports\b", {"javascript": 5}),
        (
            r"^[ \t]{0,40}(?:const|let|var)\s{1,9}[\w$\[{][^=\n:]{0,99}=",
            {"javascript": 3, "swift": 2},
        ),
        (
            r"(?:\)|\b\w{1,40})\s{0,9}=>\s{0,9}[\w({\[`'\"]",
            {"javascript": 2, "csharp": 1, "rust": 1},
        ),
        (r"[^=!]===[^=]|!==", {"javascript": 2, "php": 2}),
        (
            r"^[ \t]{0,40}(?:async\s{1,9})?function\b\s{0,9}\*?\s{0,9}\w{0,60}\s{0,9}\([^$\n]{0,200}\)\s{0,9}\{",
            {"javascript": 4},
        ),
        (r"['\"]use strict['\"]", {"javascript": 6}),
        (
            r"\bnew\s{1,9}(?:Promise|Map|Set|Array)\(|\.(?:split|join)\(['\"`/].{0,20}\)\.map\(",
            {"javascript": 3},
        ),
        # Python
        (
            r"^[ \t]{0,200}(?:async[ \t]{1,9})?def[ \t]{1,9}\w{1,99}[ \t]{0,9}\([^\n]{0,999}:[ \t\r]{0,9}(?:#[^\n]{0,200})?$",
            {"python": 5},
        ),
        (
            r"^[ \t]{0,200}(?:from[ \t]{1,9}[\w.]{1,99}[ \t]{1,9})?import[ \t]{1,9}\w[\w.*, \t]{0,200}(?:\([^\n]{0,200})?\r?$",
            {"python": 3},
        ),
        (
            r"^[ \t]{0,200}(?:for[ \t][^\n]{1,200}[ \t]in[ \t][^\n]{1,200}|(?:if|elif|while|with)[ \t(][^\n{};]{1,200}|else|try|finally|except[^\n]{0,99}):[ \t\r]{0,9}$",
            {"python": 3},
        ),
        (r"^[ \t]{0,200}class[ \t]{1,9}\w{1,99}(?:\([^\n)]{0,99}\))?:[ \t\r]{0,9}$", {"python": 4}),
        (r"(?<![\w.$])print\([^\n]{0,200}\)[ \t\r]{0,9}$", {"python": 2, "swift": 1, "kotlin": 1}),
        (r"(?<![\w.$])input\(\)|\bsys\.(?:stdin|stdout|argv|setrecursionlimit)\b", {"python": 3}),
        (r"\b__name__\b|\b__init__\b", {"python": 5}),
        (r"\bmap\(int,|\brange\(|\blen\(|\bprint\(\*|\bf\"[^\"\n]{0,99}\{", {"python": 2}),
        (
            r"\[[^\n\[\]]{1,99}[ \t]for[ \t][^\n\[\]]{1,60}[ \t]in[ \t][^\n]{1,99}|\blambda\b[^\n:]{0,60}:",
            {"python": 2},
        ),
        (r"\b(?:None|True|False)\b|\bself\.\w", {"python": 1}),
        # Go
        (r"^package[ \t]{1,9}\w{1,60}[ \t\r]{0,9}$", {"go": 7, "kotlin": 2}),
        (
            r"^func[ \t]{1,9}(?:\(\w{1,40}[ \t]{1,9}\*?\w{1,40}\)[ \t]{0,9})?\w{1,60}\([^\n]{0,200}\{[ \t\r]{0,9}$",
            {"go": 4, "swift": 3},
        ),
        (r"\bfmt\.(?:S|F)?(?:Print|Scan|Errorf)", {"go": 5}),
        (r"^import[ \t]{1,9}(?:\(|\"[\w/]{1,60}\")[ \t\r]{0,9}$", {"go": 5}),
        (r"\w[ \t]{1,9}:=[ \t]", {"go": 3, "pascal": 3}),
        (r"\bbufio\.New|\bmake\((?:\[\]|map\[|chan\b)", {"go": 4}),
        # Rust
        (
            r"^[ \t]{0,40}(?:pub(?:\(crate\))?[ \t]{1,9})?(?:const[ \t]{1,9})?fn[ \t]{1,9}\w{1,60}[ \t]{0,9}[<(]",
            {"rust": 5},
        ),
        (r"\b(?:print|println|eprintln|vec|format|write|writeln|assert_eq)!", {"rust": 5}),
        (r"^[ \t]{0,40}use[ \t]{1,9}(?:std|core|crate)::", {"rust": 8, "cpp": -9}),
        (r"\blet[ \t]{1,9}mut\b", {"rust": 5, "javascript": -4}),
        (r"\.unwrap\(\)|\.collect::<|\.iter\(\)\.|#\[derive\(|\bimpl\b[^\n]{0,60}\{", {"rust": 4}),
        (
            r"\b(?:Vec|Option|Result|HashMap|Box)(?:::)?<|&(?:mut[ \t]|str\b)|->[ \t]{0,9}[iuf](?:32|64|size)\b",
            {"rust": 3},
        ),
        # Languages that there are not; TypeScript is JavaScript with types
        (r"^using\s{1,9}System\b|\bConsole\.(?:Write|Read)", {"csharp": 9}),
        (r"\bstatic\s{1,9}(?:async\s{1,9})?(?:void|int|Task)\s{1,9}Main\s{0,9}\(", {"csharp": 6}),
        (
            r"^[ \t]{0,40}(?:\w{1,20} )?fun[ \t]{1,9}\w{1,60}\(|\breadLine\(\)|\breadln\(\)",
            {"kotlin": 7},
        ),
        (r"\bprintln\(", {"kotlin": 3}),
        (
            r"^[ \t]{0,40}va[lr][ \t]{1,9}\w{1,60}(?:[ \t]{0,9}:[ \t]{0,9}\w{1,40})?[ \t]{0,9}=",
            {"kotlin": 2},
        ),
        (r"<\?php\b", {"php": 15}),
        (r"\$\w{1,60}\s{0,9}=[^=~]|\becho\s{1,9}[\"$]", {"php": 4, "perl": 4, "shell": 1}),
        (r"^[ \t]{0,40}(?:my|use strict;|use warnings;)[ \t]{0,9}[$@%(]?", {"perl": 4}),
        (
            r"^[ \t]{0,40}puts\b|\bgets\.(?:to_i|chomp|split)|\.each[ \t]{1,9}do\b|^end[ \t\r]{0,9}$",
            {"ruby": 5},
        ),
        (r"^[ \t]{0,40}def[ \t]{1,9}\w{1,60}[?!]?(?:\([^\n)]{0,99}\))?[ \t\r]{0,9}$", {"ruby": 4}),
        (
            r"^[ \t]{0,40}(?:fi|done|esac)[ \t\r]{0,9}$|\$\{?\w{1,40}\}?\b[^\n=]{0,40}\]\]?;?[ \t]{0,9}then",
            {"shell": 7},
        ),
        (
            r":\s{0,9}(?:number|string|boolean|void|any|unknown)(?:\[\])?\s{0,9}[=;,){]|^[ \t]{0,40}interface\s{1,9}\w{1,60}\s{0,9}\{",
            {"javascript": -9},
        ),
        (r"\breadLine\(\)!?|^import[ \t]{1,9}Foundation\b", {"swift": 5}),
        (
            r"^(?:program[ \t]{1,9}\w{1,40};|begin[ \t\r]{0,9}$)|\b(?:writeln|readln)\b[ \t]{0,9}[;(]",
            {"pascal": 7},
        ),
        (
            r"^main[ \t]{0,9}(?:::[ \t]{0,9}IO|=[ \t]{0,9}(?:do|interact))|^module[ \t]{1,9}Main\b",
            {"haskell": 9},
        ),
        (r"^[ \t]{0,9}(?i:<!doctype html|<html\b)", {"html": 20}),
        (r"^[ \t]{0,9}(?:SELECT|INSERT INTO|CREATE TABLE)\b", {"sql": 9}),
        (
            r"^[ \t]{0,40}local[ \t]{1,9}\w{1,60}[ \t]{0,9}=|\bio\.read\(|\bthen[ \t\r]{0,9}$",
            {"lua": 5},
        ),
    )
)
_OFFERED = frozenset(("python", "c", "cpp", "java", "javascript", "go", "rust"))


def guess(text: str) -> tuple[str, int]:
    """Returns the language that a text looks like, and by how many points.

    Returns:
        The id of a language and its points; an empty id and 0 where nothing is clear
        enough to be guessed, or where it looks like a language that there is not.
    """
    sample = _LONG_STRING.sub("", text[:SAMPLE])
    points: Counter[str] = Counter()
    for feature, worth in _FEATURES:
        if feature.search(sample):
            points.update(worth)
    (best, most), (_, second) = [*points.most_common(2), ("", 0), ("", 0)][:2]
    if best not in _OFFERED or most < _LEAST or most - second < _MARGIN:
        return "", 0
    return best, most
