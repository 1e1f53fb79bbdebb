#!/usr/bin/env python3
"""The chart under Helm's engine: every file of good/ renders to objects that Kubernetes takes and that fit each other,
every file of bad/ is refused with the words it expects. `./dev chart` runs this."""

import json
import subprocess
import tempfile
import unittest

import helm_python
import jsonschema
import kubernetes_validate
import yaml

import rendered
from rendered import container, of_kind, pod, ports, selects, test_pod, workload

GOOD = sorted(rendered.HERE.glob("good/*.yaml"))
BAD = sorted(rendered.HERE.glob("bad/*.yaml"))
KUBERNETES = ("1.27", "1.37")  # What Chart.yaml asks for, and the newest whose schemas there are.
CUSTOM = yaml.safe_load((rendered.HERE / "custom_resources.yaml").read_text(encoding="utf-8"))


class EveryGoodFile(unittest.TestCase):
    """Each test looks at all files of good/."""

    def each(self):
        """(objects, values) of each file, in a subtest of its own."""
        for path in GOOD:
            values = rendered.values_of(path)
            with self.subTest(path.stem):
                yield rendered.render(values), values

    def test_there_are_at_least_twenty(self):
        self.assertGreaterEqual(len(GOOD), 20)

    def test_every_object_has_the_form_that_kubernetes_knows(self):
        for objects, _ in self.each():
            for one in objects:
                custom = CUSTOM["kinds"].get(one["kind"])
                if custom is None:
                    for version in KUBERNETES:
                        kubernetes_validate.validate(one, version, strict=True)
                else:
                    self.assertEqual(one["apiVersion"], custom["apiVersion"])
                    self.assertEqual(set(one), {"apiVersion", "kind", "metadata", "spec"})
                    jsonschema.validate(one["spec"], {**custom["spec"], "definitions": CUSTOM["definitions"]})

    def test_no_two_objects_are_one_and_names_and_labels_are_legal(self):
        for objects, _ in self.each():
            names = [(one["kind"], one["metadata"]["name"]) for one in objects]
            self.assertEqual(len(names), len(set(names)))
            for one in objects:
                self.assertRegex(one["metadata"]["name"], r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")
                for value in one["metadata"]["labels"].values():
                    self.assertRegex(value, r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$")

    def test_selectors_select_the_pods_of_the_server_and_not_the_test(self):
        for objects, _ in self.each():
            labels, other = pod(objects)["metadata"]["labels"], test_pod(objects)["metadata"]["labels"]
            selectors = [one["spec"]["selector"] for one in of_kind(objects, "Service")]
            selectors += [one["spec"]["selector"]["matchLabels"]
                          for one in of_kind(objects, "Deployment", "StatefulSet", "PodDisruptionBudget", "PodMonitor")]
            selectors += [one["spec"]["podSelector"]["matchLabels"] for one in of_kind(objects, "NetworkPolicy")]
            selectors += [one["labelSelector"]["matchLabels"]
                          for one in pod(objects)["spec"].get("topologySpreadConstraints", [])]
            self.assertGreaterEqual(len(selectors), 3)
            for selector in selectors:
                self.assertTrue(selects(selector, labels), selector)
                self.assertFalse(selects(selector, other), selector)

    def test_services_lead_to_ports_that_the_container_opens(self):
        for objects, _ in self.each():
            for service in of_kind(objects, "Service"):
                for port in service["spec"]["ports"]:
                    self.assertIn(port["targetPort"], ports(container(objects)))
            flags = dict(argument[2:].split("=", 1) for argument in container(objects)["args"])
            self.assertEqual(ports(container(objects)), {"grpc": int(flags["listen"].rsplit(":", 1)[1]),
                                                         "metrics": int(flags["metrics-listen"].rsplit(":", 1)[1])})

    def test_probes_ask_the_port_of_operators_and_only_readiness_depends_on_the_model(self):
        for objects, _ in self.each():
            one = container(objects)
            paths = {}
            for name in ("startupProbe", "readinessProbe", "livenessProbe"):
                self.assertEqual(one[name]["httpGet"]["port"], "metrics")
                paths[name] = one[name]["httpGet"]["path"]
            self.assertEqual(paths, {"startupProbe": "/readyz", "readinessProbe": "/readyz", "livenessProbe": "/livez"})

    def test_a_pod_is_given_longer_than_its_drain_takes(self):
        for objects, values in self.each():
            config = {"drain-accept-seconds": 5, "drain-seconds": 30, **values.get("config", {})}
            drain = config["drain-accept-seconds"] + config["drain-seconds"]
            self.assertGreater(pod(objects)["spec"]["terminationGracePeriodSeconds"], drain + 5)

    def test_all_that_is_mounted_exists_and_all_that_exists_is_mounted(self):
        for objects, values in self.each():
            made = {(one["kind"], one["metadata"]["name"]) for one in objects}
            secrets = {values.get("tokens", {}).get("existingSecret"), *values.get("tls", {}).values()}
            claim = values.get("model", {}).get("existingClaim")
            own = [one["metadata"]["name"] for one in workload(objects)["spec"].get("volumeClaimTemplates", [])]
            for spec, more in ((pod(objects)["spec"], own), (test_pod(objects)["spec"], [])):
                volumes = {one["name"]: one for one in spec["volumes"]}
                mounted = {mount["name"] for one in spec["containers"] for mount in one["volumeMounts"]}
                self.assertEqual(mounted, {*volumes, *more})
                for volume in volumes.values():
                    if "configMap" in volume:
                        self.assertIn(("ConfigMap", volume["configMap"]["name"]), made)
                    if "secret" in volume:
                        self.assertIn(volume["secret"]["secretName"], secrets)
                    if "persistentVolumeClaim" in volume:
                        name = volume["persistentVolumeClaim"]["claimName"]
                        self.assertTrue(name == claim or ("PersistentVolumeClaim", name) in made, name)
            account = pod(objects)["spec"]["serviceAccountName"]
            self.assertTrue(account in ("default", values.get("serviceAccount", {}).get("name"))
                            or ("ServiceAccount", account) in made, account)

    def test_an_autoscaler_has_its_target_to_itself(self):
        for objects, _ in self.each():
            one = workload(objects)
            scalers = of_kind(objects, "HorizontalPodAutoscaler")
            self.assertEqual("replicas" in one["spec"], not scalers)
            for scaler in scalers:
                self.assertEqual(scaler["spec"]["scaleTargetRef"], {
                    "apiVersion": one["apiVersion"], "kind": one["kind"], "name": one["metadata"]["name"]})

    def test_a_stateful_set_names_the_headless_service(self):
        for objects, _ in self.each():
            for one in of_kind(objects, "StatefulSet"):
                service = next(service for service in of_kind(objects, "Service")
                               if service["metadata"]["name"] == one["spec"]["serviceName"])
                self.assertEqual(service["spec"]["clusterIP"], "None")

    def test_monitors_find_the_port_of_metrics_once(self):
        for objects, _ in self.each():
            for monitor in of_kind(objects, "ServiceMonitor"):
                found = [one for one in of_kind(objects, "Service")
                         if selects(monitor["spec"]["selector"]["matchLabels"], one["metadata"]["labels"])]
                self.assertEqual(len(found), 1)
                self.assertIn("metrics", [port["name"] for port in found[0]["spec"]["ports"]])
            for monitor in of_kind(objects, "PodMonitor"):
                self.assertEqual(monitor["spec"]["podMetricsEndpoints"][0]["port"], "metrics")

    def test_routes_lead_to_the_service_and_never_to_admin_or_parameters(self):
        for objects, _ in self.each():
            services = {one["metadata"]["name"]: [port["port"] for port in one["spec"]["ports"]]
                        for one in of_kind(objects, "Service")}
            for route in of_kind(objects, "GRPCRoute"):
                for rule in route["spec"]["rules"]:
                    self.assertEqual([match["method"]["service"] for match in rule["matches"]],
                                     ["trimtab.v1.Summarizer", "grpc.health.v1.Health"])
                    for backend in rule["backendRefs"]:
                        self.assertIn(backend["port"], services[backend["name"]])
            for policy in of_kind(objects, "BackendTrafficPolicy"):
                target = policy["spec"]["targetRefs"][0]
                self.assertEqual([one["metadata"]["name"] for one in of_kind(objects, target["kind"])], [target["name"]])
            for ingress in of_kind(objects, "Ingress"):
                paths = ingress["spec"]["rules"][0]["http"]["paths"]
                self.assertEqual([path["path"] for path in paths], ["/trimtab.v1.Summarizer/", "/grpc.health.v1.Health/"])
                self.assertIn(paths[0]["backend"]["service"]["name"], services)

    def test_pods_meet_the_restricted_standard_and_say_what_they_need(self):
        for objects, _ in self.each():
            for spec in (pod(objects)["spec"], test_pod(objects)["spec"]):
                self.assertFalse(spec["automountServiceAccountToken"])
                self.assertTrue(spec["securityContext"]["runAsNonRoot"])
                self.assertEqual(spec["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
                for one in spec["containers"]:
                    self.assertEqual(one["securityContext"], {"allowPrivilegeEscalation": False,
                                                              "readOnlyRootFilesystem": True,
                                                              "capabilities": {"drop": ["ALL"]}})
                    self.assertIn("memory", one["resources"]["limits"])


class Details(unittest.TestCase):
    def one(self, name):
        """The objects of one good file."""
        path = next(path for path in GOOD if path.stem.endswith(name))
        return rendered.render(rendered.values_of(path))

    def test_a_changed_configuration_starts_new_pods_and_nothing_else_does(self):
        def checksum(values):
            return pod(rendered.render(values))["metadata"]["annotations"]["checksum/config"]
        self.assertEqual(checksum({}), checksum({"replicas": 3}))
        self.assertNotEqual(checksum({}), checksum({"config": {"max-queue": 7}}))

    def test_the_ports_of_a_network_policy_are_apart(self):
        policy = of_kind(self.one("network-policy"), "NetworkPolicy")[0]["spec"]
        peers = {rule["ports"][0]["port"]: rule["from"] for rule in policy["ingress"]}
        self.assertEqual(set(peers), {"grpc", "metrics"})
        self.assertIn({"podSelector": {"matchLabels": {"app": "trainer"}}}, peers["grpc"])
        self.assertNotIn({"podSelector": {"matchLabels": {"app": "trainer"}}}, peers["metrics"])
        self.assertEqual(policy["egress"], [])
        self.assertEqual(policy["policyTypes"], ["Ingress", "Egress"])

    def test_the_test_pod_may_pass_a_network_policy(self):
        objects = self.one("closed-network")
        rule = of_kind(objects, "NetworkPolicy")[0]["spec"]["ingress"][0]
        self.assertTrue(selects(rule["from"][0]["podSelector"]["matchLabels"], test_pod(objects)["metadata"]["labels"]))

    def test_without_a_gpu_nothing_speaks_of_one(self):
        self.assertNotIn("nvidia", json.dumps(self.one("defaults")))
        spec = pod(self.one("gpu"))["spec"]
        self.assertEqual(spec["containers"][0]["resources"]["limits"],
                         {"cpu": 8, "memory": "16Gi", "nvidia.com/gpu": "2"})
        self.assertEqual(spec["runtimeClassName"], "nvidia")
        self.assertEqual(spec["tolerations"][0]["key"], "nvidia.com/gpu")

    def test_a_gpu_takes_the_image_and_the_device_for_it_unless_they_are_named(self):
        objects = self.one("gpu")
        self.assertEqual(container(objects)["image"], "trimtab:0.1.0-cuda")
        self.assertIn('device = "cuda:0"', of_kind(objects, "ConfigMap")[0]["data"]["trimtabd.toml"])
        objects = rendered.render({"gpu": {"enabled": True}, "image": {"tag": "edge"}, "config": {"device": "auto"}})
        self.assertEqual(container(objects)["image"], "trimtab:edge")
        self.assertIn('device = "auto"', of_kind(objects, "ConfigMap")[0]["data"]["trimtabd.toml"])
        self.assertNotIn("device", of_kind(self.one("defaults"), "ConfigMap")[0]["data"]["trimtabd.toml"])

    def test_compute_threads_follow_the_limit_unless_they_are_set(self):
        source = container(self.one("defaults"))["env"][0]["valueFrom"]["resourceFieldRef"]
        self.assertEqual(source, {"containerName": "trimtabd", "resource": "limits.cpu"})
        self.assertNotIn("env", container(self.one("every-option")))

    def test_rules_and_dashboards_arrive_as_they_are(self):
        objects = self.one("rules-and-dashboards")
        files = rendered.CHART / "files"
        self.assertEqual(of_kind(objects, "PrometheusRule")[0]["spec"], rendered.values_of(files / "trimtab-rules.yaml"))
        data = next(one["data"] for one in of_kind(objects, "ConfigMap") if "trimtab-dashboard.json" in one["data"])
        self.assertEqual(data["trimtab-dashboard.json"], (files / "trimtab-dashboard.json").read_text(encoding="utf-8"))
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            yaml.safe_dump(of_kind(objects, "PrometheusRule")[0]["spec"], file)
            subprocess.run(["promtool", "check", "rules", file.name], check=True, capture_output=True)

    def test_an_image_is_named_by_digest_before_tag_before_version_of_the_chart(self):
        self.assertEqual(container(self.one("defaults"))["image"], "trimtab:0.1.0")
        self.assertIn("@sha256:", container(self.one("by-digest"))["image"])
        self.assertEqual(container(rendered.render({"image": {"tag": "edge"}}))["image"], "trimtab:edge")

    def test_notes_say_how_to_ask_and_who_may(self):
        self.assertIn("No tokens are set", rendered.notes({}))
        tokens = rendered.notes({"tokens": {"existingSecret": "s"}, "state": {"enabled": True}})
        self.assertIn("--token-file", tokens)
        self.assertIn("demo-trimtab-pods.nlp.svc:50051", tokens)

    def test_helm_lint_finds_nothing(self):
        findings = helm_python.lint(str(rendered.CHART))
        self.assertNotRegex(json.dumps(findings), r"(?i)\"severity\": ?(\"(error|warning)\"|[23])")


class EveryBadFile(unittest.TestCase):
    def test_there_are_at_least_fifteen(self):
        self.assertGreaterEqual(len(BAD), 15)

    def test_is_refused_in_words_that_name_the_fault(self):
        for path in BAD:
            expected = path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# expect: ")
            with self.subTest(path.stem):
                with self.assertRaises(helm_python.HelmError) as raised:
                    rendered.render(rendered.values_of(path))
                self.assertIn(expected, str(raised.exception))


if __name__ == "__main__":
    unittest.main()
