"""Which memory comes to mind."""

from onebot_bot.memories import drawn
from onebot_bot.memory.bank import Hit


def test_a_temperature_varies_which_of_the_nearest_comes_to_mind() -> None:
    """At 0 always the first; at 0.05 mostly, one that is 0.4 further away hardly ever."""
    near, close, far = (Hit(number, score, "", None) for number, score in ((1, 0.9), (2, 0.88), (3, 0.5)))
    hits = [near, close, far]
    assert {drawn(hits, 0.0).memory_id for _ in range(50)} == {1}
    seen = [drawn(hits, 0.05).memory_id for _ in range(2000)]
    assert seen.count(1) > seen.count(2) > 400
    assert seen.count(3) < 20
