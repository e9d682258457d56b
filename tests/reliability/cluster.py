"""A Kubernetes API server on loopback, for Snakemake's plugin: it keeps what is posted and says how it ended."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Json = dict[str, Any]
TOKEN = "token-of-the-submitting-user"
LOG = "what the pod printed"


class Cluster:
    """Jobs by name as they were posted, and their pods' exit codes; `pod` starts one and returns what says its code."""

    def __init__(self, pod: Callable[[Json], Callable[[], int | None]]) -> None:
        self.jobs: dict[str, Json] = {}
        self.secrets: list[Json] = []
        self.deleted: list[str] = []
        self.asked: set[tuple[str, str, str]] = set()  # API group, resource, verb
        self.pod = pod
        self.ended: dict[str, Callable[[], int | None]] = {}

    def answer(self, method: str, path: str, query: str, body: Json) -> tuple[int, Json | str]:
        """Status and body of a response, as the real server's."""
        parts = path.strip("/").split("/")
        group, (resource, *rest) = parts[1] if parts[0] == "apis" else "", parts[parts.index("namespaces") + 2 :]
        verb = {"POST": "create", "DELETE": "delete"}.get(method, "get" if rest else "list")
        self.asked.add((group, "/".join([resource, *rest[1:]]), verb))
        name = parts[-2] if parts[-1] in ("status", "log") else parts[-1]
        if method == "POST" and parts[-1] == "secrets":
            self.secrets.append(body)
            return 201, body
        if method == "POST" and parts[-1] == "jobs":
            if refused := _refused(body):
                return 422, {"kind": "Status", "status": "Failure", "message": refused}
            name = body["metadata"]["name"]
            self.jobs[name] = body
            self.ended[name] = self.pod(body)
            return 201, body
        if method == "DELETE":
            self.deleted.append(name)
            return 200, {"kind": "Status", "status": "Success"}
        if parts[-1] == "status":
            code = self.ended[name]()
            return 200, {**self.jobs[name], "status": {} if code is None else {"failed" if code else "succeeded": 1}}
        if parts[-1] == "pods":
            name = query.partition("job-name%3D")[2]
            code = self.ended[name]()
            state: Json = {"running": {}} if code is None else {"terminated": {"exitCode": code}}
            container = {
                "name": "snakemake",
                "image": "",
                "imageID": "",
                "ready": False,
                "restartCount": 0,
                "state": state,
            }
            return 200, {
                "items": [{"metadata": {"name": f"{name}-pod"}, "status": {"containerStatuses": [container]}}]
                if name not in self.deleted
                else []
            }
        if parts[-1] == "log":
            if "previous=True" in query:  # the pod was never restarted
                return 400, {"kind": "Status", "message": "previous terminated container not found"}
            return 200, LOG
        return 404, {"kind": "Status", "message": f"{method} {path}"}


def _refused(job: Json) -> str:
    """What the real server says of a device that is asked for without a limit; the schema does not."""
    for container in job["spec"]["template"]["spec"]["containers"]:
        wanted, limits = (container["resources"].get(key) or {} for key in ("requests", "limits"))
        for resource in wanted:
            if "/" in resource and limits.get(resource) != wanted[resource]:
                return f"{resource}: Limit must be set for non overcommitable resources"
    return ""


@contextmanager
def serving(cluster: Cluster, kubeconfig: Path) -> Iterator[None]:
    """Serve it, and write the kubeconfig that leads there."""

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            path, _, query = self.path.partition("?")
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
            status, answer = cluster.answer(self.command, path, query, body)
            data = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain" if isinstance(answer, str) else "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = _any

        def log_message(self, *words: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        one = {"name": "test", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}
        context = {"name": "test", "context": {"cluster": "test", "user": "test"}}
        kubeconfig.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "test",
                    "clusters": [one],
                    "contexts": [context],
                    "users": [{"name": "test", "user": {"token": TOKEN}}],
                }
            )
        )
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
