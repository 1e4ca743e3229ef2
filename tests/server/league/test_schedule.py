"""The schedule: who is asked what, exactly."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from server.league.league import League
from server.league.schedule import (
    Role,
    answerers_of,
    judged_by,
    planned_marks,
    planned_steps,
    schedule,
    setter_of,
)
from tests.support.leagues import leagues, record_league


@given(leagues())
def test_a_cycle_has_2n2_steps_and_n_times_n_minus_1_squared_marks(league: League) -> None:
    n, cycles = len(league.participants), league.rounds_per_participant
    steps = list(schedule(league))
    assert len(steps) == planned_steps(league) == 2 * n * n * cycles
    assert planned_marks(league) == n * (n - 1) ** 2 * cycles
    roles = Counter((step.round, step.role) for step in steps)
    for index in range(1, n * cycles + 1):
        assert roles[index, Role.QUESTION] == 1
        assert roles[index, Role.ANSWER] == n - 1
        assert roles[index, Role.JUDGMENT] == n


@given(leagues())
def test_no_step_comes_twice_and_what_a_step_needs_comes_before_it(league: League) -> None:
    steps = list(schedule(league))
    assert len(set(steps)) == len(steps)
    order = {Role.QUESTION: 0, Role.ANSWER: 1, Role.JUDGMENT: 2}
    keys = [(step.round, order[step.role]) for step in steps]
    assert keys == sorted(keys)


@given(leagues())
def test_everyone_sets_equally_often_and_answers_all_others(league: League) -> None:
    steps = list(schedule(league))
    set_ = Counter(step.participant for step in steps if step.role is Role.QUESTION)
    assert set_ == dict.fromkeys(league.ids, league.rounds_per_participant)
    for index in range(1, league.rounds + 1):
        setter = setter_of(league, index)
        assert setter not in answerers_of(league, index)
        assert {setter, *answerers_of(league, index)} == set(league.ids)


@given(leagues())
def test_each_judge_judges_all_answers_but_its_own(league: League) -> None:
    n = len(league.participants)
    for index in range(1, league.rounds + 1):
        setter = setter_of(league, index)
        for judge in league.judge_ids:
            judged = judged_by(league, index, judge)
            assert judge not in judged
            assert setter not in judged
            assert set(judged) == set(league.ids) - {judge, setter}
            assert len(judged) == (n - 1 if judge == setter else n - 2)


@given(leagues(), st.data())
def test_named_judges_alone_judge(league: League, data: st.DataObject) -> None:
    judges = data.draw(st.lists(st.sampled_from(league.ids), min_size=1, unique=True))
    part = record_league(len(league.participants), judges=tuple(judges))
    asked = {step.participant for step in schedule(part) if step.role is Role.JUDGMENT}
    assert asked == set(judges)
    # In league order, whatever the order in which they were named.
    assert part.judge_ids == tuple(i for i in part.ids if i in judges)
    assert planned_steps(part) == len(list(schedule(part)))
    n = len(part.participants)
    # Each judge sets once and then judges N - 1, else N - 2.
    assert planned_marks(part) == len(judges) * ((n - 1) + (n - 1) * (n - 2))


@given(leagues())
def test_the_schedule_depends_on_nothing_but_participants_and_cycles(league: League) -> None:
    plain = record_league(
        len(league.participants), rounds_per_participant=league.rounds_per_participant
    )
    assert list(schedule(league)) == list(schedule(plain))
