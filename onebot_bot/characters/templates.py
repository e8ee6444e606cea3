"""Templates in the operator's own files: jinja2's sandbox, and of its language only what can neither run nor grow.

A persona file may come from a stranger. jinja2's sandbox keeps a template from reaching Python's insides, but not from
`"x" * 10**10` or from loops in loops. So only the nodes below are taken, every step of every loop is counted, and
every value that could grow is measured where it grows.
"""

import difflib
import random
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from msgspec import Struct

from onebot_bot.errors import PersonaError

LONGEST_SOURCE = 16_000
"""Characters of a template."""
LONGEST_TEXT = 20_000
"""Characters that all of one rendering may become, and any text within it."""
LARGEST_NUMBER = 10**12
MOST_STEPS = 10_000
"""Steps of all loops of one rendering together."""
MOST_SECONDS = 0.25
"""Of this thread's own time, for one rendering."""

VARIABLES = (
    *("user_name", "user_id", "group_name", "bot_name", "bot_id", "mood"),
    *("date", "time", "weekday", "period", "year", "month", "day", "hour", "age"),
)
FUNCTIONS = ("random", "choice", "range")
_FILTERS = ("abs", "capitalize", "default", "first", "float", "int", "last", "length", "lower", "trim", "upper")
"""Those that are done at once, with a result that is hardly longer than what they are given; not round, which raises
10 to whatever it is told, nor those that walk through a text in Python."""
_TAKEN: tuple[type[nodes.Node], ...] = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.List, nodes.Tuple),
    *(nodes.If, nodes.CondExpr, nodes.For, nodes.Assign, nodes.Filter, nodes.Test, nodes.Compare, nodes.Operand),
    *(nodes.Not, nodes.And, nodes.Or, nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod),
    *(nodes.Neg, nodes.Pos, nodes.Concat, nodes.Call, nodes.Getattr, nodes.Getitem),
)
_TAGS = "{{ … }}, {% if %}, {% for %}, {% set x = … %} and {# … #}"
_BUDGET = "_budget"


class Template(Struct, frozen=True):
    """A checked template."""

    where: str
    """The file, for errors."""
    line: int
    """Of the file, at which the template begins."""
    uses: frozenset[str]
    """The variables and functions that it mentions."""
    compiled: Any

    def render(self, values: Mapping[str, Any], budget: "Budget | None" = None) -> str:
        """The text that it becomes with these values, which are never read as templates themselves.

        Templates that are rendered together share a budget.

        Raises:
            PersonaError: it divides by zero, takes too long, grows too large and the like; the line is named.
        """
        budget = budget or Budget()
        try:
            return "".join(budget.measured(self.compiled.generate({**values, _BUDGET: budget})))
        except Exception as error:
            # Whatever it is, the template did it: it is told by its line, and nothing of it is used.
            raise _wrong(self.where, self.line, _line_of(error), str(error)) from error


def compile_template(source: str, where: str, line: int = 1) -> Template:
    """Check a template that begins at `line` of the file `where`.

    Raises:
        PersonaError: it is malformed, too long, or uses what is unknown or not taken; the text names line and fix.
    """
    if len(source) > LONGEST_SOURCE:
        raise _wrong(where, line, 1, f"it has {len(source)} characters; {LONGEST_SOURCE} is the most. Shorten it")
    try:
        tree = _ENVIRONMENT.parse(source)
        uses = _checked(tree, where, line)
        code = _ENVIRONMENT.compile(_guarded(tree))
    except jinja2.TemplateSyntaxError as error:
        raise _wrong(where, line, error.lineno, f"{str(error.message).rstrip('.')}. What there is: {_TAGS}") from error
    except (RecursionError, MemoryError, SyntaxError, ValueError, OverflowError) as error:
        raise _wrong(where, line, 1, f"the template is too involved ({error}). Write it more simply") from error
    return Template(where, line, uses, jinja2.Template.from_code(_ENVIRONMENT, code, {}))


def functions(draw: random.Random) -> dict[str, Callable[..., Any]]:
    """What a template may call."""
    return {"random": _Random(draw), "choice": _Choice(draw), "range": _short_range}


def _wrong(where: str, first: int, line: int, why: str) -> PersonaError:
    end = "" if why.endswith(("?", ".")) else "."
    return PersonaError(f"{where}, line {first + line - 1}: {why}{end}")


def _line_of(error: BaseException) -> int:
    """The template's line that raised it, which jinja2 writes into the traceback."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "<template>"]
    return lines[-1] or 1 if lines else 1


# --- checking ------------------------------------------------------------------------------------------------------


def _checked(tree: nodes.Template, where: str, first: int) -> frozenset[str]:
    """The known names that the template mentions; raises PersonaError for what is not taken."""
    own = {name.name for name in tree.find_all(nodes.Name) if name.ctx == "store"}
    if taken := own & {*VARIABLES, *FUNCTIONS}:
        raise _wrong(where, first, 1, f"`{min(taken)}` is the name of a variable already. Choose another name")
    known = {*VARIABLES, *FUNCTIONS, *own}
    for node in _walk(tree):
        if (why := _objection(node, known)) is not None:
            raise _wrong(where, first, node.lineno, why)
    return frozenset(name.name for name in tree.find_all(nodes.Name)) & {*VARIABLES, *FUNCTIONS}


def _walk(node: nodes.Node) -> Iterator[nodes.Node]:
    yield node
    for child in node.iter_child_nodes():
        yield from _walk(child)


def _objection(node: nodes.Node, known: set[str]) -> str | None:
    """Why a node is not taken; None when it is."""
    if not isinstance(node, _TAKEN):
        return f"`{type(node).__name__.lower()}` is not taken here. What there is: {_TAGS}"
    why: str | None = None
    match node:
        case nodes.Name(name=name) if name not in known and name != "loop":
            why = _unknown(name, known)
        case nodes.Call(node=nodes.Name(name=name)) if name in FUNCTIONS:
            pass
        case nodes.Call():
            why = f"only {', '.join(FUNCTIONS)} can be called. Take that call out"
        case nodes.Getattr(attr=attr) if not isinstance(node.node, nodes.Name) or node.node.name != "loop":
            why = f"`.{attr}` is not taken: only loop has parts. Take it out"
        case nodes.List(items=items) | nodes.Tuple(items=items) if not all(isinstance(i, nodes.Const) for i in items):
            why = "a list holds texts and numbers only. Write them out"
        case nodes.For() if node.recursive or not isinstance(node.target, nodes.Name):
            why = "a loop is written {% for x in … %}. Write it so"
    return why


def _unknown(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"Did you mean `{near[0]}`?" if near else f"Known: {', '.join((*VARIABLES, *FUNCTIONS))}"
    return f"there is no variable `{name}`. {hint}"


def _guarded(tree: nodes.Template) -> nodes.Template:
    """The template with its loops counted and its joined texts measured."""
    for loop in tree.find_all(nodes.For):
        loop.iter = nodes.Filter(loop.iter, "counted", [], [], None, None, lineno=loop.lineno)
    for node in list(_walk(tree)):
        for field, value in list(node.iter_fields()):
            setattr(node, field, [_measuring(v) for v in value] if isinstance(value, list) else _measuring(value))
    tree.set_environment(_ENVIRONMENT)
    return tree


def _measuring(value: Any) -> Any:
    if not isinstance(value, nodes.Concat):
        return value
    return nodes.Filter(nodes.List(value.nodes), "joined", [], [], None, None, lineno=value.lineno)


# --- running -------------------------------------------------------------------------------------------------------


class Budget:
    """What one rendering may still spend: steps of loops, time, characters."""

    def __init__(self) -> None:
        self._steps = MOST_STEPS
        self._characters = LONGEST_TEXT
        self._until = time.thread_time() + MOST_SECONDS

    def spend(self) -> None:
        """One step of a loop."""
        self._steps -= 1
        if self._steps < 0:
            raise PersonaError(f"its loops take more than {MOST_STEPS} steps. Make them shorter")
        self._look()

    def measured(self, pieces: Iterable[str]) -> Iterator[str]:
        """The pieces, as long as they are not too much, together with all that came before."""
        for piece in pieces:
            self._characters -= len(piece)
            if self._characters < 0:
                raise PersonaError(f"it becomes longer than {LONGEST_TEXT} characters. Make it shorter")
            self._look()
            yield piece

    def _look(self) -> None:
        if time.thread_time() > self._until:
            raise PersonaError(f"it takes more than {MOST_SECONDS} s. Make its loops shorter")


class _Environment(ImmutableSandboxedEnvironment):
    """jinja2's, whose arithmetic is measured; intercepted operators are not worked out ahead either."""

    intercepted_binops = frozenset(("+", "-", "*", "/", "//", "%"))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Numbers only, but texts may be added; raises PersonaError for what is more."""
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            return _short(left + right)
        if not isinstance(left, int | float) or not isinstance(right, int | float):
            raise PersonaError(f"`{operator}` takes numbers. Join texts with ~")
        result = super().call_binop(context, operator, left, right)
        if abs(result) > LARGEST_NUMBER:
            raise PersonaError(f"a number is larger than {LARGEST_NUMBER}. Use smaller ones")
        return result


def _short(text: str) -> str:
    if len(text) > LONGEST_TEXT:
        raise PersonaError(f"a text grows beyond {LONGEST_TEXT} characters. Make it shorter")
    return text


@jinja2.pass_context
def _counted(context: Context, items: Iterable[Any]) -> Iterator[Any]:
    budget: Budget = context[_BUDGET]
    for item in items:
        budget.spend()
        yield item


@jinja2.pass_context
def _joined(_context: Context, items: Iterable[Any]) -> str:
    # With the context, so that it is not worked out ahead, where its error would have no line.
    text = ""
    for item in items:
        text = _short(text + str(item))
    return text


class _Random:
    """`random(1, 6)`: a whole number, both ends included."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw

    def __call__(self, low: int, high: int) -> int:
        if not isinstance(low, int) or not isinstance(high, int) or low > high:
            raise PersonaError("random takes two whole numbers, the smaller first, as in random(1, 6)")
        return self._draw.randint(low, high)


class _Choice:
    """`choice("a", "b")`: one of them."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw

    def __call__(self, *items: Any) -> Any:
        if not items:
            raise PersonaError('choice takes what to choose from, as in choice("a", "b")')
        return self._draw.choice(items)


def _short_range(*bounds: int) -> range:
    made = range(*bounds)
    if len(made) > MOST_STEPS:
        raise PersonaError(f"range has more than {MOST_STEPS} numbers. Make it shorter")
    return made


def _environment() -> _Environment:
    made = _Environment(undefined=jinja2.StrictUndefined, optimized=False, trim_blocks=True, lstrip_blocks=True)
    made.globals.clear()
    made.filters = {name: made.filters[name] for name in _FILTERS} | {"counted": _counted, "joined": _joined}
    return made


_ENVIRONMENT = _environment()
