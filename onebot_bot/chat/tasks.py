"""Who begins tasks owns them until they end."""

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self


class TaskOwner:
    """Begins tasks. An async context manager: leaving ends them."""

    def __init__(self, failed: Callable[[Exception], object]) -> None:
        """`failed` is told of what went wrong in a task that was spawned."""
        self._failed = failed
        self._tasks = asyncio.TaskGroup()
        self._owned: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Open the group that owns the tasks."""
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End every task."""
        for task in self._owned:
            task.cancel()
        await self._tasks.__aexit__(None, None, None)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin a side task: its failure is told, and ends nothing else."""
        self.own(self._guarded(work))

    def own(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin a task that tells of its failure itself: one that escapes ends all others."""
        task = self._tasks.create_task(work)
        self._owned.add(task)
        task.add_done_callback(self._owned.discard)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - see `spawn`
            self._failed(error)
