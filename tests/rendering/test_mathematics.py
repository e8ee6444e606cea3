"""LaTeX to Typst: what people and models write, and what is refused."""

import pytest
import typst

from onebot_bot.errors import RenderError
from onebot_bot.rendering.mathematics import typst_math


@pytest.mark.parametrize(
    ("latex", "expected"),
    [
        (r"\frac{a}{b}", "frac(a, b)"),
        (r"x^2", 'attach(x, t: "2")'),
        (r"x_i^n", "attach(x, b: i, t: n)"),
        (r"f'", "attach(f, t: primes(#1))"),
        (r"\sqrt{x}", "sqrt(x)"),
        (r"\sqrt[3]{x}", 'root("3", x)'),
        (r"\sin x", 'op("sin", limits: #false) x'),
        (r"\lim_{x\to0}", 'attach(op("lim", limits: #true), b: x → "0")'),
        (r"\left(\frac{a}{b}\right)", r"lr(\( frac(a, b) \))"),
        (r"[0,1)", r'lr(\[ "0" \, "1" \))'),
        (r"\vec{a}", "arrow(a)"),
        (r"\overline{AB}", "overline(A B)"),
        (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r'lr(\( mat(delim: #none, align: #center, "1", "2"; "3", "4") \))'),
        (
            r"\begin{pmatrix}1\end{pmatrix}^{-1}",
            r'attach(lr(\( mat(delim: #none, align: #center, "1") \)), t: − "1")',
        ),
        (r"\begin{vmatrix}1\end{vmatrix}", r'lr(\| mat(delim: #none, align: #center, "1") \|)'),
        (r"\begin{aligned}a&=b\\c&=d\end{aligned}", "a & \\= b \\\n c & \\= d"),
        (r"\text{若 }x", '"若 " x'),
        (r"中", '"中"'),
        (r"\boxed{x}", "#framed($x$)"),
        (r"\binom{n}{k}", r"lr(\( mat(delim: #none, n; k) \))"),
        (r"\mathrm{ab}", "upright(a) upright(b)"),
        (r"a\quad b", "a #h(1.0em) b"),
    ],
)
def test_latex_becomes_typst(latex: str, expected: str) -> None:
    """Each structure has its counterpart, with what could be Typst's own signs escaped."""
    assert expected == typst_math(latex)


@pytest.mark.parametrize(
    "latex", [r"\frac{1}", r"\foo{a}", r"x^", r"\begin{pmatrix}", "{" * 3000, r"\sqrt{" * 100 + "}" * 100]
)
def test_what_is_not_understood_is_refused(latex: str) -> None:
    """A half formula, an unknown command and bottomless nesting are errors of ours, whatever the parser raises."""
    with pytest.raises(RenderError):
        typst_math(latex)


@pytest.mark.parametrize(
    "latex",
    [
        r"\text{#read(\"/etc/passwd\")}",
        r"\mathrm{\#read(x)}",
        r"a, b; c: d # $ \_ / * ~ @ ` ' < >",
        r"\left( a, \frac{b;c}{d)} \right]",
        r"\int_0^\infty e^{-x^2}\,dx = \frac{\sqrt{\pi}}{2} \quad \forall x \in \mathbb{R}",
        r"\underbrace{a+b}_{n} \overset{!}{=} \dot{x} \ddot{x} \widehat{ab} \partial_t \hbar \ell ",
        r"\oint \langle x \rangle \Rightarrow \nabla \cdot \vec E",
        r"\begin{cases}x&\text{if }x>0\\-x\end{cases}",
    ],
)
def test_whatever_is_written_typst_takes(latex: str) -> None:
    """No sign of a formula is read as Typst's syntax."""
    page = f"#let framed(body) = body\n$ {typst_math(latex)} $"
    assert typst.Compiler().compile(page.encode(), format="svg")
