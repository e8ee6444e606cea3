"""The part of bench/crash.py with a model: extracting facts that are told in a group, and nights, both killed."""

import asyncio
import contextlib
import shutil
import sqlite3
import time
from collections import Counter
from pathlib import Path
from random import Random

import msgspec
import numpy as np

from bench.crash_world import GROUP, PATIENCE, ROOT, Qq, Victim, until
from bench.servers import ViolationError
from onebot_bot.backups.contents import serving
from onebot_bot.errors import NotConnected, StoreError
from onebot_bot.learning.journal import Journal, read_journal
from onebot_bot.learning.lessons import Talk, conversation
from onebot_bot.learning.versions import META, NONE, Meta, Versions
from onebot_bot.learning.work import STEPS
from onebot_bot.memory import views
from onebot_bot.memory.snapshot import Stamp, load_index
from onebot_bot.transport.client import OneBotClient

TRIAL = ROOT / "models" / "trial"
PROMOTION = frozenset({"promote", "swap", "canary"})
KILLED = tuple(step for step in STEPS if step != "plan")
"""The steps that are on a night's journal."""
SPREAD = {"promote": 0.05, "swap": 0.5, "canary": 0.5, "gate": 4.0, "extract": 0.2}
"""Most seconds from a step's beginning to the kill; of the others `LONG`."""
LONG = 6.0
NIGHT = 400.0
"""Seconds after which a night that comes to no end counts as one that hangs."""
FACTS = 8
"""Told before each kill of an extraction."""

# So slow that the random model, which knows nothing, does not change for the worse by chance.
_COMMON = "rank = 4\nalpha = 8\nepochs = 1\nleast_steps = 2\nbatch = 4\nmicro = 4\nlr = 1e-7\n"
_STAGE1 = (
    'recipe = "default"\n[recipes.default]\npairs = "contexts"\nloss = "infonce"\nmodules = ["q_proj", "v_proj"]\n'
)
_STAGE2 = (
    'recipe = "default"\n[refine]\nsteps = 2\nlr = 0.05\nbatch = 4\n[recipes.default]\n'
    'modules = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]\n'
)
_ACTIVE = "SELECT text FROM memories WHERE status = 'active'"


class Learner:
    """A bot of a tiny random model that learns, while it is killed."""

    def __init__(self, folder: Path, rng: Random) -> None:
        self.rng = rng
        self.qq = Qq()
        self.victim = Victim(folder / "learner", str(_make_model(folder / "tiny")))
        _write_recipes(self.victim.folder / "training", folder / "tiny")
        self.facts = 0
        self.nights = 0
        """That came through."""
        self._client: OneBotClient | None = None
        self._done: set[tuple[str, str]] = set()
        """Steps that were killed already, by run: a step that dies twice ends its night."""

    async def begin(self) -> None:
        """Start it."""
        self._client = await self.victim.start(self.qq)

    async def extract(self, *, check_index: bool) -> None:
        """People tell facts; killed while they are read, each is remembered once."""
        for _ in range(FACTS):
            self.facts += 1
            await self._send(self.qq.fact(self.facts))
        await self._recorded()
        known = len(self.victim.rows(_ACTIVE))
        stop = known + self.rng.randint(0, FACTS - 1)
        await until(lambda: len(self.victim.rows(_ACTIVE)) >= stop, "lost", self._remembered)
        await self._kill_and_start()
        await until(lambda: len(self.victim.rows(_ACTIVE)) >= self.facts, "lost", self._remembered)
        self._check_facts()
        if check_index:
            await self._check_index()

    async def night_round(self, kills: Counter[str]) -> None:
        """Let a night come to the step that is next to be killed, and kill it there; or let it come to its end."""
        journal = self._running()
        if journal is None:
            await self._command("/learn now")
            await until(lambda: self._running() is not None, "damaged", lambda: "no night began")
            journal = self._running()
        assert journal is not None
        step = await self._next_step(journal.name)
        if step:
            await asyncio.sleep(self.rng.uniform(0, SPREAD.get(step, LONG)))
            self._done.add((journal.name, step))
            kills["promotion" if step in PROMOTION else "training"] += 1
            await self._kill_and_start(journal.name)
            self._check_adapter()
        elif (ended := read_journal(journal.folder)) is None or ended.record.state != "done":
            raise ViolationError("damaged", f"the night ended otherwise: {ended.record if ended else 'no journal'}")

    async def end(self) -> None:
        """Let a night that is under way come through, and stop."""
        while (journal := self._running()) is not None:
            await self._next_step(journal.name, {*KILLED})
        ended = [journal.record.state for journal in self._journals()]
        self.nights = ended.count("done")
        if others := [state for state in ended if state != "done"]:
            raise ViolationError("damaged", f"nights ended otherwise: {others}")
        self._check_facts()
        await self._check_index()
        await self._hang_up()
        await self.victim.stop()

    # --- nights ------------------------------------------------------------------------------------------------

    async def _next_step(self, name: str, spared: set[str] | None = None) -> str:
        """Wait until a step of this night has begun that was never killed; empty when the night has ended."""
        latest = time.monotonic() + NIGHT
        while time.monotonic() < latest:
            journal = read_journal(self._runs / name)
            if journal is not None and journal.record.state != "running":
                return ""
            current = _current(journal)
            if current and (name, current) not in self._done and current not in (spared or ()):
                return current
            await asyncio.sleep(0.002)
        raise ViolationError("damaged", f"a night hangs:\n{self.victim.log[-2000:]}")

    @property
    def _runs(self) -> Path:
        return self.victim.folder / "training" / "runs"

    def _running(self) -> Journal | None:
        """The night that is under way."""
        return next((journal for journal in self._journals() if journal.record.state == "running"), None)

    def _journals(self) -> list[Journal]:
        """Of all nights, the newest first."""
        folders = sorted(self._runs.iterdir(), reverse=True) if self._runs.exists() else []
        return [journal for folder in folders if folder.is_dir() and (journal := read_journal(folder)) is not None]

    def _check_adapter(self) -> None:
        """What is pointed to is whole, as soon as the process is gone; what is half copied has no name yet."""
        models = self.victim.folder / "models"
        name = Versions(models, str).serving_name()
        if name in ("", NONE):
            return
        folder = models / "adapters" / name
        try:
            base = msgspec.json.decode((folder / META).read_bytes(), type=Meta).base
        except (OSError, msgspec.DecodeError) as error:
            raise ViolationError("damaged", f"{folder}: {error}") from error
        if problem := Versions(models, lambda: base).problem(folder):
            raise ViolationError("damaged", f"{folder}: {problem}")
        if serving(self.victim.folder) is None:
            raise ViolationError("damaged", f"nothing serves, though {folder} is whole")

    # --- memories ----------------------------------------------------------------------------------------------

    def _check_facts(self) -> None:
        texts = self._remembered()
        if twice := [text for text, count in Counter(texts).items() if count > 1]:
            raise ViolationError("doubled", f"remembered twice: {twice}")
        if wanted := {f"P{n}x lives in Town{n}." for n in range(1, self.facts + 1)} - set(texts):
            raise ViolationError("lost", f"not remembered: {wanted}")

    def _remembered(self) -> list[str]:
        return [row[0] for row in self.victim.rows(_ACTIVE)]

    async def _recorded(self) -> None:
        sql = "SELECT count(*) FROM messages WHERE peer = ?"

        def recorded() -> int:
            return int(self.victim.rows(sql, GROUP)[0][0]) if self.victim.has_database() else 0

        await until(lambda: recorded() >= self.facts, "lost", recorded)

    async def _check_index(self) -> None:
        """Stop in order, compare the index on the disk with the rows, start again."""
        await self._hang_up()
        await self.victim.stop()
        compare_index(self.victim.store)
        self._client = await self.victim.start(self.qq)

    # --- the process -------------------------------------------------------------------------------------------

    async def _kill_and_start(self, night: str = "") -> None:
        self.victim.kill()
        if night:  # It may have come to its next step meanwhile; what is killed twice there ends by design.
            self._done.add((night, _current(read_journal(self._runs / night))))
        await self._hang_up()
        self._client = await self.victim.start(self.qq)
        if (verdict := self.victim.rows("PRAGMA integrity_check")) != [("ok",)]:
            raise ViolationError("damaged", f"integrity_check: {verdict}")

    async def _hang_up(self) -> None:
        if self._client is not None:
            with contextlib.suppress(NotConnected):
                await self._client.__aexit__(None, None, None)
            self._client = None

    async def _send(self, event: dict[str, object]) -> None:
        if self._client is None:  # a start failed
            self._client = await self.victim.start(self.qq)
        await self._client.send_event(event)

    async def _command(self, words: str) -> str:
        while not self.qq.told.empty():
            self.qq.told.get_nowait()
        await self._send(self.qq.order(words))
        async with asyncio.timeout(PATIENCE):
            return await self.qq.told.get()


def compare_index(store: Path) -> None:
    """Raise ViolationError unless the index of a stopped bot holds the rows' vectors, all of them and no other."""
    with contextlib.closing(sqlite3.connect(store / "memory.sqlite3")) as connection:
        view = views.serving(connection)
        if view is None:
            raise ViolationError("index", "no model serves")
        ids, keys = views.keys(connection, view.fingerprint)
        revision = connection.execute("SELECT revision FROM bank").fetchone()[0]
    try:
        index = load_index(store / "memory.faiss", Stamp(len(ids), view.fingerprint, revision), view.width)
    except StoreError as error:
        raise ViolationError("index", str(error)) from error
    held, *chunks = index.serialized().parts
    rows = np.concatenate(chunks)[held >= 0] if len(ids) else keys
    order = np.argsort(held[held >= 0])
    if held[held >= 0][order].tolist() != ids.tolist():
        raise ViolationError("index", f"rows {ids.tolist()}, index {held.tolist()}")
    if not np.allclose(rows[order], view.compared(keys), atol=1e-6):
        raise ViolationError("index", "a vector is not its row's")


def _make_model(folder: Path) -> Path:
    """A random Llama with the trial model's tokenizer."""
    import torch  # noqa: PLC0415 - seconds, which kills without a model need not wait for
    import transformers  # noqa: PLC0415 - as above

    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=49152, hidden_size=64, intermediate_size=128, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=2048, tie_word_embeddings=True, initializer_range=0.1,
        bos_token_id=1, eos_token_id=2, pad_token_id=2,
    )  # fmt: skip
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(TRIAL / name, folder / name)
    return folder


def _write_recipes(training: Path, model: Path) -> None:
    """Nights of two steps a stage, with the replies to ordinary turns at hand."""
    from onebot_bot.engine.model import fingerprint  # noqa: PLC0415 - torch, as above
    from onebot_bot.learning.train import HELD_OUT, TALKS  # noqa: PLC0415 - as above

    (training / "replies").mkdir(parents=True)
    shutil.copy(ROOT / "training" / "prompts.toml", training / "prompts.toml")
    (training / "stage1.toml").write_text(_STAGE1 + _COMMON, encoding="utf-8")
    (training / "stage2.toml").write_text(_STAGE2 + _COMMON, encoding="utf-8")
    words = (("Good morning!", "Hello there."), ("What a day.", "Indeed it is."), ("Sing.", "La la la."))
    talks = [Talk(context=conversation([("user", said)]), reply=reply) for said, reply in words]
    for name in (f"train-{TALKS}", f"test-{HELD_OUT}"):
        file = training / "replies" / f"{fingerprint(model)}-{name}.json"
        file.write_bytes(msgspec.json.encode(talks))


def _current(journal: Journal | None) -> str:
    """The step that a night is in; empty between two."""
    steps = journal.record.steps if journal is not None else []
    return next((step.name for step in steps if step.finished is None), "")
