"""Content identity of code, for keys of finished Runs and for Snakemake's `params:`.

Why not file times: after a clone sources are newer or older than results for no reason, and a change would be missed or
everything trained again. Why the syntax tree: a comment, a docstring or a blank line must not retrain 120 models.
The identity of a module is that of its own tree and of all project modules it imports, statically and directly.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Plumbing that cannot change a result: naming, writing and reporting it.
# The recipe a Run follows is among its settings, so the classes that hold them need not be here as well.
PLUMBING = {"hadaptive", "hadaptive.train.progress"} | {
    f"hadaptive.{name}"
    for name in ("devices", "errors", "identity", "recipes", "record", "records", "run", "tracking", "units")
}
PLUMBING |= {f"hadaptive.record.{name}" for name in ("bitmap", "files", "kinds", "measures", "parts", "trainings")}

# Modules that make, train, count and export every model, and modules of ACH, which they import for some: the latter
# count only where they are named besides (`study.runs`), so that a change of ACH trains no baseline again.
OF_EVERY_MODEL = {
    "hadaptive.nn.zoo",
    "hadaptive.nn.text",
    "hadaptive.train.classify",
    "hadaptive.measure.complexity",
    "hadaptive.measure.export",
    "hadaptive.measure.record",
}
OF_ACH = {
    "hadaptive.nn.ach",
    "hadaptive.nn.hadaptive_net",
    "hadaptive.nn.found",
    "hadaptive.nn.retrofit",
    "hadaptive.nn.text_ach",
    "hadaptive.train.as_released",
    "hadaptive.measure.fast_form",
}


def _file(module: str) -> Path | None:
    path = ROOT.joinpath(*module.split("."))
    if path.with_suffix(".py").is_file():
        return path.with_suffix(".py")
    return path / "__init__.py" if (path / "__init__.py").is_file() else None


@cache
def _tree(path: Path) -> ast.Module:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in [tree, *_statements(tree)]:
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            first = node.body[0] if node.body else None
            docstring = first.value if isinstance(first, ast.Expr) else None
            if isinstance(docstring, ast.Constant) and isinstance(docstring.value, str):
                node.body = node.body[1:]
    return tree


BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")  # fields of a syntax tree that hold statements


def _statements(node: ast.AST, but: Callable[[ast.AST], bool] = lambda _: False) -> Iterator[ast.AST]:
    """Yield every statement below a node `but` some. Expressions, most of a tree, hold none and are not entered."""
    for name in BLOCKS:
        for each in getattr(node, name, ()):
            if not but(each):
                yield each
                yield from _statements(each, but)


def _running(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield every statement but those under `if TYPE_CHECKING:`, which never run."""
    return _statements(tree, but=_never_runs)


def _never_runs(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


@cache
def _imports(module: str, path: Path) -> frozenset[str]:
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    names: set[str] = set()
    for node in _running(_tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                base = ".".join(parents[: len(parents) - node.level + 1] + ([base] if base else []))
            names |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return frozenset(names)


@cache
def closure(module: str) -> tuple[str, ...]:
    """Sort the names of `module`, its parent packages and every project module that it imports, save plumbing.

    Modules of ACH are not reached from those of every model.
    """
    seen: set[str] = set()
    todo = [module]
    while todo:
        name = todo.pop()
        path = _file(name)
        if path is None or name in seen or name in PLUMBING:
            continue
        seen.add(name)
        parts = name.split(".")
        todo += [".".join(parts[:n]) for n in range(1, len(parts))]
        todo += [imported for imported in _imports(name, path) if not (name in OF_EVERY_MODEL and imported in OF_ACH)]
    return tuple(sorted(seen))


def _canonical(node: object) -> str:
    # ast.dump itself differs between Python versions: 3.12 added type_params, 3.13 leaves empty lists out.
    if isinstance(node, ast.AST):
        names = [name for name in node._fields if name not in ("ctx", "kind", "type_comment")]
        kept = [(name, value) for name in names if (value := getattr(node, name, None)) not in (None, [])]
        return f"{type(node).__name__}({','.join([f'{name}={_canonical(value)}' for name, value in kept])})"
    if isinstance(node, list):
        # 3.12.0 and 3.12.1 put empty strings into f-strings.
        kept_items = [x for x in node if not (isinstance(x, ast.Constant) and x.value == "" and len(node) > 1)]
        return f"[{','.join(map(_canonical, kept_items))}]"
    return repr(node)


@cache
def _text(path: Path) -> bytes:
    return _canonical(_tree(path)).encode()


@cache
def code_id(*modules: str) -> str:
    """Hash the code behind these modules, the same on every Python. LookupError for an unknown module."""
    digest = hashlib.sha256()
    names: set[str] = set()
    for module in modules:
        if _file(module) is None:
            raise LookupError(f"no module {module} in this project")
        names |= set(closure(module))
    for name in sorted(names):
        path = _file(name)
        assert path is not None
        digest.update(name.encode() + b"\0" + _text(path) + b"\0")
    return digest.hexdigest()[:16]


@cache
def file_id(*paths: str) -> str:
    """Hash files (templates, published numbers) by their bytes; a folder stands for all files below it."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        target = ROOT / path
        for file in sorted(target.rglob("*")) if target.is_dir() else [target]:
            if file.is_file():
                digest.update(f"{file.relative_to(ROOT).as_posix()}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
