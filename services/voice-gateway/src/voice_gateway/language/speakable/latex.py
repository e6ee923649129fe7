"""Turns LaTeX into plain signs that any language can read: `\\sqrt{x} \\ge 2` is "√x ≥ 2".

A formula may lose its delimiters where a reply is cut into lines and clauses, so a command is
understood without them, too.

    x_{1}, 10^{-3}      x₁, 10⁻³
    \\frac{1}{2}         1/2
    \\sum_{i=1}^{n}      ∑(i=1…n)
"""

import re
from collections.abc import Callable

from voice_gateway.language.speakable.rules import Match, any_of


def _table(text: str) -> dict[str, str]:
    """Commands, each followed by the sign it stands for."""
    words = text.split()
    return dict(zip(words[::2], words[1::2], strict=True))


_SIGNS = _table(
    r"""
    le ≤  leq ≤  ge ≥  geq ≥  ne ≠  neq ≠  lt <  gt >  approx ≈  sim ~  equiv =  pm ±
    times ×  cdot ×  ast ×  div ÷  infty ∞  circ °  degree °  angle ∠  partial ∂  nabla ∇
    to →  rightarrow →  Rightarrow →  implies →  mapsto →  ldots …  dots …  cdots …
    in ∈  notin ∉  cup ∪  cap ∩  subset ⊂  subseteq ⊂  forall ∀  exists ∃
    sum ∑  prod ∏  int ∫  lim lim  mid ∣  vert ∣
    alpha α  beta β  gamma γ  delta δ  epsilon ε  varepsilon ε  zeta ζ  eta η  theta θ  iota ι
    kappa κ  lambda λ  mu μ  nu ν  xi ξ  pi π  rho ρ  sigma σ  tau τ  upsilon υ  phi φ  varphi φ
    chi χ  psi ψ  omega ω  Gamma Γ  Delta Δ  Theta Θ  Lambda Λ  Xi Ξ  Pi Π  Sigma Σ  Phi Φ  Psi Ψ
    Omega Ω
    """
)
_FUNCTIONS = "sin cos tan log ln exp max min arcsin arccos arctan det gcd".split()
_ACCENTS = {"hat": "\u0302", "bar": "\u0304", "overline": "\u0304", "vec": "\u20d7"}
_WRAPPERS = "text textbf textit mathrm mathbf mathbb mathcal mathit operatorname boxed".split()
_DROPPED = "left right displaystyle quad qquad big Big limits nonumber".split()

_SUPERSCRIPT = str.maketrans("0123456789+-−n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻ⁿ")
_SUBSCRIPT = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")

_INNER = r"\{([^{}]*)\}"
_SPAN = re.compile(
    r"\$\$(.+?)\$\$|\\\((.+?)\\\)|\\\[(.+?)\\\]|(?<![\w$\\])\$(?=\S)([^$\n]{1,300}?)(?<=\S)\$(?![\w$])",
    re.DOTALL,
)
_IS_FORMULA = re.compile(
    r"[\\^_{}=|]|^\s*[A-Za-z]!?\s*$|[A-Za-z]\s*[-+*/<>]\s*-?\w|\w\s*[-+*/<>]\s*[a-z]"
)
_DELIMITER = re.compile(r"\\[()\[\]]|\$\$|\\(?:begin|end)\{[^{}]*\}")
_BAR = re.compile(r"\|")
_ESCAPED = re.compile(r"\\([$%&#_{}*`~!>+.|-])")
_KNOWN = any_of([*_SIGNS, *_FUNCTIONS, *_WRAPPERS, *_DROPPED, *"sqrt frac dfrac tfrac".split()])
_COMMAND = re.compile(rf"\\({_KNOWN})(?![A-Za-z])")
_LIMITS = re.compile(
    rf"\\(sum|prod|int)(?![A-Za-z])\s*_(?:{_INNER}|(\w))\s*\^(?:{_INNER}|(\w|\\infty))"
)
_LIMIT = re.compile(rf"\\lim\s*_{_INNER}")
_FRACTION = re.compile(rf"\\[dt]?frac\s*{_INNER}\s*{_INNER}")
_ROOT = re.compile(rf"\\sqrt\s*(?:\[(\d)\])?\s*{_INNER}")
_ROOTS = {"3": "∛", "4": "∜"}
_WRAPPED = re.compile(rf"\\(?:{any_of(_WRAPPERS)})\s*{_INNER}")
_ACCENTED = re.compile(rf"\\({any_of(_ACCENTS)})\s*\{{(\w)\}}")
_BRACED_LETTER = re.compile(r"(?<![\\^_\w])(\d*)\{(\w)\}(?=[_^])")
_POWER = re.compile(rf"\^(?:{_INNER}|(\w|°))")
_INDEX = re.compile(rf"(?<![A-Za-z]{{2}})(?<=[A-Za-z)])_(?:{_INNER}|([A-Za-z0-9]))(?!\w)")
_LOG_BASE = re.compile(rf"\\log_(?:{_INNER}|(\w))\s*")
_SPACING = re.compile(r"\\[,;:! ]|\\\\|&")
_OPERATOR = re.compile(r"\s*([-+])\s*")
_SLASH = re.compile(r"(?<=[A-Za-z)])\s*/\s*(?=[\w(])|(?<=\w)\s*/\s*(?=[A-Za-z(])")
_PADDED = re.compile(r"([(\[])\s+|\s+([)\]])")
_TOUCHING = re.compile(r"(?<=\d)(?=[A-Za-z])|(?<=\))(?=\w)")


def without_latex(text: str) -> str:
    """Return the text with formulas as plain signs; a `$` that encloses one is no dollar."""
    if "$" in text or "\\" in text:
        text = _SPAN.sub(_span, text)
    if "\\" in text:
        text = _plain(_DELIMITER.sub(" ", text)) if _COMMAND.search(text) else text
        text = _ESCAPED.sub(r"\1", _DELIMITER.sub(" ", text))
    if "^{" in text or "_" in text:
        text = _raised_and_lowered(text)
    return text


def _span(match: Match) -> str:
    dollars = match[4]
    if dollars is not None and not _IS_FORMULA.search(dollars):
        return match[0]
    inner = _BAR.sub("∣", _plain(next(filter(None, match.groups()))))
    return _TOUCHING.sub(" ", _OPERATOR.sub(_operator, _SLASH.sub(" ⁄ ", inner)))


def _operator(match: Match) -> str:
    return " − " if match[1] == "-" else " + "


def _plain(formula: str) -> str:
    """Replace commands from the inside outwards: a fraction may stand in a root."""
    formula = _ACCENTED.sub(lambda m: m[2] + _ACCENTS[m[1]], _SPACING.sub(" ", formula))
    formula = _WRAPPED.sub(r" \1 ", formula)
    formula = _LIMITS.sub(_limits, formula)
    formula = _LIMIT.sub(lambda m: f" lim({m[1].strip()}) ", formula)
    formula = _LOG_BASE.sub(_log_base, formula)
    formula = _raised_and_lowered(formula)
    formula = _repeated(_ROOT, _root, formula)
    formula = _repeated(_FRACTION, _fraction, formula)
    formula = _repeated(_ROOT, _root, formula)
    return _PADDED.sub(r"\1\2", _COMMAND.sub(_sign, formula).replace("{", "").replace("}", ""))


def _repeated(pattern: re.Pattern[str], said: Callable[[Match], str], text: str) -> str:
    for _ in range(4):
        text, found = pattern.subn(said, text)
        if not found:
            break
    return text


def _limits(match: Match) -> str:
    name, low, high = match[1], match[2] or match[3], match[4] or match[5]
    return f" {_SIGNS[name]}({low}…{high}) "


def _log_base(match: Match) -> str:
    base = (match[1] or match[2]).translate(_SUBSCRIPT)
    return f" log{base} "


def _root(match: Match) -> str:
    return " " + _ROOTS.get(match[1], "√") + _grouped(match[2])


def _fraction(match: Match) -> str:
    above, below = match[1].strip(), match[2].strip()
    if above.isdecimal() and below.isdecimal():
        return f" {above}/{below} "
    return f" {_grouped(above)} ⁄ {_grouped(below)} "


def _grouped(inner: str) -> str:
    return f"({inner})" if re.search(r"\w\s*[-+±]|\s\w", inner.strip()) else inner.strip()


def _sign(match: Match) -> str:
    name = match[1]
    if name in _DROPPED:
        return ""
    return f" {_SIGNS.get(name, name)} "


def _raised_and_lowered(text: str) -> str:
    text = _BRACED_LETTER.sub(r"\1 \2", text)
    return _INDEX.sub(_index, _POWER.sub(_power, text))


def _power(match: Match) -> str:
    inner = match[1] if match[1] is not None else match[2]
    raised = inner.replace(" ", "").translate(_SUPERSCRIPT)
    if inner == "°" or inner == "\\circ":
        return "°"
    return raised if _is_raised(raised) else f"^({inner})"


def _is_raised(text: str) -> bool:
    return bool(text) and all(each in "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ" for each in text)


def _index(match: Match) -> str:
    inner = match[1] if match[1] is not None else match[2]
    return inner.translate(_SUBSCRIPT) if inner.isdecimal() else f" {inner} "
