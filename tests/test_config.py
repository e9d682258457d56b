"""params.yaml: what is right passes; what is wrong gets one line naming file, line, key and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from hadaptive import config
from hadaptive.errors import UserError
from hadaptive.paper.published import published

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "params.yaml").read_text()


def problems(tmp_path: Path, old: str, new: str) -> str:
    path = tmp_path / "params.yaml"
    assert old in TEXT, f"the test's premise is gone: {old!r} is not in params.yaml"
    path.write_text(TEXT.replace(old, new, 1))
    with pytest.raises(UserError) as caught:
        config.load(path)
    return str(caught.value).replace(str(tmp_path) + "/", "")


def line_of(words: str) -> int:
    return next(number for number, line in enumerate(TEXT.splitlines(), 1) if words in line)


def test_the_project_file_is_valid() -> None:
    params = config.load(ROOT / "params.yaml")
    assert params.scale == "demo" and set(params.scales) == {
        "demo",
        "cpu",
        "cpu_x3",
        "cpu_x10",
        "gpu",
        "gpu_100",
        "gpu_200",
        "paper",
    }
    ladder = [params.scales[name].tasks.cifar100.recipe for name in ("gpu", "gpu_100", "gpu_200")]
    assert [recipe.epochs for recipe in ladder] == [30, 100, 200]
    assert len({recipe.model_copy(update={"epochs": 0}) for recipe in ladder}) == 1, "nothing else differs"
    in_table7 = {entry.label for entry in params.zoo.values() if entry.group is not None}
    assert in_table7.issuperset(published("table7")), "the paper's models are all there"


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        (
            "recipe: {epochs: 2,",
            "recipe: {epoch: 2,",
            "bn_momentum: 0.5",
            ["'epoch'", "scales.demo.tasks.cifar100.recipe", "'epochs'"],
        ),
        ("latency: {runs: 50", "latency: {run: 50", "runs: 50", ["'run'", "scales.demo.latency", "'runs'"]),
        ("\nmodels: all", "\nmodel: all", "models: all", ["unknown key 'model'", "'models'"]),
        ("\ndata:", "\ndate:", "data:", ["unknown key 'date'", "'data'"]),
        ("  demo:\n    about", "  demo:\n    abuot", "the whole machine", ["'abuot'", "scales.demo", "'about'"]),
        ("label: StarNet-S1,", "lable: StarNet-S1,", "StarNet-S1", ["'lable'", "zoo.starnet_s1", "'label'"]),
        ("dataset: digits", "dataset: digit", "dataset: digits", ["unknown data set 'digit'", "'digits'"]),
        (
            "      cifar100:\n        dataset: digits",
            "      cifar10:\n        dataset: digits",
            "      cifar100:",
            ["cifar10"],
        ),
        ("scale: demo", "scale: dmeo", "scale: demo", ["unknown scale 'dmeo'", "'demo'"]),
        ("of: [hadaptive_net_m, ", "of: [hadaptive_net_x, ", "as_released:", ["unknown model 'hadaptive_net_x'"]),
        (
            "group: 1, variant: dysoft",
            "group: 1, variant: dysofd",
            "Hadaptive-Net-S",
            ["variant of hadaptive_net_s", "'dysoft'"],
        ),
        (
            "{epochs: 2,",
            "{epochs: two,",
            "bn_momentum: 0.5",
            ["scales.demo.tasks.cifar100.recipe.epochs", "integer", "'two'"],
        ),
        ("{epochs: 2,", "{epochs: 0,", "bn_momentum: 0.5", ["epochs", "greater than or equal to 1"]),
        ("bn_momentum: 0.5", "bn_momentum: 1.5", "bn_momentum: 0.5", ["recipe.bn_momentum", "less than or equal to 1"]),
        ("bn_momentum: 0.5", "bn_momentum: 0", "bn_momentum: 0.5", ["recipe.bn_momentum", "greater than 0"]),
        ("{epochs: 8,", "{bn_momentum: 0.3,", "epochs: 8,", ["tasks.search.recipe.bn_momentum", "None"]),
        (
            "mobileone_s0: {epochs: 5,",
            "mobileone_s0: {epoch: 5,",
            "mobileone_s0: {epochs: 5,",
            ["unknown key 'epoch' in scales.demo.tasks.cifar100.recipe_of.mobileone_s0", "'epochs'"],
        ),
        (
            "mobileone_s0: {epochs: 5,",
            "mobileone_0: {epochs: 5,",
            "mobileone_s0: {epochs: 5,",
            ["scales.demo.tasks.cifar100.recipe_of.mobileone_0", "unknown model 'mobileone_0'", "'mobileone_s0'"],
        ),
        ("seeds: [0, 1, 2]", "seeds: [0, 1, 1]", "seeds: [0, 1, 2]", ["scales.gpu.seeds", "repeat"]),
        ("seeds: [0, 1, 2]", "seeds: []", "seeds: [0, 1, 2]", ["scales.gpu.seeds", "at least 1"]),
        (
            "kernels: {batches: [1,",
            "kernels: {batch: [1,",
            "Figure 7",
            ["unknown key 'batch' in scales.demo.kernels", "'batches'"],
        ),
        (
            "channels: [4, 16, 64]",
            "channels: [1, 16]",
            "Figure 7",
            ["kernels.channels.0", "greater than or equal to 2"],
        ),
        ("channels: [4, 16, 64]", "channels: [512]", "Figure 7", ["kernels.channels.0", "less than or equal to 256"]),
        ("channels: [4, 16, 64]", "channels: []", "Figure 7", ["scales.demo.kernels.channels", "at least 1"]),
        ("sizes: [4, 7, 14", "sizes: [4, 4, 14", "Figure 7", ["scales.demo.kernels.sizes", "sizes repeat"]),
        (
            "32, 33], runs: 5",
            "32, 33], runs: 0",
            "Figure 7",
            ["scales.demo.kernels.runs", "greater than or equal to 1"],
        ),
        ("models: all", "models: [nope_net]", "models: all", ["unknown model 'nope_net'"]),
        (
            "  dysoft: {of: [hadaptive_net_s, hadaptive_net_m, hadaptive_net_l], options: {norm: dysoft}}",
            "  dysoft: {of: [hadaptive_net_s, hadaptive_net_m, hadaptive_net_l], options: {norm: .inf}}",
            "  dysoft: {of:",
            ["variants.dysoft.options", "finite numbers"],
        ),
        ("label: StarNet-S2", "label: StarNet-S1", "label: StarNet-S2", ["zoo.starnet_s2.label", "starnet_s1 too"]),
    ],
)
def test_a_mistake_names_its_line_and_the_remedy(
    tmp_path: Path, old: str, new: str, line: str, words: list[str]
) -> None:
    message = problems(tmp_path, old, new)
    assert f"params.yaml:{line_of(line)}:" in message
    for word in words:
        assert word in message, message
    assert len(message.splitlines()) <= 2, message


def test_a_repeated_key_is_not_silently_dropped(tmp_path: Path) -> None:
    message = problems(
        tmp_path, "  base_never: x" if False else "\nvariants:\n", "\nvariants:\n  dysoft: {of: [hadaptive_net_s]}\n"
    )
    assert "variants.dysoft" in message and "twice" in message


def test_a_zoo_without_a_group_is_refused_by_name() -> None:
    values = yaml.safe_load(TEXT)
    lone = {"zoo": {"resnet18": {"label": "ResNet-18"}}, "variants": {}}
    with pytest.raises(UserError, match="zoo: no model has a group, and Table 7 would have no row"):
        config.check({**values, **lone})


def test_broken_yaml_and_missing_file(tmp_path: Path) -> None:
    assert "not valid YAML" in problems(tmp_path, "scale: demo", "scale: [demo")
    with pytest.raises(UserError, match="is missing"):
        config.load(tmp_path / "none.yaml")
    (tmp_path / "empty.yaml").write_text("")
    with pytest.raises(UserError, match="must hold keys and values"):
        config.load(tmp_path / "empty.yaml")


def test_command_line_forms() -> None:
    values = yaml.safe_load(TEXT)
    given = config.check({**values, "models": "hadaptive_net_s, starnet_s1", "scale": "cpu"})
    assert given.models == ["hadaptive_net_s", "starnet_s1"] and given.scale == "cpu"
    assert config.check({**values, "models": ["starnet_s1"]}).models == ["starnet_s1"]


def test_yaml_exponents_are_numbers(tmp_path: Path) -> None:
    # YAML 1.1 reads 1e-3 as text; a user means a number
    path = tmp_path / "params.yaml"
    path.write_text(TEXT.replace("lr: 0.002,", "lr: 2e-3,"))
    task = config.load(path).scales["demo"].tasks.cifar100
    assert task is not None and task.recipe.lr == 0.002


def test_committed_schema_is_current() -> None:
    assert (ROOT / "workflow/params.schema.json").read_text() == config.dump_schema(), "run `hadaptive schema`"


def test_a_value_from_the_command_line_is_not_blamed_on_a_line() -> None:
    with pytest.raises(UserError, match=r"^params\.yaml or --config: scale: unknown scale 'dmeo'"):
        config.check({**yaml.safe_load(TEXT), "scale": "dmeo"}, Path("params.yaml"))


@pytest.mark.parametrize(
    ("model", "how", "said"),
    [
        ("mobilenetv3_small_100", "last2", """retrofit='last2': give "paper" or the arguments of retrofit"""),
        (
            "mobilenetv3_small_100",
            {"select": 11},
            "select=11 matches no replaceable block; replaceable are 0: blocks.0.0",
        ),
        ("mobilenetv3_small_100", {"select": 9, "k": 97}, "choose from 2 to its 96 channels"),
        ("mobilenetv3_small_100", {"nrom": "dysoft"}, "unexpected keyword argument 'nrom'"),
        (
            "resnet18",
            "paper",
            "retrofit of resnet18 needs `select`; the paper replaces blocks of mobilenetv3_small_100",
        ),
    ],
)
def test_a_variant_that_cannot_be_built_stops_its_own_run_with_one_message(model: str, how: object, said: str) -> None:
    from hadaptive.study import Study
    from hadaptive.train.classify import build

    values = yaml.safe_load(TEXT)
    zoo = {**values["zoo"], model: {"label": model}}
    variants = {**values["variants"], "odd": {"of": [model], "options": {"retrofit": how}}}
    study = Study(config.check({**values, "zoo": zoo, "variants": variants}))
    run = study.runs[f"cifar100/{model}/odd/seed0"]
    with pytest.raises(UserError) as caught:
        build(run, 10)
    message = str(caught.value)
    assert message.startswith(f"{model}, variant odd: ") and said in message and "correct it in params.yaml" in message
    assert len(message.splitlines()) == 1


def test_the_limit_of_the_sweep_is_that_of_the_kernels() -> None:
    from kernels.dispatch import MAX_K

    assert config.MAX_CHANNELS == MAX_K
