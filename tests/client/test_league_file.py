"""League files: what is right travels whole, what is wrong is told with its key."""

from pathlib import Path

import pytest
from llm_crowdsourced.v1 import league_pb2

from client.exit_status import ExitStatus
from client.failures import CommandError
from client.league_file import read_league

LEAGUES = sorted((Path(__file__).resolve().parents[2] / "client" / "leagues").glob("*.toml"))
PLAYERS = "".join(
    f'[[participants]]\nid = "{name}"\nprovider = "own"\nmodel = "m"\n' for name in ("a", "b", "c")
)


def read(path: Path, text: str) -> league_pb2.League:
    path.write_text(text, "utf-8")
    return read_league(path)


def complaint(tmp_path: Path, text: str) -> str:
    with pytest.raises(CommandError) as caught:
        read(tmp_path / "my.toml", text)
    assert caught.value.status == ExitStatus.USAGE
    assert str(tmp_path / "my.toml") in str(caught.value)
    return str(caught.value).replace(str(tmp_path / "my.toml"), "FILE")


@pytest.mark.parametrize("path", LEAGUES, ids=lambda path: path.stem)
def test_bundled_files_can_be_read(path: Path) -> None:
    league = read_league(path)

    subject = path.stem.partition("-")[0].upper()
    assert league_pb2.Subject.Name(league.subject) == f"SUBJECT_{subject}"
    assert len({p.id for p in league.participants}) >= 4


@pytest.mark.parametrize("stem", ["math", "programming-local"])
def test_the_leagues_of_make_need_no_key(stem: str) -> None:
    league = read_league(next(path for path in LEAGUES if path.stem == stem))

    assert {p.provider for p in league.participants} == {"local"}
    assert len({p.model for p in league.participants}) == 3
    assert all(p.max_output_tokens for p in league.participants)


def test_everything_travels(tmp_path: Path) -> None:
    league = read(
        tmp_path / "all.toml",
        """
        subject = "programming"
        title = "All"
        rounds_per_participant = 2
        seed = 9
        judges = ["a", "b"]
        identity = "named"
        order = "fixed"
        max_reasks = 0
        max_concurrent_calls = 5
        [budget]
        max_calls = 10
        max_cost_usd = 2
        [programming]
        evidence = "hidden"
        question_gate = "require"
        max_repairs = 1
        [[participants]]
        id = "d"
        provider = "own"
        model = "m"
        temperature = 0
        top_p = 0.5
        frequency_penalty = -1
        sampling_seed = 3
        max_output_tokens = 100
        system_prompt = "Be brief."
        reasoning_effort = "low"
        family = "f"
        """
        + PLAYERS,
    )

    assert league == league_pb2.League(
        subject=league_pb2.SUBJECT_PROGRAMMING,
        title="All",
        rounds_per_participant=2,
        seed=9,
        judges=["a", "b"],
        identity=league_pb2.IDENTITY_NAMED,
        order=league_pb2.ORDER_FIXED,
        max_reasks=0,
        max_concurrent_calls=5,
        budget=league_pb2.Budget(max_calls=10, max_cost_usd=2),
        programming=league_pb2.ProgrammingRules(
            evidence=league_pb2.EVIDENCE_VIEW_HIDDEN,
            question_gate=league_pb2.QUESTION_GATE_REQUIRE,
            max_repairs=1,
        ),
        participants=[
            league_pb2.Participant(
                id="d",
                provider="own",
                model="m",
                temperature=0,
                top_p=0.5,
                frequency_penalty=-1,
                sampling_seed=3,
                max_output_tokens=100,
                system_prompt="Be brief.",
                reasoning_effort="low",
                family="f",
            ),
            *[league_pb2.Participant(id=i, provider="own", model="m") for i in "abc"],
        ],
    )


def test_what_is_left_out_stays_unset(tmp_path: Path) -> None:
    league = read(tmp_path / "few.toml", f'subject = "math"\n{PLAYERS}')

    assert not league.HasField("budget")
    assert not league.HasField("programming")
    assert not league.HasField("max_reasks")
    assert not league.participants[0].HasField("temperature")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("subject = 'maths'\n" + PLAYERS, "subject must be 'math' or 'programming', not \"maths\""),
        ("subject = 'math'\nroundz = 1\n" + PLAYERS, "roundz is no key that is known here"),
        ("subject = 'math'\ntitel = 'x'\n" + PLAYERS, '"title" is'),
        (
            "subject = 'math'\nrounds_per_participant = '2'\n" + PLAYERS,
            'rounds_per_participant must be a whole number, not "2"',
        ),
        ("subject = 'math'\nseed = true\n" + PLAYERS, "seed must be a whole number, not True"),
        ("subject = 'math'\nbudget = 3\n" + PLAYERS, "budget must be a table with keys, not 3"),
        ("subject = 'math'\nparticipants = 3\n", "participants must be a list in square brackets"),
        ("subject = 'math'\n" + PLAYERS + "temperature = 3\n", "participant 3 (c): temperature"),
        ("subject = 'math'\n" + PLAYERS + "temprature = 1\n", '"temperature" is'),
        ("subject = 'math'\n" + PLAYERS.replace('"b"', '"b b"'), "participant 2 (b b): id must"),
        ("subject = 'math'\n" + PLAYERS.replace('"b"', '"a"'), "two participants have the id a"),
        ("subject = 'math'\n[[participants]]\nid = 'a'\n", "participant 1 (a): model is missing"),
        ("subject = 'math'\njudges = ['z']\n" + PLAYERS, "judges names z"),
        ("subject = 'math'\n[programming]\n" + PLAYERS, "[programming] is for subject"),
        ("subject = 'math'\n[budget]\nmax_calls = 0\n" + PLAYERS, "budget.max_calls must be"),
        ("subject = 'math'\n" + PLAYERS.split('[[participants]]\nid = "c"')[0], "has 2"),
        (PLAYERS, "subject is missing"),
        ("subject = ", "not valid TOML"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, told: str) -> None:
    assert told in complaint(tmp_path, text)


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    lines = complaint(tmp_path, "subject = 'x'\nseed = 'y'\n" + PLAYERS).splitlines()

    assert len(lines) == 2


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read: No such file"):
        read_league(tmp_path / "none.toml")
    with pytest.raises(CommandError, match="cannot be read: Is a directory"):
        read_league(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b"title = '\xe9'")
    with pytest.raises(CommandError, match="not UTF-8"):
        read_league(tmp_path / "latin.toml")
