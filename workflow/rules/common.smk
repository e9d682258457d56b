import atexit
import shutil
import sys
import time
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp

from snakemake.utils import available_cpu_count, min_version

min_version("9.18")

STARTED = time.time()

# `.venv/bin/snakemake` without an activated environment must still find this environment's python, unless the job runs in
# a container, which has its own. A job that a signal ends cannot say so; the function around `python` does, into the
# job's log, as the redirection of the rule holds for it.
shell.prefix(
    f'[ -n "${{{{HADAPTIVE_CONTAINER:-}}}}" ] || export PATH="{Path(sys.executable).parent}:$PATH"; '
    'python() {{ command python "$@" && return; set -- $? "$@"; '
    '[ $1 -le 128 ] || command python -m hadaptive.ended "$@"; return $1; }}; '
)

sys.path.insert(0, str(workflow.basedir))
from hadaptive import config as configuration
from hadaptive import devices, guide, preload, stopping
from hadaptive.data.settings import DATASETS
from hadaptive.errors import UserError
from hadaptive.identity import code_id, file_id
from hadaptive.paper import files
from hadaptive.paper.spec import records_needed
from hadaptive.records import PUBLISHED, PUBLISHED_FILES, write_text
from hadaptive.study import Study
from hadaptive.study.measures import MEASURES, inputs, measure_code
from hadaptive.study.runs import depends_on, manifests_of, trainer_code

# Not by `configfile:`, which would run expressions that a file asks to have run. For the same reason --configfile is
# refused, although Snakemake has read its file by now.
try:
    if workflow.overwrite_configfiles:
        raise UserError(
            "--configfile is not taken, as Snakemake can run its content as code; "
            "edit params.yaml, or give single settings by --config KEY=VALUE"
        )
    study = Study(configuration.load(given=config))
    for word in sys.argv[1:]:
        study.check_target(word)
    study.bundle  # what cannot be shown is an error before anything runs
    if workflow.resource_settings.cores == 0:  # Snakemake would wait for ever
        raise UserError(
            "--cores 0 runs nothing; give it at least one core, for example --cores 8"
        )
except UserError as error:
    print(error, file=sys.stderr, flush=True)
    raise SystemExit(1)  # a WorkflowError would put a file and a line of ours before it

if workflow.resource_settings.nodes is None:  # on this machine, whatever --cores says
    workflow.register_resource("processors", available_cpu_count())


container: "hadaptive.sif"  # with --sdm apptainer alone; apptainer.def says how to build it


SCALE = study.scale
SETTINGS = study.params.model_dump_json(exclude_unset=True)


wildcard_constraints:
    net="[A-Za-z0-9_]+/[A-Za-z0-9_]+",  # model/variant
    dataset="[A-Za-z0-9_]+",
    side=r"\d+",
    table="|".join(study.tables),
    figure="|".join(study.figures),
    measure="|".join(
        id
        for id, measure in study.measures.items()
        if not MEASURES[measure.kind].exported
    ),
    # not all ids: Snakemake searches this text at every job, and thousands of ids make planning quadratic
    run=f"(?:{'|'.join(sorted({run.task for run in study.runs.values()})) or 'none'})/.+",


def in_file(text):
    """The path of a file that holds `text` and is named after it: one argument of a command holds 128 KiB at most."""
    path = Path(".snakemake/specs", f"{sha256(text.encode()).hexdigest()[:16]}.json")
    if not workflow.dryrun and not (path.exists() and path.read_text() == text):
        write_text(path, text)
    return str(path)


def named(job):
    """For example `train cifar100/starnet_s1/base/seed0`."""
    return " ".join([job.rule.name, "/".join(job.wildcards)])


def asked():
    """The tables and figures that the command makes, with those that are up to date."""
    names = [name for job in workflow.dag.jobs for name in job.wildcards_dict.values()]
    shown = {**study.tables, **study.figures}
    return [shown[name] for name in dict.fromkeys(names) if name in shown]


def verb(rule):
    """The verb of `hadaptive` that a rule runs."""
    return "render" if rule in ("table", "table_not_in_the_paper") else rule


CATEGORIES = {
    "table": "Tables",
    "figure": "Figures",
    "claims": "Claims",
    "bundle": "All on one page",
}


def reported(paths, kind):
    """The paths, marked for `snakemake --report`: by category, with their names and formats as columns."""
    marks = dict(category=CATEGORIES[kind], caption=f"../report/{kind}.rst")
    labels = [
        dict(file=Path(path).stem, format=Path(path).suffix[1:]) for path in paths
    ]
    return [report(path, labels=each, **marks) for path, each in zip(paths, labels)]


def kind(measure):
    return MEASURES[study.measures[measure].kind]


def tables_that_are(compared):
    """A pattern for the names of tables that have, or have not, a version beside the published values."""
    names = [name for name, spec in study.tables.items() if spec.compared is compared]
    return "|".join(names) or "none"
