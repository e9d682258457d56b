import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.18")

# `.venv/bin/snakemake` without an activated environment must still find this environment's python
shell.prefix(f'export PATH="{Path(sys.executable).parent}:$PATH"; ')

sys.path.insert(0, str(workflow.basedir))
from hadaptive import config as configuration
from hadaptive import devices, study, guide
from hadaptive.data.settings import DATASETS
from hadaptive.errors import UserError
from hadaptive.identity import code_id, file_id
from hadaptive.paper import files
from hadaptive.paper.spec import records_needed
from hadaptive.records import write_text


configfile: "params.yaml"


try:
    PARAMS = configuration.check(config)
    for word in sys.argv[1:]:
        study.check_target(PARAMS, word)
    TABLES = study.tables(PARAMS)
except UserError as error:
    raise WorkflowError(f"\n{error}")
if workflow.resource_settings.cores == 0:  # Snakemake would wait for ever
    raise WorkflowError(
        "--cores 0 runs nothing; give it at least one core, for example --cores 8"
    )

SCALE = PARAMS.scale
RUNS = study.runs(PARAMS)
MEASURES = study.measures(PARAMS)
KERNELS = study.kernel_measures(PARAMS)
VARIANCE = study.variance_measure(PARAMS)
EXPLAINED = study.explain_measures(PARAMS)
STRUCTURE = study.structure_measure(PARAMS)
EXPANSIONS = study.expansion_measure(PARAMS)
CLAIMS = study.claims(PARAMS)
FIGURES = study.figures(PARAMS)
BUNDLE = study.bundle(PARAMS)
PAPER_TABLES = Path("paper_tables")


wildcard_constraints:
    model="[A-Za-z0-9_]+",
    variant="[A-Za-z0-9_]+",
    dataset="[A-Za-z0-9_]+",
    table="|".join(TABLES),
    figure="|".join(FIGURES),
    measure="|".join(KERNELS),
    image="|".join(EXPLAINED),
    # not all ids: Snakemake searches this text at every job, and thousands of ids make planning quadratic
    run=f"(?:{'|'.join(sorted({run.task for run in RUNS.values()})) or 'none'})/.+",
