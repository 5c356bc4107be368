"""Which relations rest on a raw table: from the manifest that dbt writes with every build.

dbt does not see what happens between its stages. Where a Python step makes a source of one stage
from a model of an earlier one, the source's `meta` says so: `made_from: <model>`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

Manifest = dict[str, Any]


def dependants(manifest: Manifest, raw_table: str) -> list[str]:
    """Return, as schema.name, what others read and rests on `raw.<raw_table>`, sorted.

    That are the models in marts, the sources made from models, and what dbt calls exposures: the
    uses outside. A table that no model reads has none.
    """
    reached = _downstream(_sources(manifest, raw_table), _children(manifest))
    return sorted({name for key in reached if (name := _relation_others_read(manifest, key))})


def marts_models_downstream(manifest: Manifest, raw_table: str) -> list[dict[str, Any]]:
    """Return the manifest's nodes of the models in marts that dbt builds from `raw.<raw_table>`."""
    reached = _downstream(_sources(manifest, raw_table), manifest["child_map"])
    nodes = [manifest["nodes"][key] for key in reached if key in manifest["nodes"]]
    return [
        node for node in nodes if node["resource_type"] == "model" and node["schema"] == "marts"
    ]


def downstream(manifest: Manifest, keys: list[str]) -> set[str]:
    """Return the keys of all that dbt builds from nodes with these keys, and of their tests."""
    return set(_downstream(keys, manifest["child_map"]))


def _sources(manifest: Manifest, raw_table: str) -> list[str]:
    return [
        key
        for key, source in manifest["sources"].items()
        if (source["schema"], source["identifier"]) == ("raw", raw_table)
    ]


def _children(manifest: Manifest) -> dict[str, list[str]]:
    """Return dbt's lineage, with the edges from a model to the sources that are made from it."""
    children = {key: list(found) for key, found in manifest["child_map"].items()}
    models = {
        node["name"]: key
        for key, node in manifest["nodes"].items()
        if node["resource_type"] == "model"
    }
    for key, source in manifest["sources"].items():
        if "made_from" in source["meta"]:
            children[models[source["meta"]["made_from"]]].append(key)
    return children


def _downstream(starts: Iterable[str], children: dict[str, list[str]]) -> Iterator[str]:
    """Yield what rests on the starts, each once; not the starts themselves."""
    waiting, seen = list(starts), set(starts)
    while waiting:
        for child in children.get(waiting.pop(), []):
            if child not in seen:
                seen.add(child)
                waiting.append(child)
                yield child


def _relation_others_read(manifest: Manifest, key: str) -> str | None:
    kind = key.partition(".")[0]
    if kind == "exposure":
        return str(manifest["exposures"][key]["meta"]["relation"])
    if kind == "source":
        source = manifest["sources"][key]
        return f"{source['schema']}.{source['identifier']}"
    node = manifest["nodes"].get(key, {})
    is_public = kind == "model" and node["schema"] == "marts"
    return f"{node['schema']}.{node['alias']}" if is_public else None
