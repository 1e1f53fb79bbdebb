"""The chart as Helm's engine renders it, and what its objects say of each other."""

import copy
import functools
import json
import pathlib

import helm_python
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[3]
CHART = ROOT / "deploy" / "chart"
HERE = pathlib.Path(__file__).resolve().parent


def values_of(path):
    """The values that a file sets."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def manifests(values):
    """{template: text} of the release "demo" in "nlp"; HelmError where Helm refuses."""
    with helm_python.Chart.load(CHART) as chart:
        chart.validate_schema(values)
        return chart.render(values, name="demo", namespace="nlp")


@functools.cache
def objects_of(values_json):
    """Every object of a release, by values as JSON."""
    texts = manifests(json.loads(values_json))
    return [document for name, text in sorted(texts.items()) if name.endswith(".yaml")
            for document in yaml.safe_load_all(text) if document]


def render(values):
    """Every object of a release; the caller's own."""
    return copy.deepcopy(objects_of(json.dumps(values)))


def notes(values):
    """What `helm install` prints."""
    return manifests(values)["trimtab/templates/NOTES.txt"]


def of_kind(objects, *kinds):
    """The objects of these kinds."""
    return [one for one in objects if one["kind"] in kinds]


def workload(objects):
    """The Deployment or StatefulSet."""
    found = of_kind(objects, "Deployment", "StatefulSet")
    assert len(found) == 1, f"one workload expected, found {len(found)}"
    return found[0]


def pod(objects):
    """The template of the server's pods."""
    return workload(objects)["spec"]["template"]


def container(objects):
    """The server's container."""
    return pod(objects)["spec"]["containers"][0]


def test_pod(objects):
    """The pod of `helm test`."""
    return of_kind(objects, "Pod")[0]


def ports(one):
    """{name: number} of a container's ports."""
    return {port["name"]: port["containerPort"] for port in one["ports"]}


def selects(selector, labels):
    """Whether a map of labels is part of another."""
    return selector.items() <= labels.items()


def configuration(objects):
    """The text of the server's configuration file."""
    return next(one["data"]["trimtabd.toml"] for one in of_kind(objects, "ConfigMap") if "trimtabd.toml" in one["data"])
