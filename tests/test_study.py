"""From params.yaml to Runs: derived, shared, restricted, and free of torch."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hadaptive import config, identity
from hadaptive.errors import UserError
from hadaptive.paper.published import published
from hadaptive.paper.spec import records_needed
from hadaptive.recipes import Recipe
from hadaptive.run import Classification, Detection, Measure, NamedMeasure, Search, Text
from hadaptive.study import Study
from hadaptive.study.measures import inputs, measure_code
from hadaptive.study.runs import code_of, depends_on, trainer_code

VALUES = yaml.safe_load((Path(__file__).resolve().parent.parent / "params.yaml").read_text())


def study(**changes: object) -> Study:
    return Study(config.check({**VALUES, **changes}))


IN_TABLE7 = [
    entry["label"]
    for entry in sorted(VALUES["zoo"].values(), key=lambda entry: entry.get("group", 0))
    if "group" in entry
]


def test_every_row_of_table_7_is_a_run() -> None:
    given = study()
    runs = given.runs
    spec = given.tables["table7"]
    assert [row.label for row in spec.rows] == IN_TABLE7
    for row in spec.rows:
        assert f"cifar100/{row.model}/{row.variant}/seed0" in runs
    assert [row.label for row in spec.rows if row.ours] == ["Hadaptive-Net-S", "Hadaptive-Net-M", "Hadaptive-Net-L"]


def test_ids_are_unique_and_say_what_they_are() -> None:
    given = study(scale="paper")
    runs = given.runs
    assert all(run_id == run.id for run_id, run in runs.items())
    assert {run.seed for run in runs.values()} == {0, 1, 2}
    assert runs["cifar100/hadaptive_net_s/dysoft/seed2"].folder == Path(
        "results/paper/cifar100/hadaptive_net_s/dysoft/seed2"
    )


def test_paper_scale_is_the_paper() -> None:
    recipe = study(scale="paper").runs["cifar100/hadaptive_net_s/dysoft/seed0"].recipe
    said = {"lr": 0.001, "weight_decay": 1e-4, "warmup": 0.05, "epochs": 200, "batch_size": 64, "image_size": 224}
    assert {name: getattr(recipe, name) for name in said} == said
    assert recipe.train_examples is None and recipe.precision == "fp32" and recipe.pad == 4 and recipe.flip


def test_one_line_adds_a_baseline_a_variant_a_seed() -> None:
    before = study().runs
    zoo = {**VALUES["zoo"], "resnet18": {"label": "ResNet-18", "group": 3}}
    baseline = study(zoo=zoo)
    assert set(baseline.runs) - set(before) == {"cifar100/resnet18/base/seed0"}
    assert "ResNet-18" in [row.label for row in baseline.tables["table7"].rows]
    variants = {**VALUES["variants"], "slow_tau": {"of": ["hadaptive_net_s"], "options": {"tau_step": 0.005}}}
    added = study(variants=variants).runs
    assert set(added) - set(before) == {"cifar100/hadaptive_net_s/slow_tau/seed0"}
    assert added["cifar100/hadaptive_net_s/slow_tau/seed0"].options == {"tau_step": 0.005}
    scales = {**VALUES["scales"], "demo": {**VALUES["scales"]["demo"], "seeds": [0, 1]}}
    trainings = [run for run in before.values() if not isinstance(run, Search)]  # searches have seeds of their own
    assert len(study(scales=scales).runs) == len(before) + len(trainings)


def test_a_selection_restricts_runs_and_says_so_in_the_table() -> None:
    given = study(models=["hadaptive_net_s", "starnet_s1"])
    assert {run.model for run in given.runs.values()} == {"hadaptive_net_s", "starnet_s1"}
    spec = given.tables["table7"]
    assert len(spec.rows) == len(IN_TABLE7) and spec.sources["cifar100"].selected == ("hadaptive_net_s", "starnet_s1")
    assert {path.parts[3] for path in records_needed(spec)} == {"hadaptive_net_s", "starnet_s1"}


def test_table_13_has_runs_of_text_with_the_papers_settings() -> None:
    given = study(scale="paper")
    runs, spec = given.runs, given.tables["table13"]
    assert len(spec.rows) == 8 and {row.published for row in spec.rows} == set(published("table13"))
    assert {path.parent.relative_to("results/paper").as_posix() for path in records_needed(spec)} == {
        "text_models",
        *(run.id for run in runs.values() if isinstance(run, Text)),
    }
    run = runs["mnli/bert_12/ffn_ach/seed2"]
    assert isinstance(run, Text) and Text.model_validate_json(run.dumps()) == run
    said = {"epochs": 3, "batch_size": 32, "lr": 2e-5, "warmup": 0.1, "weight_decay": 0.01, "word_pieces": 128}
    assert {name: getattr(run.recipe, name) for name in said} == said and run.recipe.width == 768
    assert trainer_code(run) == ("hadaptive.train.text", "hadaptive.nn.text_ach")
    assert trainer_code(runs["mnli/bert_12/base/seed0"]) == ("hadaptive.train.text",)
    assert "768 channels," in spec.about and "px" not in spec.about
    small = study().tables["table13"].about
    assert "64 channels in place of 768" in small and "a small grammar of entailment in place of 10% of MNLI" in small
    assert set(study(models=["bert_6"]).runs) == {
        f"{task}/bert_6/{variant}/seed0"
        for task in ("sst2", "mnli")
        for variant in ("base", "ffn_fixed", "ffn_ach", "ffn_two_thirds")
    }


def test_absent_data_are_a_reason_not_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HADAPTIVE_DATA", raising=False)
    given = study(scale="paper")
    assert "ImageNet-1k" in given.absent["imagenet1k"]
    assert not [run for run in given.runs.values() if run.task == "imagenet1k"]
    assert "not part of scale demo" in study().absent["imagenet1k"]


def test_unknown_run_names_the_nearest() -> None:
    with pytest.raises(UserError, match=r"Did you mean 'cifar100/starnet_s1/base/seed0'"):
        study().find("cifar100/starnet_s1/bas/seed0")


def test_a_run_is_its_json_and_its_key_is_its_content() -> None:
    run = next(iter(study().runs.values()))
    again = Classification.model_validate_json(run.dumps())
    assert again == run and again.dumps() == run.dumps()
    assert run.key("data", "code") == again.key("data", "code")
    other = run.model_copy(update={"seed": run.seed + 1})
    assert (
        len({run.key("data", "code"), other.key("data", "code"), run.key("data2", "code"), run.key("data", "code2")})
        == 4
    )


def test_a_recipe_without_bn_momentum_is_the_recipe_of_before_there_was_one() -> None:
    run = study().runs["cifar100/starnet_s1/base/seed0"]
    assert isinstance(run, Classification)
    null, set_ = (
        run.model_copy(update={"recipe": run.recipe.model_copy(update={"bn_momentum": value})}) for value in (None, 0.3)
    )
    assert "bn_momentum" not in null.dumps() and "bn_momentum" not in null.model_dump()["recipe"]
    assert '"bn_momentum":0.3' in set_.dumps() and set_.key() != null.key()
    assert Classification.model_validate_json(set_.dumps()) == set_


def test_a_model_may_have_its_own_recipe() -> None:
    scales = json.loads(json.dumps(VALUES["scales"]))
    task = scales["demo"]["tasks"]["cifar100"]
    task["recipe_of"] = {"starnet_s1": {"epochs": 7}, "mobileone_s0": {"epochs": 7}, "starnet_s2": {"lr": 0.5}}
    given = study(scales=scales)
    runs, about = given.runs, given.tables["table7"].about
    shared = runs["cifar100/ghostnet_100/base/seed0"].recipe
    assert shared == Recipe.model_validate(task["recipe"])
    assert runs["cifar100/starnet_s1/base/seed0"].recipe == shared.model_copy(update={"epochs": 7})
    assert runs["cifar100/starnet_s1/repl/seed0"].recipe.epochs == 7, "every variant of the model"
    assert runs["cifar100/starnet_s2/base/seed0"].recipe == shared.model_copy(update={"lr": 0.5})
    assert "; epochs 7: StarNet-S1, MobileOne-S0; lr 0.5: StarNet-S2)" in about
    alone = study(scales=scales, models=["ghostnet_100"]).tables["table7"].about
    assert "StarNet" not in alone
    assert "StarNet" not in given.tables["table1"].about, "a table of one model tells the recipes of no other"
    assert "StarNet-S1)" in given.tables["table5"].about and "MobileOne" not in given.tables["table5"].about


def test_planning_needs_no_torch() -> None:
    code = (
        "import sys; from hadaptive import config, identity, guide, devices; from hadaptive.study import Study;"
        "study = Study(config.load()); study.bundle, study.executed, study.records, guide.made(study, [], 0, 1);"
        "heavy = {'torch', 'pandas', 'numpy', 'matplotlib'} & set(sys.modules); assert not heavy, heavy"
    )
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_targets_are_checked_by_name() -> None:
    given = study()
    run, measure = "results/demo/cifar100/starnet_s1/base/seed0", "results/demo/latency/starnet_s1/base"
    tables = (
        "paper_tables/table7.tex",
        "paper_tables/v1_table5_compare.csv",
        "paper_tables/figure3_table.md",
        "paper_tables/claims.md",
        "paper_tables/report.html",
        "results/demo/variance/record.json",
        "paper_tables/figure8.png",
        "results/demo/explain/flower/record.json",
        "paper_tables/table9_compare.tex",
        "paper_tables/figure1.pdf",
        "results/demo/expansions/record.json",
    )
    kernels = ("paper_tables/table4_compare.md", "paper_tables/figure7.png", "results/demo/kernels/figure7/record.json")
    for right in (*tables, *kernels, "all", f"{run}/best.pt", f"{measure}/record.json"):
        given.check_target(right)
    with pytest.raises(UserError, match=r"Did you mean 'paper_tables/table7\.tex'"):
        given.check_target("paper_tables/tabel7.tex")
    with pytest.raises(
        UserError, match=r"at scale demo\. Did you mean 'results/demo/cifar100/starnet_s1/base/seed0/record\.json'"
    ):
        given.check_target("results/demo/cifar100/starnet_s1/base/seed1/record.json")
    with pytest.raises(UserError, match=r"Did you mean 'paper_tables/figure7\.pdf'"):
        given.check_target("paper_tables/figur7.pdf")
    with pytest.raises(UserError, match=r"Did you mean 'results/demo/kernels/table4/record\.json'"):
        given.check_target("results/demo/kernels/table5/record.json")


def test_table_4_and_figure_7_have_one_record_each() -> None:
    given = study()
    table, figure = given.tables["table4"], given.figures["figure7"]
    assert records_needed(table) == [Path("results/demo/kernels/table4/record.json")]
    assert records_needed(figure) == [Path("results/demo/kernels/figure7/record.json")]
    assert [row.published for row in table.rows] == [*published("table4"), "fused"]
    assert table.demonstration and figure.demonstration
    assert not study(scale="paper").tables["table4"].demonstration


def test_kernel_measures_have_their_settings_from_params() -> None:
    given = study()
    table4, figure7 = (given.measures[f"kernels/{name}"] for name in ("table4", "figure7"))
    assert table4.settings["options"] == {"norm": "dysoft"}
    assert table4.settings["runs"] == VALUES["scales"]["demo"]["latency"]["runs"]
    assert (table4.settings["model"], table4.settings["image_size"]) == ("hadaptive_net_l", 224)
    sweep = VALUES["scales"]["demo"]["kernels"]
    assert {name: figure7.settings[name] for name in sweep} == sweep
    assert NamedMeasure.model_validate_json(figure7.dumps()) == figure7


def test_table_4_without_its_net_says_so() -> None:
    assert records_needed(study(models=["starnet_s1"]).tables["table4"]) == []
    zoo = {name: entry for name, entry in VALUES["zoo"].items() if name != "hadaptive_net_l"}
    variants = {
        name: {**entry, "of": [model for model in entry["of"] if model != "hadaptive_net_l"]}
        for name, entry in VALUES["variants"].items()
    }
    detection = {"mobilenetv2_100": {"label": "MobileNetV2-1.0"}}
    scales = copy.deepcopy(VALUES["scales"])
    del scales["demo"]["tasks"]["cifar100"]["recipe_of"]["hadaptive_net_l"]
    given = study(zoo=zoo, variants=variants, detection=detection, scales=scales)
    assert given.tables["table4"].sources["table4"].absent == "hadaptive_net_l is not in the zoo"
    rows = given.tables["v1_table5"].rows
    assert [row.absent for row in rows if row.absent] == ["hadaptive_net_l/v1 is not in params.yaml"]


def test_every_row_of_every_table_is_run_and_table_7_asks_for_its_own_alone() -> None:
    given = study()
    runs, measures = given.runs, given.measures
    tables = given.tables
    made = {str(each.folder / "record.json") for each in [*runs.values(), *measures.values()]}
    for name in set(tables) - {"table4", "table9"}:
        assert not [row.label for row in tables[name].rows if row.absent]
        assert {str(path) for path in records_needed(tables[name])} <= made
    asked = {path.parts[4] for path in records_needed(tables["table7"])}
    assert asked == {"base", "dysoft"}
    shared = {path for path in records_needed(tables["table2"]) if path in records_needed(tables["v1_table3"])}
    assert [path.parts[4] for path in shared] == ["repl_v1"]


def test_table_2_reads_both_modules() -> None:
    needed = [path.parts[4] for path in records_needed(study().tables["table2"])]
    blocks = ["repl_0", "repl_1", "repl_9", "repl_8", "repl_10", "repl"]
    assert needed == ["base", *blocks, *(f"{block}_v1" for block in blocks)]


def test_retrofits_depend_on_its_code_and_baselines_do_not() -> None:
    runs = study().runs
    code = {
        variant: code_of(model, runs[f"cifar100/{model}/{variant}/seed0"].options)
        for model, variant in (("starnet_s1", "base"), ("starnet_s1", "repl"), ("hadaptive_net_s", "dysoft"))
    }
    assert code == {"base": (), "repl": ("hadaptive.nn.retrofit",), "dysoft": ("hadaptive.nn.hadaptive_net",)}
    closure = identity.closure("hadaptive.train.classify")
    assert not {"hadaptive.nn.ach", "hadaptive.nn.retrofit"} & set(closure)
    assert "hadaptive.nn.ach" in identity.closure("hadaptive.nn.retrofit")
    assert "hadaptive.nn.retrofit" not in identity.closure("hadaptive.measure.record")


def test_variances_are_measured_on_the_trained_nets_of_figure_3() -> None:
    given = study()
    measure = given.measures["variance"]
    assert Measure.model_validate_json(measure.dumps()) == measure
    figure3 = {str(path.parent / "last.pt") for path in records_needed(given.tables["figure3_table"])}
    weights = {how["weights"] for how in measure.settings["variants"].values()}
    assert weights < figure3 and len(weights) == 2
    assert inputs(measure) == ["data/prepared/digits/manifest.json", *sorted(weights, reverse=True)]
    without = study(models=["starnet_s1"])
    assert inputs(without.measures["variance"]) == []
    assert without.measures["variance"].settings["variants"] == {}


def test_grad_cam_looks_with_every_seed_of_both_nets() -> None:
    given = study(scale="paper")
    flower, china = given.measures_of("explain")
    assert (flower.id, china.id) == ("explain/flower", "explain/china")
    nets = [(net["variant"], net["seed"]) for net in flower.settings["nets"]]
    assert nets == [(variant, seed) for variant in ("all_ghost", "dysoft") for seed in (0, 1, 2)]
    trained = {str(run.folder / "last.pt") for run in given.runs.values()}
    assert {net["weights"] for net in flower.settings["nets"]} < trained
    files = inputs(flower)
    assert files[0] == "data/prepared/cifar100/manifest.json" and len(files) == 7
    assert NamedMeasure.model_validate_json(flower.dumps()).id == "explain/flower"
    figure = given.figures["figure9"]
    layers = Path("results/paper/structure/hadaptive_net_s/dysoft/record.json")  # named where there are no maps
    assert records_needed(figure) == [Path("results/paper/explain/china/record.json"), layers]
    assert not figure.demonstration
    assert "CC BY 2.0" in figure.about and "224 px" in figure.about
    without = study(models=["starnet_s1"])
    assert without.measures["explain/china"].settings["nets"] == []
    assert inputs(without.measures["explain/china"]) == []


def test_figures_that_are_counted_need_no_training() -> None:
    given = study(models=["starnet_s1"])  # whatever is trained
    figures = given.figures
    structure = Path("results/demo/structure/hadaptive_net_s/dysoft/record.json")
    assert records_needed(figures["figure2"]) == records_needed(figures["figure4"]) == [structure]
    assert records_needed(given.tables["table9"]) == [structure]
    expansions = [Path("results/demo/expansions/record.json")]
    assert records_needed(figures["figure5"]) == records_needed(figures["figure6"]) == expansions
    assert records_needed(figures["figure1"]) == records_needed(given.tables["table7"])
    assert not figures["figure5"].demonstration and figures["figure1"].demonstration
    measure = given.measures["expansions"]
    assert Measure.model_validate_json(measure.dumps()) == measure
    assert {measure.settings["channels"][0], measure.settings["channels"][-1]} == {16, 512}


def test_what_the_net_is_made_of_decides_when_it_is_described_again() -> None:
    described = {*identity.closure("hadaptive.measure.structure"), *identity.closure("hadaptive.nn.hadaptive_net")}
    assert {"hadaptive.nn.ach", "hadaptive.nn.blocks", "hadaptive.nn.norms", "hadaptive.nn.hadaptive_net"} <= described
    drawn = set(identity.closure("hadaptive.paper.figures.figure2"))
    assert not {name for name in drawn if name.startswith(("hadaptive.nn", "hadaptive.measure", "kernels"))}
    assert "hadaptive.nn.ach" in identity.closure("hadaptive.measure.expansions")


def test_claims_read_the_tables_they_speak_of() -> None:
    spec = study().claims
    assert set(spec.tables) == {
        "table1",
        "table2",
        "table3",
        "table4",
        "table5",
        "table6",
        "table7",
        "table8",
        "table13",
        "figure3_table",
        "v1_table1",
    }
    needed = records_needed(spec)
    assert len(needed) == len(set(needed))
    alone = ["variance", "expansions", "kernels/figure7", "explain/flower", "explain/china"]
    assert needed[-5:] == [Path(f"results/demo/{each}/record.json") for each in alone]
    assert spec.demonstration


def test_table_6_trains_its_backbones_and_classifies_none_of_them_for_it() -> None:
    given = study()
    runs = given.runs
    detectors = [run for run in runs.values() if isinstance(run, Detection)]
    assert [run.id for run in detectors] == [
        f"coco/{name}/seed0"
        for name in (
            "mobilenetv3_small_100/base",
            "mobilenetv2_100/base",
            "ghostnetv3_100/base",
            "hadaptive_net_s/dysoft",
            "hadaptive_net_m/dysoft",
            "hadaptive_net_l/dysoft",
        )
    ]
    assert not any(run.model == "mobilenetv2_100" for run in runs.values() if isinstance(run, Classification))
    assert trainer_code(detectors[-1]) == ("hadaptive.train.detect", "hadaptive.nn.hadaptive_net")
    assert "hadaptive.nn.ach" not in identity.closure("hadaptive.train.detect"), "ACH retrains no baseline"
    detection = {**VALUES["detection"], "starnet_s1": {"label": "StarNet-S1"}}
    added = study(detection=detection)
    assert set(added.runs) - set(runs) == {"coco/starnet_s1/base/seed0"}
    assert "StarNet-S1" in [row.label for row in added.tables["table6"].rows]
    one = study(models=["mobilenetv2_100"])
    assert list(one.runs) == ["coco/mobilenetv2_100/base/seed0"]
    assert one.figures["figure_detections"].records == ()


def test_parameters_need_neither_coco_nor_a_training() -> None:
    given = study(scale="cpu", reference="only")
    for table, source in (("table6", "detectors"), ("table13", "text_models")):
        assert {given.tables[table].why_not(row, source) for row in given.tables[table].rows} == {None}
    assert not {"detectors", "text_models"} & given.not_run
    assert given.measures["text_models"].settings["width"] == 128, "as wide as the scale trains them"
    few = study(scale="cpu", reference="only", models=["starnet_s1"])
    assert few.measures["detectors"] == given.measures["detectors"], "the models selected change no setting"
    none = study(scale="gpu_100").tables["table13"]
    assert "text_models" not in study(scale="gpu_100").measures
    assert none.why_not(none.rows[0], "text_models") == "not part of scale gpu_100"


def test_a_change_of_ach_counts_its_models_again() -> None:
    measures = study().measures
    assert measure_code(measures["detectors"]) == ("hadaptive.measure.detectors", "hadaptive.nn.hadaptive_net")
    assert measure_code(measures["text_models"]) == ("hadaptive.measure.text_models", "hadaptive.nn.text_ach")


def test_captions_speak_of_their_own_task() -> None:
    given = study()
    assert "shapes" not in given.tables["table7"].about
    assert "shapes" in given.tables["table6"].about and "digits" not in given.tables["table6"].about


def test_the_picture_is_of_the_largest_of_our_nets() -> None:
    assert study().figures["figure_detections"].records == ("coco/hadaptive_net_l/dysoft/seed0",)
    few = study(models=["hadaptive_net_s", "mobilenetv3_small_100"])
    assert few.figures["figure_detections"].records == ("coco/hadaptive_net_s/dysoft/seed0",)


def test_a_found_net_depends_on_its_searches_and_baselines_know_nothing_of_them() -> None:
    given = study()
    runs = given.runs
    run, seeds = (
        runs["cifar100/hadaptive_net_found/table10/seed0"],
        VALUES["scales"]["demo"]["tasks"]["search"]["seeds"],
    )
    searched = [f"results/demo/search/table10/seed{seed}/record.json" for seed in seeds]
    assert depends_on(run) == searched
    assert depends_on(given.measures["complexity/hadaptive_net_found/table10"]) == searched
    assert depends_on(runs["cifar100/starnet_s1/base/seed0"]) == []
    assert set(map(str, records_needed(given.tables["table10"]))) == set(searched)
    assert trainer_code(run) == ("hadaptive.train.classify", "hadaptive.nn.found")
    search = runs["search/table10/seed0"]
    assert isinstance(search, Search) and Search.model_validate_json(search.dumps()) == search
    for module in ("hadaptive.train.classify", "hadaptive.measure.record"):
        assert not [name for name in identity.closure(module) if "search" in name or name.endswith((".ach", ".found"))]
    assert "hadaptive.nn.ach" in identity.closure(trainer_code(search)[0])


def test_searches_are_left_out_by_a_scale_or_a_selection() -> None:
    found = "hadaptive_net_found"
    assert {run.model for run in study(models=[found]).runs.values()} == {found, "hadaptive_net"}
    demo = {**VALUES["scales"]["demo"], "tasks": {"cifar100": VALUES["scales"]["demo"]["tasks"]["cifar100"]}}
    without = study(scales={**VALUES["scales"], "demo": demo})
    assert not [run for run in without.runs.values() if isinstance(run, Search) or run.model == found]
    spec = without.tables["table3"]
    assert spec.sources["search"].absent == "not part of scale demo" and records_needed(spec) == []
    assert records_needed(without.figures["figure_search"]) == []
    assert study(scale="paper").runs["search/table3/seed2"].recipe.epochs == 250
