"""The figures by which a learner is judged."""

import msgspec
import pytest
import torch
from tiny import learner_of, lessons, talks, writer_of

from onebot_bot.engine.model import LoadedModel
from onebot_bot.learning.judge import (
    FALSE_RECALLS,
    MOST_RISE,
    ask_all,
    best_floor,
    calibrate_asking,
    chat_loss,
    ranks,
    share,
    sparing_floor,
)

pytestmark = pytest.mark.model


def test_a_rank_counts_the_nearer_keys() -> None:
    """0 where its own key is the nearest."""
    keys = torch.eye(3)
    queries = torch.nn.functional.normalize(torch.tensor([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]]), dim=-1)
    assert ranks(queries, keys, [0, 2]) == [0, 2]
    assert (share([0, 2], 1), share([0, 2], 3), share([], 1)) == (0.5, 1.0, 0)


def test_the_floor_lies_in_the_middle_of_the_gap() -> None:
    """Between the least that was meant and the most that was not."""
    assert best_floor([0.8, 0.9, 0.7], [0.1, 0.5, 0.3]) == pytest.approx(0.6)


def test_the_floor_costs_least_where_scores_overlap() -> None:
    """No other cut has a smaller sum of both error shares."""
    right, wrong = [0.3, 0.55, 0.6, 0.62, 0.9], [0.1, 0.2, 0.35, 0.58, 0.61]

    def cost(floor: float) -> float:
        return sum(s < floor for s in right) / len(right) + sum(s >= floor for s in wrong) / len(wrong)

    assert cost(best_floor(right, wrong)) == pytest.approx(min(cost(at / 1000) for at in range(1001)))


def test_the_floor_is_one_of_the_best_cuts_even_if_they_lie_apart() -> None:
    """The middle between two good cuts may be a bad one."""
    right, wrong = [0.2, 0.8], [0.1, 0.4]
    floor = best_floor(right, wrong)
    assert floor == pytest.approx(0.15) or floor == pytest.approx(0.6)


def test_a_sparing_floor_keeps_nearly_all_that_was_meant() -> None:
    """Where scores overlap it yields; where they do not it is the best one."""
    right = [0.3, *[0.6] * 49]
    assert best_floor(right, [0.5] * 10) == pytest.approx(0.55)
    assert sparing_floor(right[1:], [0.5] * 10) == pytest.approx(0.55)
    assert sparing_floor([0.3, 0.32, *[0.6] * 38], [0.5] * 10) == pytest.approx(0.32)
    assert sparing_floor([], [0.9]) == pytest.approx(0.25)


def test_a_floor_without_examples_lies_below_what_was_found() -> None:
    """Recall is not shut off when nothing speaks against it."""
    assert best_floor([0.5, 0.6], []) == pytest.approx(0.45)
    assert best_floor([], [0.9]) == pytest.approx(0.25)


def test_a_query_does_not_depend_on_its_neighbours(tiny: LoadedModel) -> None:
    """Padding beside longer situations changes nothing; no situations give no queries."""
    learner, writer = learner_of(tiny), writer_of(tiny)
    contexts = [lesson.contexts[0] for lesson in lessons()]
    together = ask_all(learner, contexts, writer)
    alone = torch.cat([ask_all(learner, [context], writer).queries for context in contexts])
    torch.testing.assert_close(together.queries, alone, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(alone.norm(dim=-1), torch.ones(len(contexts)))
    assert ask_all(learner, [], writer).queries.shape == (0, alone.shape[1])


def test_asking_of_its_own_accord_is_the_likeliest_first_token(tiny: LoadedModel) -> None:
    """Seen where the answer begins, not at `<recall>`."""
    learner, writer = learner_of(tiny), writer_of(tiny)
    contexts = [lessons()[0].contexts[0]]
    assert ask_all(learner, contexts, writer).asks == [False]
    ids = tiny.renderer.render_conversation(contexts[0]).ids
    with torch.no_grad():
        hidden = learner.states(learner.embed(torch.tensor([ids])), torch.ones(1, len(ids), dtype=torch.long))
        learner.rows[0] = hidden[0, -1] * 100
    assert ask_all(learner, contexts, writer).asks == [True]


@pytest.mark.parametrize("push", [-0.6, 0.4])
def test_asking_is_as_ready_as_false_recalls_allow(tiny: LoadedModel, push: float) -> None:
    """Too shy or too eager before, the situations that call for nothing begin with no recall, and others nearly do."""
    learner, writer = learner_of(tiny), writer_of(tiny)
    contexts = [talk.context for talk in talks()]
    with torch.no_grad():
        learner.own_rows[0] *= 1 + push
    rise = calibrate_asking(learner, contexts, writer)
    assert not any(ask_all(learner, contexts, writer).asks)
    with torch.no_grad():  # a second time there is nothing left to do
        assert abs(calibrate_asking(learner, contexts, writer)) < 0.1 or abs(rise) == MOST_RISE
    assert 1 / len(contexts) > FALSE_RECALLS


def test_chat_loss_is_the_mean_over_the_replies_tokens(tiny: LoadedModel) -> None:
    """As transformers' own loss on the same labels."""
    learner, writer = learner_of(tiny, moved=False), writer_of(tiny)
    total, count = 0.0, 0
    for talk in talks():
        sample = writer.chat(talk)
        ids = torch.tensor([sample.ids])
        labels = torch.where(torch.tensor([sample.labels]), ids, -100)
        with torch.no_grad():
            total += float(tiny.network(input_ids=ids, labels=labels).loss) * sum(sample.labels)
        count += sum(sample.labels)
    assert chat_loss(learner, talks(), writer) == pytest.approx(total / count, rel=1e-4)
    assert chat_loss(learner, [msgspec.structs.replace(talks()[0], reply="")], writer) == 0.0
