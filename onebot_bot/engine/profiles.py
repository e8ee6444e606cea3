"""Several models on one thread: each answer is written by its profile's, which is loaded when it is first asked for.

Loading goes on beside the answers that are being written, on a thread of its own; whose model is not there yet waits in
the worker's queue. Where memory is short, the model that was asked for the longest time ago makes room. What belongs to
the memories (keys, values, recall) is the main model's alone. No torch here: the maker has it.
"""

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import structlog
from msgspec import Struct, structs

from onebot_bot.engine.fit import DoesNotFit
from onebot_bot.engine.making import Loading, Maker, Room, Traits, Variant
from onebot_bot.engine.request import RECALL, Control, Counters, Generation, GenerationRequest, ProfileState, Vector
from onebot_bot.engine.runner import Again, Running
from onebot_bot.engine.waiters import let_go
from onebot_bot.errors import BotError, ModelError, NoRoom, ProfileError

log = structlog.get_logger(__name__)

RETRY_SECONDS = 600.0
"""After which a model that could not be loaded is tried again."""
HOLD_SECONDS = 1.0
"""For which other models take no new answers once one was asked for that finds no room beside them."""
AGAIN_SECONDS = 0.2
"""After which is looked whether there is room now: that reads files."""


class _Resident(Struct):
    """A model that is there."""

    runner: Any
    taken: int
    """Bytes, as they were asked for."""
    used: float
    """When an answer was last begun."""


class _Failure(Struct, frozen=True):
    error: str
    until: float


class Profiles:
    """A runner: the main model and those of the profiles. What is not defined here is the main one's.

    Args:
        main: the model with the memories.
        maker: makes the others.
        variants: of each profile that is configured now, what it needs; None: the main model.
        clock: seconds.
        smaller: makes what takes the main one's place when memory does not hold one answer of it; None: nothing does.
    """

    def __init__(
        self,
        main: Any,
        maker: Maker,
        variants: Callable[[], Mapping[str, Variant | None]],
        clock: Callable[[], float] = time.monotonic,
        smaller: Callable[[], Any] | None = None,
    ) -> None:
        self._main = main
        self._smaller = smaller
        self._strange_until = 0.0  # recalls of what was submitted before mean another model's memories
        self._maker = maker
        self._variants = variants
        self._clock = clock
        self._residents: dict[Variant, _Resident] = {}
        self._failures: dict[Variant, _Failure] = {}
        self._traits: dict[Variant, Traits] = {}
        self._loading: Loading | None = None
        self._cramped: tuple[Variant, float] | None = None
        """What found no room beside answers that are being written, and when that was last so."""
        self._owners: dict[Running, Variant] = {}
        """Of the answers that another than the main model writes."""

    # --- the main model's ----------------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        """What learning asks of a model beyond the protocol: `away`, `free_device_bytes`, `model`."""
        return getattr(self._main, name)

    @property
    def key_view(self) -> Any:
        """Its view of keys; who asks for it makes the memories its own."""
        if math.isinf(self._strange_until):
            self._strange_until = time.monotonic()
        return self._main.key_view

    @property
    def device(self) -> str:
        """The main model's, as all of these."""
        return str(self._main.device)

    @property
    def sees(self) -> bool:
        """Whether pictures reach the main model."""
        return bool(self._main.sees)

    @property
    def trained_recall(self) -> bool:
        """Whether its weights were trained to ask for memories."""
        return bool(self._main.trained_recall)

    @property
    def fingerprint(self) -> str:
        """Names what makes keys."""
        return str(self._main.fingerprint)

    @property
    def base(self) -> str:
        """Names its weights below any adapter."""
        return str(self._main.base)

    @property
    def adapter(self) -> str:
        """Names its adapter; empty: none."""
        return str(self._main.adapter)

    @property
    def floor(self) -> float:
        """Least cosine of a memory that is recalled."""
        return float(self._main.floor)

    @property
    def parameters(self) -> int:
        """How many it has."""
        return int(self._main.parameters)

    @property
    def counters(self) -> Counters:
        """What it did."""
        counters: Counters = self._main.counters
        return counters

    def embed(self, texts: list[str]) -> Vector:
        """Raw keys of texts `[n, D]` float32."""
        keys: Vector = self._main.embed(texts)
        return keys

    def project(self, keys: Vector) -> Vector:
        """Values `[n, vectors, d]` of raw keys `[n, D]`, float32."""
        values: Vector = self._main.project(keys)
        return values

    def serve(self, adapter: Path | None) -> None:
        """Serve another adapter with the main model; see `Generator.serve`."""
        self._settle()
        self._main.serve(adapter)

    def make_room(self) -> int:
        """Leave the card to another process, all models; see `Generator.make_room`. They come back when asked for."""
        self._settle()
        cards = int(self._main.make_room())
        if cards:
            self._drop(list(self._residents))
        return cards

    # --- all of them ---------------------------------------------------------------------------------------------

    @property
    def profiles(self) -> Mapping[str, ProfileState]:
        """How each profile's model stands; from any thread."""
        return {name: self._state(variant) for name, variant in self._variants().items()}

    def memory(self) -> int:
        """Bytes in use; a card's allocator counts all models at once."""
        others = [] if self.device.startswith("cuda") else list(self._residents.values())
        return int(self._main.memory() + sum(each.runner.memory() for each in others))

    def ready(self, generation: Generation) -> bool:
        """Whether an answer can be begun or is to be refused; begins to load its model where that is not there."""
        self._take_in()
        variant = self._variant_of(generation.request)
        if variant is None:
            return bool(self._main.ready(generation))
        if self._failure(variant):
            return True
        if variant in self._residents:
            return not self._makes_way(variant) and bool(self._residents[variant].runner.ready(generation))
        if self._loading is None and not self._looked_lately(variant):
            self._begin(variant)
        return self._failure(variant) is not None

    def start(self, generation: Generation) -> Running:
        """Check and render a request.

        Raises:
            RequestError: it cannot be served. ProfileError: its model cannot be loaded, or is not there yet.
        """
        variant, request = self._variant_of(generation.request), generation.request
        if variant is None:
            return self._start_main(generation)
        resident = self._residents.get(variant)
        if resident is None:
            failure = self._failure(variant)
            raise ProfileError(request.profile, failure.error if failure else "its model is being loaded")
        generation.request = _without_recall(request)
        running: Running = resident.runner.start(generation)
        resident.used = self._clock()
        self._owners[running] = variant
        return running

    def _start_main(self, generation: Generation) -> Running:
        if generation.submitted < self._strange_until:
            generation.request = _without_recall(generation.request)
        try:
            begun: Running = self._main.start(generation)
        except NoRoom:
            if self._main.busy or not self._fall_back():
                raise
            begun = self._start_main(generation)
        return begun

    def step(self, running: list[Any]) -> None:
        """Advance each by one forward of its model; a failure of one model is that of its answers alone."""
        self._take_in()
        groups: dict[Variant | None, list[Running]] = {}
        for each in running:
            groups.setdefault(self._owners.get(each), []).append(each)
        for variant, mine in groups.items():
            _step(self._main if variant is None else self._residents[variant].runner, mine)
        refused = [each for each in groups.get(None, []) if isinstance(each.outcome, NoRoom)]
        for each in refused if refused and not self._main.busy and self._fall_back() else ():
            each.outcome = Again()
        self._owners = {each: self._owners[each] for each in running if each in self._owners and each.outcome is None}

    def _fall_back(self) -> bool:
        """Have the smaller model serve for good; False: there is none, or it cannot be loaded either."""
        make, self._smaller = self._smaller, None
        if make is None:
            return False
        log.error("The memory does not hold one answer of the main model; the fallback serves.", code="OB-1224")
        self._main.leave()
        try:
            self._main = make()
        except Exception as error:
            log.exception("The fallback cannot be loaded; the main model comes back.", code="OB-1224")
            let_go(error)
            self._main.come_back()
            return False
        self._strange_until = math.inf
        return True

    def load(self, name: str) -> None:
        """Load a profile's model now, if it has one and there is room; a failure is told when it is asked for."""
        variant = self._variants().get(name)
        if variant is not None and variant not in self._residents:
            self._begin(variant)
            self._settle()

    # --- what is there -------------------------------------------------------------------------------------------

    def _variant_of(self, request: GenerationRequest) -> Variant | None:
        """None: the main model answers, or says that it is away."""
        return None if not request.profile or self._away else self._variants().get(request.profile)

    @property
    def _away(self) -> bool:
        return bool(getattr(self._main, "away", False))

    def _state(self, variant: Variant | None) -> ProfileState:
        if variant is None:
            return ProfileState(state="main", sees=self.sees, parameters=self.parameters)
        traits, failure, loading = self._traits_of(variant), self._failure(variant), self._loading
        state: Literal["ready", "failed", "loading", "absent"] = "absent"
        if variant in self._residents:
            state = "ready"
        elif failure is not None:
            state = "failed"
        elif loading is not None and loading.variant == variant:
            state = "loading"
        return ProfileState(
            state=state,
            sees=traits.sees,
            parameters=traits.parameters,
            error=failure.error if state == "failed" and failure is not None else "",
        )

    def _traits_of(self, variant: Variant) -> Traits:
        """Read once: the status is asked for every turn. What could not be known is looked for again when it loads."""
        if variant not in self._traits:
            self._traits[variant] = self._maker.traits(variant)
        return self._traits[variant]

    def _failure(self, variant: Variant) -> _Failure | None:
        """Why it is not there, unless that was so long ago that it is worth another try."""
        failure = self._failures.get(variant)
        return failure if failure is not None and self._clock() < failure.until else None

    def _makes_way(self, variant: Variant) -> bool:
        """Whether another model waits for this one's last answer."""
        if self._cramped is None:
            return False
        other, when = self._cramped
        return other != variant and self._clock() - when < HOLD_SECONDS

    def _looked_lately(self, variant: Variant) -> bool:
        """Whether it found no room a moment ago."""
        if self._cramped is None:
            return False
        other, when = self._cramped
        return other == variant and self._clock() - when < AGAIN_SECONDS

    # --- loading -------------------------------------------------------------------------------------------------

    def _begin(self, variant: Variant) -> None:
        """Load it in the background, unless it does not fit, or not before others have ended their answers."""
        try:
            room = self._find_room(variant)
        except Exception as error:  # noqa: BLE001 - as in Loading
            self._fail(variant, error)
            return
        if room is None:
            self._cramped = (variant, self._clock())
            return
        self._cramped = None
        self._loading = Loading(variant, room.needed, self._maker.make)

    def _find_room(self, variant: Variant) -> Room | None:
        """Let go what is no longer configured, then whoever answered the longest time ago; None: all are busy.

        Raises:
            DoesNotFit: it would not, were it alone with the main model.
        """
        self._drop([each for each in self._idle() if each not in self._variants().values()])
        while (room := self._room(variant)).needed > room.free:
            if room.needed > room.free + sum(each.taken for each in self._residents.values()):
                raise DoesNotFit(room.refusal)
            idle = self._idle()
            if not idle:
                return None
            self._drop(idle[:1])
        return room

    def _room(self, variant: Variant) -> Room:
        runners = [self._main, *(each.runner for each in self._residents.values())]
        promised = [each.counters.kv_budget - each.counters.kv_bytes for each in runners]
        return self._maker.room(variant, sum(max(0, left) for left in promised))

    def _idle(self) -> list[Variant]:
        """Those that write nothing, the longest unused first."""
        busy = set(self._owners.values())
        return sorted((each for each in self._residents if each not in busy), key=lambda e: self._residents[e].used)

    def _drop(self, leaving: list[Variant]) -> None:
        for variant in leaving:
            log.info("A profile's model is let go.", path=str(variant.path))
            del self._residents[variant]
        if leaving:
            self._maker.release()

    def _take_in(self) -> None:
        """Have what was loaded meanwhile."""
        loading = self._loading
        if loading is None or not loading.done:
            return
        if loading.error is not None:
            self._fail(loading.variant, loading.error)
        else:
            log.info("A profile's model is loaded.", path=str(loading.variant.path))
            self._residents[loading.variant] = _Resident(loading.runner, loading.taken, self._clock())
            self._failures.pop(loading.variant, None)
            self._traits.pop(loading.variant, None)
        self._loading = None

    def _settle(self) -> None:
        """Wait for what is being loaded: the card is about to be used otherwise."""
        if self._loading is not None:
            self._loading.wait()
            self._take_in()

    def _fail(self, variant: Variant, error: Exception) -> None:
        trace = not isinstance(error, BotError)
        log.error("A profile's model cannot be loaded.", code="OB-1210", error=str(error), exc_info=trace)
        let_go(error)
        text = str(error) if isinstance(error, BotError) else f"{variant.path}: {type(error).__name__}: {error}"
        self._failures[variant] = _Failure(text, self._clock() + RETRY_SECONDS)
        self._maker.release()


def _step(runner: Any, running: list[Running]) -> None:
    try:
        runner.step(running)
    except Exception as error:
        log.exception("a step failed; the answers in it fail, other models go on", code="OB-1220")
        for each in running:
            each.outcome = each.outcome or ModelError(f"generation failed: {error}")


def _without_recall(request: GenerationRequest) -> GenerationRequest:
    """Memories' vectors mean something to the main model alone; another is not told that there are any."""
    opening = tuple(part for part in request.conversation.opening if part != Control(RECALL))
    return structs.replace(request, recall=None, conversation=structs.replace(request.conversation, opening=opening))
