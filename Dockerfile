# Everything installed: docker build --build-arg COMMIT=$(git rev-parse HEAD) -t hadaptive .
# Table 7 into this folder:   mkdir -p paper_tables results && docker run --rm -u $(id -u):$(id -g) \
#     -v $PWD/paper_tables:/hadaptive/paper_tables -v $PWD/results:/hadaptive/results hadaptive
# Any user id may run it; nothing is written to the home folder.
ARG BASE=debian:bookworm-slim
FROM ${BASE}

# gcc and Python's headers: Triton and torch.compile build their launchers at run time
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates gcc git libc6-dev python3 python3-dev python3-venv \
 && rm -rf /var/lib/apt/lists/*

ENV UV_PROJECT_ENVIRONMENT=/opt/venv UV_LINK_MODE=copy UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir uv==0.13.8

# a layer that changes with the dependencies alone
WORKDIR /hadaptive
COPY pyproject.toml README.md ./
RUN /opt/uv/bin/uv sync --compile-bytecode --no-install-project --no-dev --extra pipeline --extra detect --extra text

COPY . .
# the commit that records of packed code name; the folder is open to any user id
ARG COMMIT=
RUN /opt/uv/bin/uv sync --compile-bytecode --no-dev --extra pipeline --extra detect --extra text \
 && python3 -c "import json,sys; json.dump({'git_commit': sys.argv[1] or None, 'git_dirty': None}, open('commit.json', 'w'))" "${COMMIT}" \
 && chmod -R a+rwX /hadaptive

# a user id without a name, a home that is read-only or missing: all caches go to /tmp
ENV PATH=/opt/venv/bin:$PATH HADAPTIVE_CONTAINER=1 HOME=/tmp USER=hadaptive XDG_CACHE_HOME=/tmp/cache MPLCONFIGDIR=/tmp/matplotlib
USER 1000
CMD ["snakemake", "--cores", "all", "paper_tables/table7.tex"]
