"""The red team's attacks, one test each: refused with the one message expected, or harmless; never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from hadaptive import config
from hadaptive.study import Study
from tests.reliability import (
    attack_checkpoints,
    attack_data,
    attack_kills,
    attack_locks,
    attack_params,
    attack_records,
    chaos,
)
from tests.reliability.attack import Attack, Outcome, tried

# From Python 3.12 on, forking a worker from a process with threads warns; the workers only decode.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


def ended_well(attack: Attack, folder: Path) -> Outcome:
    outcome = tried(attack, folder)
    assert outcome.good, f"{attack.name}: {outcome.verdict}: {outcome.text}"
    return outcome


@pytest.mark.parametrize("attack", attack_data.ATTACKS, ids=lambda attack: attack.name)
def test_data(attack: Attack, tmp_path: Path) -> None:
    ended_well(attack, tmp_path)


@pytest.mark.parametrize("attack", attack_checkpoints.ATTACKS, ids=lambda attack: attack.name)
def test_checkpoints(attack: Attack, tmp_path: Path) -> None:
    ended_well(attack, tmp_path)


@pytest.mark.parametrize("attack", attack_locks.ATTACKS, ids=lambda attack: attack.name)
def test_locks(attack: Attack, tmp_path: Path) -> None:
    ended_well(attack, tmp_path)


@pytest.mark.parametrize("attack", attack_kills.ATTACKS[4::15], ids=lambda attack: attack.name)
def test_kills(attack: Attack, tmp_path: Path) -> None:
    """One at each moment; all: redteam.py."""
    ended_well(attack, tmp_path)


def test_records(tmp_path: Path) -> None:
    """A part of them; each damage, and what becomes of its cells: tests/test_record.py."""
    for attack in attack_records.ATTACKS[::8]:
        ended_well(attack, tmp_path)


@pytest.mark.parametrize("part", range(8))
def test_parameters(part: int, tmp_path: Path) -> None:
    """Processor time, as a multiple of what this machine takes for the file as it is."""
    most_cpu_s = attack_params.most_cpu_s(tmp_path)
    for attack in attack_params.ATTACKS[part::8]:
        outcome = ended_well(attack, tmp_path)
        assert outcome.cpu_s < most_cpu_s, f"{attack.name} takes {outcome.cpu_s:.1f} s of a processor"
        assert len(outcome.text) < 4000 and "Traceback" not in outcome.text, attack.name


def test_there_are_as_many_as_the_documentation_says() -> None:
    assert len(attack_params.ATTACKS) >= 200 and len(attack_records.ATTACKS) >= 100 and len(attack_data.ATTACKS) >= 50
    assert len(attack_kills.ATTACKS) >= 60
    for attacks in (
        attack_params.ATTACKS,
        attack_records.ATTACKS,
        attack_data.ATTACKS,
        attack_checkpoints.ATTACKS,
        attack_locks.ATTACKS,
        attack_kills.ATTACKS,
    ):
        assert len({attack.name for attack in attacks}) == len(attacks)


def test_the_settings_under_which_it_kills_are_valid() -> None:
    study = Study(config.check(chaos.settings(epochs=10)))
    assert list(study.runs) == [chaos.RUN]
